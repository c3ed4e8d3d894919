#include "sluice/event/field.h"

#include <fmt/format.h>

#include <array>

#include "sluice/base/check.h"

namespace sluice::event {

namespace {

void Visit(const std::vector<Field>& fields, FieldPath& path,
           const std::function<void(const FieldPath&, const Field&)>& visit) {
  for (size_t i = 0; i < fields.size(); ++i) {
    path.push_back(i);
    visit(path, fields[i]);
    Visit(fields[i].children, path, visit);
    path.pop_back();
  }
}

}  // namespace

std::string_view ToString(FieldType type) {
  static constexpr std::array<std::string_view, 21> kNames = {
      "Bool",      "Int8",    "Int16",   "Int32",   "Int64", "UInt8", "UInt16",
      "UInt32",    "UInt64",  "Float32", "Float64", "Text",  "Data",  "Enum",
      "Timestamp", "Decimal", "Uuid",    "Struct",  "List",  "Void",  "Which"};
  return kNames.at(static_cast<size_t>(type));
}

std::string_view ToString(TimeUnit unit) {
  static constexpr std::array<std::string_view, 5> kNames = {"rfc3339", "seconds", "milliseconds",
                                                             "microseconds", "nanoseconds"};
  return kNames.at(static_cast<size_t>(unit));
}

const Field& FieldAt(const std::vector<Field>& fields, const FieldPath& path) {
  SLUICE_CHECK(!path.empty() && path[0] < fields.size());
  const Field* field = &fields[path[0]];
  for (size_t i = 1; i < path.size(); ++i) {
    SLUICE_CHECK(path[i] < field->children.size());
    field = &field->children[path[i]];
  }
  return *field;
}

std::string PathName(const std::vector<Field>& fields, const FieldPath& path) {
  std::string name;
  const std::vector<Field>* level = &fields;
  bool element = false;
  for (const size_t index : path) {
    const Field& field = level->at(index);
    if (element) {
      name += "[]";
    } else {
      name.append(name.empty() ? "" : ".").append(field.name);
    }
    element = field.type == FieldType::kList;
    level = &field.children;
  }
  return name;
}

FieldType InnermostType(const Field& field) {
  const Field* inner = &field;
  while (inner->type == FieldType::kList) inner = &inner->children.at(0);
  return inner->type;
}

void ForEachField(const std::vector<Field>& fields,
                  const std::function<void(const FieldPath&, const Field&)>& visit) {
  FieldPath path;
  Visit(fields, path, visit);
}

std::string ColumnTypeName(const Field& field) {
  switch (field.type) {
    case FieldType::kBool:
    case FieldType::kVoid:
      return "boolean";
    case FieldType::kInt8:
      return "byte";
    case FieldType::kInt16:
    case FieldType::kUInt8:
      return "short";
    case FieldType::kInt32:
    case FieldType::kUInt16:
      return "integer";
    case FieldType::kInt64:
    case FieldType::kUInt32:
      return "long";
    case FieldType::kUInt64:
      return "decimal(20,0)";
    case FieldType::kFloat32:
      return "float";
    case FieldType::kFloat64:
      return "double";
    case FieldType::kData:
      return "binary";
    case FieldType::kTimestamp:
      return "timestamp";
    case FieldType::kDecimal:
      return fmt::format("decimal({},{})", field.precision, field.scale);
    case FieldType::kText:
    case FieldType::kEnum:
    case FieldType::kUuid:
    case FieldType::kWhich:
      return "string";
    case FieldType::kList:
      return fmt::format("array<{}>", ColumnTypeName(field.children.at(0)));
    case FieldType::kStruct:
      break;
  }
  std::string name = "struct<";
  for (const Field& child : field.children) {
    name +=
        fmt::format("{}{}:{}", name.back() == '<' ? "" : ",", child.column, ColumnTypeName(child));
  }
  return name += '>';
}

}  // namespace sluice::event
