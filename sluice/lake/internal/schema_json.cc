#include "sluice/lake/internal/schema_json.h"

#include <arrow/api.h>
#include <arrow/util/key_value_metadata.h>
#include <simdjson.h>

#include <algorithm>
#include <charconv>
#include <map>
#include <optional>

#include "sluice/base/json.h"

namespace sluice::lake::internal {

namespace {

using simdjson::dom::element;
using simdjson::dom::object;
using Type = std::shared_ptr<arrow::DataType>;

constexpr int kDepthMax = 100;

Result<Type> ParseType(element json, int depth, std::set<std::string>& features);

Type MapOf(Type key, Type value, bool nullable) {
  return std::make_shared<arrow::MapType>(arrow::field("key", std::move(key), /*nullable=*/false),
                                          arrow::field("value", std::move(value), nullable));
}

Result<Type> ParseDecimal(std::string_view name) {
  int precision = 10;
  int scale = 0;
  std::string text(name);
  std::erase(text, ' ');
  if (text != "decimal") {
    // `decimal(p,s)`: the caller has seen the parenthesis.
    const char* const end = text.data() + text.size();
    auto number =
        std::from_chars(text.data() + std::string_view("decimal(").size(), end, precision);
    if (number.ec != std::errc() || number.ptr == end || *number.ptr != ',') {
      return Corrupt("'{}' is no type", name);
    }
    number = std::from_chars(number.ptr + 1, end, scale);
    if (number.ec != std::errc() || std::string_view(number.ptr, end) != ")") {
      return Corrupt("'{}' is no type", name);
    }
  }
  if (precision < 1 || precision > 38 || scale < 0 || scale > precision) {
    return Corrupt("'{}' is no type", name);
  }
  return arrow::decimal128(precision, scale);
}

Result<Type> ParsePrimitive(std::string_view name) {
  static const std::map<std::string_view, Type> kTypes = {
      {"byte", arrow::int8()},
      {"short", arrow::int16()},
      {"integer", arrow::int32()},
      {"long", arrow::int64()},
      {"float", arrow::float32()},
      {"double", arrow::float64()},
      {"string", arrow::utf8()},
      {"binary", arrow::binary()},
      {"boolean", arrow::boolean()},
      {"date", arrow::date32()},
      {"timestamp", arrow::timestamp(arrow::TimeUnit::MICRO, "UTC")},
      {"timestamp_ntz", arrow::timestamp(arrow::TimeUnit::MICRO)},
      {"timestampWithoutTimezone", arrow::timestamp(arrow::TimeUnit::MICRO)},
      {"variant", arrow::struct_({arrow::field("metadata", arrow::binary()),
                                  arrow::field("value", arrow::binary())})},
      {"void", arrow::null()},
      {"null", arrow::null()},
  };
  if (const auto found = kTypes.find(name); found != kTypes.end()) return found->second;
  if (name == "decimal" || name.starts_with("decimal(")) return ParseDecimal(name);
  return Unsupported("type '{}' is not known", name);
}

Result<bool> Flag(object from, std::string_view key) {
  bool flag = true;
  const auto error = from[key].get(flag);
  if (error == simdjson::NO_SUCH_FIELD) return true;
  if (error != simdjson::SUCCESS) return Corrupt("'{}' is no boolean", key);
  return flag;
}

bool IsVariant(element type_json) {
  std::string_view name;
  return type_json.get(name) == simdjson::SUCCESS && name == "variant";
}

void NoteAnnotations(object field, std::set<std::string>& features) {
  object metadata;
  if (field["metadata"].get(metadata) != simdjson::SUCCESS) return;
  for (const auto& [key, value] : metadata) {
    if (key == "delta.invariants") features.insert("invariants");
    if (key == "delta.generationExpression") features.insert("generatedColumns");
    if (key.starts_with("delta.identity.")) features.insert("identityColumns");
    if (key == "CURRENT_DEFAULT") features.insert("allowColumnDefaults");
    if (key == "delta.typeChanges") features.insert("typeWidening");
  }
}

// Returns the members of `metadata`; and a note of our own for a variant, which Arrow has no type
// for.
std::shared_ptr<const arrow::KeyValueMetadata> Annotations(object field, element type_json) {
  std::vector<std::string> keys;
  std::vector<std::string> values;
  object metadata;
  if (field["metadata"].get(metadata) == simdjson::SUCCESS) {
    for (const auto& [key, value] : metadata) {
      std::string_view text;
      keys.emplace_back(key);
      values.emplace_back(value.get(text) == simdjson::SUCCESS ? std::string(text)
                                                               : simdjson::minify(value));
    }
  }
  if (IsVariant(type_json)) {
    keys.emplace_back(kVariantKey);
    values.emplace_back("true");
  }
  return keys.empty() ? nullptr : arrow::key_value_metadata(std::move(keys), std::move(values));
}

std::shared_ptr<const arrow::KeyValueMetadata> VariantNote(element type_json) {
  if (!IsVariant(type_json)) return nullptr;
  return arrow::key_value_metadata({std::string(kVariantKey)}, {"true"});
}

Result<std::shared_ptr<arrow::Field>> ParseField(object json, int depth,
                                                 std::set<std::string>& features) {
  std::string_view name;
  element type_json;
  if (json["name"].get(name) != simdjson::SUCCESS ||
      json["type"].get(type_json) != simdjson::SUCCESS) {
    return Corrupt("a field of the schema has no name or no type");
  }
  NoteAnnotations(json, features);
  SLUICE_ASSIGN_OR_RETURN(Type type, ParseType(type_json, depth, features), "column '{}'", name);
  SLUICE_ASSIGN_OR_RETURN(const bool nullable, Flag(json, "nullable"), "column '{}'", name);
  return arrow::field(std::string(name), std::move(type), nullable, Annotations(json, type_json));
}

Result<arrow::FieldVector> ParseFields(object json, int depth, std::set<std::string>& features) {
  simdjson::dom::array items;
  if (json["fields"].get(items) != simdjson::SUCCESS) return Corrupt("a struct has no fields");
  arrow::FieldVector fields;
  for (const element item : items) {
    object member;
    if (item.get(member) != simdjson::SUCCESS) return Corrupt("a field is no object");
    SLUICE_ASSIGN_OR_RETURN(auto field, ParseField(member, depth, features));
    fields.push_back(std::move(field));
  }
  return fields;
}

Result<Type> ParseType(element json, int depth, std::set<std::string>& features) {
  if (depth > kDepthMax) return Unsupported("the schema is nested deeper than {}", kDepthMax);
  if (std::string_view name; json.get(name) == simdjson::SUCCESS) return ParsePrimitive(name);
  object members;
  std::string_view kind;
  if (json.get(members) != simdjson::SUCCESS || members["type"].get(kind) != simdjson::SUCCESS) {
    return Corrupt("a type is neither a name nor an object with one");
  }
  const auto parse_member = [&](std::string_view key) -> Result<Type> {
    element member;
    if (members[key].get(member) != simdjson::SUCCESS) return Corrupt("no '{}'", key);
    return ParseType(member, depth + 1, features);
  };
  if (kind == "struct") {
    SLUICE_ASSIGN_OR_RETURN(auto fields, ParseFields(members, depth + 1, features));
    return arrow::struct_(std::move(fields));
  }
  if (kind == "array") {
    SLUICE_ASSIGN_OR_RETURN(Type item, parse_member("elementType"));
    SLUICE_ASSIGN_OR_RETURN(const bool nullable, Flag(members, "containsNull"));
    return arrow::list(arrow::field("element", std::move(item), nullable,
                                    VariantNote(members["elementType"].value_unsafe())));
  }
  if (kind == "map") {
    SLUICE_ASSIGN_OR_RETURN(Type key, parse_member("keyType"));
    SLUICE_ASSIGN_OR_RETURN(Type value, parse_member("valueType"));
    SLUICE_ASSIGN_OR_RETURN(const bool nullable, Flag(members, "valueContainsNull"));
    return Type(std::make_shared<arrow::MapType>(
        arrow::field("key", std::move(key), /*nullable=*/false),
        arrow::field("value", std::move(value), nullable,
                     VariantNote(members["valueType"].value_unsafe()))));
  }
  return Unsupported("type '{}' is not known", kind);
}

void AppendType(std::string& out, const arrow::DataType& type);

void AppendField(std::string& out, const arrow::Field& field) {
  out += R"({"name":)";
  AppendJsonString(out, field.name());
  out += R"(,"type":)";
  AppendType(out, *field.type());
  out += field.nullable() ? R"(,"nullable":true,"metadata":{}})"
                          : R"(,"nullable":false,"metadata":{}})";
}

void AppendStruct(std::string& out, const arrow::FieldVector& fields) {
  out += R"({"type":"struct","fields":[)";
  for (size_t i = 0; i < fields.size(); ++i) {
    if (i > 0) out += ',';
    AppendField(out, *fields[i]);
  }
  out += "]}";
}

std::string PrimitiveName(const arrow::DataType& type) {
  switch (type.id()) {
    case arrow::Type::INT8:
      return "byte";
    case arrow::Type::INT16:
      return "short";
    case arrow::Type::INT32:
      return "integer";
    case arrow::Type::INT64:
      return "long";
    case arrow::Type::FLOAT:
      return "float";
    case arrow::Type::DOUBLE:
      return "double";
    case arrow::Type::STRING:
      return "string";
    case arrow::Type::BINARY:
      return "binary";
    case arrow::Type::BOOL:
      return "boolean";
    case arrow::Type::DATE32:
      return "date";
    case arrow::Type::TIMESTAMP:
      return static_cast<const arrow::TimestampType&>(type).timezone().empty() ? "timestamp_ntz"
                                                                               : "timestamp";
    case arrow::Type::DECIMAL128: {
      const auto& decimal = static_cast<const arrow::Decimal128Type&>(type);
      return fmt::format("decimal({},{})", decimal.precision(), decimal.scale());
    }
    default:
      return "void";
  }
}

void AppendType(std::string& out, const arrow::DataType& type) {
  const auto flag = [](bool value) { return value ? "true" : "false"; };
  switch (type.id()) {
    case arrow::Type::STRUCT:
      AppendStruct(out, type.fields());
      return;
    case arrow::Type::LIST:
      out += R"({"type":"array","elementType":)";
      AppendType(out, *type.field(0)->type());
      out += fmt::format(R"(,"containsNull":{}}})", flag(type.field(0)->nullable()));
      return;
    case arrow::Type::MAP: {
      const auto& map = static_cast<const arrow::MapType&>(type);
      out += R"({"type":"map","keyType":)";
      AppendType(out, *map.key_type());
      out += R"(,"valueType":)";
      AppendType(out, *map.item_type());
      out += fmt::format(R"(,"valueContainsNull":{}}})", flag(map.item_field()->nullable()));
      return;
    }
    default:
      AppendJsonString(out, PrimitiveName(type));
  }
}

Result<arrow::FieldVector> TableFields(const arrow::FieldVector& fields) {
  arrow::FieldVector result;
  for (const auto& field : fields) {
    SLUICE_ASSIGN_OR_RETURN(Type type, TableType(*field->type()), "column '{}'", field->name());
    result.push_back(arrow::field(field->name(), std::move(type), field->nullable()));
  }
  return result;
}

}  // namespace

Result<std::shared_ptr<arrow::DataType>> ParseTypeName(std::string_view name) {
  return ParsePrimitive(name);
}

std::string Annotation(const arrow::Field& field, std::string_view key) {
  if (field.metadata() == nullptr) return {};
  return field.metadata()->Get(std::string(key)).ValueOr("");
}

std::shared_ptr<arrow::DataType> WithChildren(
    const std::shared_ptr<arrow::DataType>& type,
    const std::function<std::shared_ptr<arrow::Field>(const arrow::Field&)>& change) {
  if (type->id() == arrow::Type::STRUCT) {
    arrow::FieldVector fields;
    for (const auto& child : type->fields()) fields.push_back(change(*child));
    return arrow::struct_(std::move(fields));
  }
  if (type->id() == arrow::Type::LIST) return arrow::list(change(*type->field(0)));
  if (type->id() == arrow::Type::MAP) {
    const auto& map = static_cast<const arrow::MapType&>(*type);
    return std::make_shared<arrow::MapType>(change(*map.key_field()), change(*map.item_field()));
  }
  return type;
}

std::shared_ptr<arrow::Field> WithoutAnnotations(const arrow::Field& field) {
  return arrow::field(field.name(), WithChildren(field.type(), WithoutAnnotations),
                      field.nullable());
}

Result<ParsedSchema> ParseSchema(std::string_view json) {
  if (json.empty()) {  // As Spark has it: no schema is one without columns.
    return ParsedSchema{
        .schema = arrow::schema({}), .annotated = arrow::schema({}), .features = {}};
  }
  simdjson::dom::parser parser;
  object members;
  if (const auto error = parser.parse(json.data(), json.size()).get(members);
      error != simdjson::SUCCESS) {
    return Corrupt("the schema is not JSON: {}", simdjson::error_message(error));
  }
  ParsedSchema parsed;
  SLUICE_ASSIGN_OR_RETURN(auto fields, ParseFields(members, 0, parsed.features), "schema");
  arrow::FieldVector plain;
  for (const auto& field : fields) plain.push_back(WithoutAnnotations(*field));
  parsed.schema = arrow::schema(std::move(plain));
  parsed.annotated = arrow::schema(std::move(fields));
  return parsed;
}

Result<std::shared_ptr<arrow::DataType>> TableType(const arrow::DataType& type) {
  switch (type.id()) {
    case arrow::Type::UINT8:
      return arrow::int16();
    case arrow::Type::UINT16:
      return arrow::int32();
    case arrow::Type::UINT32:
      return arrow::int64();
    case arrow::Type::UINT64:
      return arrow::decimal128(20, 0);
    case arrow::Type::BOOL:
      return arrow::boolean();
    case arrow::Type::INT8:
      return arrow::int8();
    case arrow::Type::INT16:
      return arrow::int16();
    case arrow::Type::INT32:
      return arrow::int32();
    case arrow::Type::INT64:
      return arrow::int64();
    case arrow::Type::FLOAT:
      return arrow::float32();
    case arrow::Type::DOUBLE:
      return arrow::float64();
    case arrow::Type::DATE32:
      return arrow::date32();
    case arrow::Type::STRING:
    case arrow::Type::LARGE_STRING:
    case arrow::Type::STRING_VIEW:
      return arrow::utf8();
    case arrow::Type::BINARY:
    case arrow::Type::LARGE_BINARY:
    case arrow::Type::BINARY_VIEW:
    case arrow::Type::FIXED_SIZE_BINARY:
      return arrow::binary();
    case arrow::Type::TIMESTAMP:
      return static_cast<const arrow::TimestampType&>(type).timezone().empty()
                 ? arrow::timestamp(arrow::TimeUnit::MICRO)
                 : arrow::timestamp(arrow::TimeUnit::MICRO, "UTC");
    case arrow::Type::DECIMAL128: {
      const auto& decimal = static_cast<const arrow::Decimal128Type&>(type);
      if (decimal.scale() < 0 || decimal.scale() > decimal.precision()) break;
      return arrow::decimal128(decimal.precision(), decimal.scale());
    }
    case arrow::Type::DICTIONARY:
      return TableType(*static_cast<const arrow::DictionaryType&>(type).value_type());
    case arrow::Type::STRUCT: {
      SLUICE_ASSIGN_OR_RETURN(auto fields, TableFields(type.fields()));
      return arrow::struct_(std::move(fields));
    }
    case arrow::Type::LIST:
    case arrow::Type::LARGE_LIST: {
      SLUICE_ASSIGN_OR_RETURN(Type item, TableType(*type.field(0)->type()));
      return arrow::list(arrow::field("element", std::move(item), type.field(0)->nullable()));
    }
    case arrow::Type::MAP: {
      const auto& map = static_cast<const arrow::MapType&>(type);
      SLUICE_ASSIGN_OR_RETURN(Type key, TableType(*map.key_type()));
      SLUICE_ASSIGN_OR_RETURN(Type value, TableType(*map.item_type()));
      return MapOf(std::move(key), std::move(value), map.item_field()->nullable());
    }
    default:
      break;
  }
  return Unsupported("type {} has no counterpart in Delta tables", type.ToString());
}

Result<columnar::Schema> TableSchema(const arrow::Schema& schema) {
  SLUICE_ASSIGN_OR_RETURN(auto fields, TableFields(schema.fields()));
  return arrow::schema(std::move(fields));
}

std::string SchemaToJson(const arrow::Schema& schema) {
  std::string out;
  AppendStruct(out, schema.fields());
  return out;
}

Result<std::string> AppendFields(std::string_view json,
                                 const std::vector<std::shared_ptr<arrow::Field>>& added) {
  simdjson::ondemand::parser parser;
  const simdjson::padded_string padded(json);
  simdjson::ondemand::document document;
  std::string_view fields;
  if (parser.iterate(padded).get(document) != simdjson::SUCCESS ||
      document["fields"].raw_json().get(fields) != simdjson::SUCCESS) {
    return Corrupt("the schema is not JSON with fields");
  }
  const auto begin = static_cast<size_t>(fields.data() - padded.data());
  const size_t end = begin + fields.rfind(']');
  const bool empty =
      json.substr(begin + 1, end - begin - 1).find_first_not_of(" \t\r\n") == std::string::npos;
  std::string out(json.substr(0, end));
  for (size_t i = 0; i < added.size(); ++i) {
    if (i > 0 || !empty) out += ',';
    AppendField(out, *added[i]);
  }
  out.append(json.substr(end));
  return out;
}

namespace {

namespace dom = simdjson::dom;

// Writes the members of `object`, that of `key` by `write`.
template <typename Write>
void CopyObject(std::string& out, dom::object object, std::string_view key, Write write) {
  out += '{';
  for (const auto [name, value] : object) {
    if (out.back() != '{') out += ',';
    AppendJsonString(out, name);
    out += ':';
    if (name == key) {
      write(value);
    } else {
      out += simdjson::minify(value);
    }
  }
  out += '}';
}

void AppendWidened(std::string& out, dom::element type, const arrow::DataType& wider);

// Writes the fields of a struct in the order of `wider`.
void AppendWidenedFields(std::string& out, dom::element fields, const arrow::FieldVector& wider) {
  dom::array present;
  if (fields.get(present) != simdjson::SUCCESS) return;
  out += '[';
  for (const auto& field : wider) {
    if (out.back() != '[') out += ',';
    std::optional<dom::object> found;
    for (const dom::element one : present) {
      std::string_view name;
      if (one["name"].get(name) == simdjson::SUCCESS && name == field->name()) {
        found = one.get_object().value_unsafe();
        break;
      }
    }
    if (!found) {
      AppendField(out, *field->WithNullable(true));
    } else {
      CopyObject(out, *found, "type",
                 [&](dom::element type) { AppendWidened(out, type, *field->type()); });
    }
  }
  out += ']';
}

void AppendWidened(std::string& out, dom::element type, const arrow::DataType& wider) {
  dom::object object;
  if (type.get(object) != simdjson::SUCCESS ||
      (wider.id() != arrow::Type::STRUCT && wider.id() != arrow::Type::LIST)) {
    out += simdjson::minify(type);
    return;
  }
  const bool list = wider.id() == arrow::Type::LIST;
  CopyObject(out, object, list ? "elementType" : "fields", [&](dom::element inner) {
    if (list) {
      AppendWidened(out, inner, *wider.field(0)->type());
    } else {
      AppendWidenedFields(out, inner, wider.fields());
    }
  });
}

}  // namespace

Result<std::string> WidenFields(std::string_view json,
                                const std::vector<std::shared_ptr<arrow::Field>>& wider) {
  dom::parser parser;
  dom::object schema;
  dom::array fields;
  if (parser.parse(simdjson::padded_string(json)).get(schema) != simdjson::SUCCESS ||
      schema["fields"].get(fields) != simdjson::SUCCESS) {
    return Corrupt("the schema is not JSON with fields");
  }
  std::string out;
  CopyObject(out, schema, "fields", [&](dom::element) {
    out += '[';
    for (const dom::element element : fields) {
      if (out.back() != '[') out += ',';
      std::string_view name;
      const arrow::Field* wanted = nullptr;
      if (element["name"].get(name) == simdjson::SUCCESS) {
        for (const auto& field : wider) {
          if (field->name() == name) wanted = field.get();
        }
      }
      dom::object object;
      if (wanted == nullptr || element.get(object) != simdjson::SUCCESS) {
        out += simdjson::minify(element);
        continue;
      }
      CopyObject(out, object, "type",
                 [&](dom::element type) { AppendWidened(out, type, *wanted->type()); });
    }
    out += ']';
  });
  return out;
}

Result<std::string> SetAnnotation(std::string_view json, std::string_view name,
                                  std::string_view key, std::string_view value) {
  simdjson::ondemand::parser parser;
  const simdjson::padded_string padded(json);
  simdjson::ondemand::document document;
  simdjson::ondemand::array fields;
  if (parser.iterate(padded).get(document) != simdjson::SUCCESS ||
      document["fields"].get_array().get(fields) != simdjson::SUCCESS) {
    return Corrupt("the schema is not JSON with fields");
  }
  for (auto field : fields) {
    simdjson::ondemand::object members;
    std::string_view found;
    if (field.get_object().get(members) != simdjson::SUCCESS ||
        members.find_field_unordered("name").get_string().get(found) != simdjson::SUCCESS ||
        found != name) {
      continue;
    }
    simdjson::ondemand::object metadata;
    if (members.find_field_unordered("metadata").get_object().get(metadata) != simdjson::SUCCESS) {
      break;
    }
    std::string_view old;
    std::string out;
    if (metadata.find_field_unordered(key).raw_json().get(old) == simdjson::SUCCESS) {
      while (!old.empty() && (old.back() == ' ' || old.back() == '\n')) old.remove_suffix(1);
      const auto begin = static_cast<size_t>(old.data() - padded.data());
      out = json.substr(0, begin);
      out.append(value).append(json.substr(begin + old.size()));
      return out;
    }
    std::string_view whole;
    if (metadata.reset().error() != simdjson::SUCCESS ||
        metadata.raw_json().get(whole) != simdjson::SUCCESS) {
      break;
    }
    const auto begin = static_cast<size_t>(whole.data() - padded.data()) + 1;
    const bool empty = whole.substr(1).find_first_not_of(" \t\r\n") == whole.substr(1).find('}');
    out = json.substr(0, begin);
    AppendJsonString(out, key);
    out.append(":").append(value).append(empty ? "" : ",").append(json.substr(begin));
    return out;
  }
  return Corrupt("the schema has no field '{}' with metadata", name);
}

bool HasTimestampNtz(const arrow::DataType& type) {
  if (type.id() == arrow::Type::TIMESTAMP) {
    return static_cast<const arrow::TimestampType&>(type).timezone().empty();
  }
  return std::ranges::any_of(type.fields(),
                             [](const auto& field) { return HasTimestampNtz(*field->type()); });
}

}  // namespace sluice::lake::internal
