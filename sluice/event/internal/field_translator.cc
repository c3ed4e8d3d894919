#include "sluice/event/internal/field_translator.h"

#include <algorithm>
#include <cmath>
#include <optional>

#include "sluice/base/base64.h"
#include "sluice/base/json.h"
#include "sluice/event/internal/contract_rules.h"

namespace sluice::event::internal {

namespace {

namespace schema = capnp::schema;

std::string ToText(capnp::Text::Reader text) { return {text.cStr(), text.size()}; }

std::optional<FieldType> ToScalar(schema::Type::Which which) {
  switch (which) {
    case schema::Type::BOOL:
      return FieldType::kBool;
    case schema::Type::INT8:
      return FieldType::kInt8;
    case schema::Type::INT16:
      return FieldType::kInt16;
    case schema::Type::INT32:
      return FieldType::kInt32;
    case schema::Type::INT64:
      return FieldType::kInt64;
    case schema::Type::UINT8:
      return FieldType::kUInt8;
    case schema::Type::UINT16:
      return FieldType::kUInt16;
    case schema::Type::UINT32:
      return FieldType::kUInt32;
    case schema::Type::UINT64:
      return FieldType::kUInt64;
    case schema::Type::FLOAT32:
      return FieldType::kFloat32;
    case schema::Type::FLOAT64:
      return FieldType::kFloat64;
    case schema::Type::TEXT:
      return FieldType::kText;
    case schema::Type::DATA:
      return FieldType::kData;
    default:
      return std::nullopt;
  }
}

bool IsAlternative(schema::Field::Reader proto) {
  return proto.getDiscriminantValue() != schema::Field::NO_DISCRIMINANT;
}

// The JSON of a default; empty if it has none.
std::string DefaultJson(const Field& field, schema::Value::Reader value) {
  const auto real = [](double number, std::string text) {
    return std::isfinite(number) ? text : std::string();
  };
  std::string json;
  switch (value.which()) {
    case schema::Value::BOOL:
      return value.getBool() ? "true" : "false";
    case schema::Value::INT8:
      return std::to_string(value.getInt8());
    case schema::Value::INT16:
      return std::to_string(value.getInt16());
    case schema::Value::INT32:
      return std::to_string(value.getInt32());
    case schema::Value::INT64:
      return std::to_string(value.getInt64());
    case schema::Value::UINT8:
      return std::to_string(value.getUint8());
    case schema::Value::UINT16:
      return std::to_string(value.getUint16());
    case schema::Value::UINT32:
      return std::to_string(value.getUint32());
    case schema::Value::UINT64:
      return std::to_string(value.getUint64());
    case schema::Value::FLOAT32:
      return real(value.getFloat32(), fmt::format("{}", value.getFloat32()));
    case schema::Value::FLOAT64:
      return real(value.getFloat64(), fmt::format("{}", value.getFloat64()));
    case schema::Value::TEXT:
      AppendJsonString(json, ToText(value.getText()));
      return json;
    case schema::Value::DATA: {
      const auto data = value.getData();
      AppendJsonString(json,
                       EncodeBase64({reinterpret_cast<const char*>(data.begin()), data.size()}));
      return json;
    }
    case schema::Value::ENUM:
      if (value.getEnum() < field.enumerants.size()) {
        AppendJsonString(json, field.enumerants[value.getEnum()]);
      }
      return json;
    default:
      return json;
  }
}

}  // namespace

void FieldTranslator::Translate(const capnp::StructSchema& node, const std::string& struct_name,
                                Contract& contract) {
  count_ = 0;
  open_.assign({node.getProto().getId()});
  Scope scope;
  scope.struct_name = struct_name;
  scope.place = FindStruct(tokens_, struct_name);
  scope.contract = &contract;
  AddFields(node, scope, contract.fields);
  if (node.getFields().size() == 0) {
    problems_.Add(scope.place, schema_codes::kNoColumn, "struct '{}' has no fields", struct_name);
  }
  if (count_ > kFieldsMax) {
    problems_.Add(scope.place, schema_codes::kLimit,
                  "struct '{}' has more than {} fields, nested ones included", struct_name,
                  kFieldsMax);
  }
}

Place FieldTranslator::PlaceOf(const Scope& scope, std::string_view field_name) const {
  const Place place = FindField(tokens_, scope.struct_name, field_name);
  // A struct of another file: point at the field of this one that leads to it.
  return place.line == 1 && place.column == 1 ? scope.place : place;
}

FieldsAt FieldTranslator::AtOf(const Scope& scope) {
  return {fmt::format("struct '{}'", scope.struct_name), scope.path, scope.contract};
}

void FieldTranslator::AddFields(const capnp::StructSchema& node, const Scope& scope,
                                std::vector<Field>& fields) {
  std::vector<Place> places;
  for (const capnp::StructSchema::Field member : node.getFields()) {
    if (++count_ > kFieldsMax) return;
    if (AddField(member, scope, fields)) {
      places.push_back(PlaceOf(scope, ToText(member.getProto().getName())));
    }
  }
  if (node.getProto().getStruct().getDiscriminantCount() > 0) {
    AddWhich(fields);
    places.push_back(scope.place);
  }
  CheckColumns(AtOf(scope), fields, places, problems_);
}

bool FieldTranslator::AddField(const capnp::StructSchema::Field& member, const Scope& scope,
                               std::vector<Field>& fields) {
  const auto proto = member.getProto();
  Field field;
  field.name = ToText(proto.getName());
  field.column = ColumnName(field.name);
  field.id = proto.isSlot() && proto.getOrdinal().isExplicit() ? proto.getOrdinal().getExplicit()
                                                               : kUnnumbered + member.getIndex();
  field.alternative = IsAlternative(proto);
  const Place place = PlaceOf(scope, field.name);
  const std::string path = scope.path + field.name;

  Scope inner = scope;
  inner.contract = nullptr;
  inner.place = place;
  inner.path = path + ".";
  ++inner.depth;
  if (proto.isGroup()) {
    // A group stands in the text of the struct around it.
    if (!SetStruct(member.getType().asStruct(), std::move(inner), field, place, path)) return false;
  } else if (!SetType(member.getType(), inner, field, place, path)) {
    return false;
  }
  const Roles roles =
      ReadAnnotations(annotations_.Explain(proto.getAnnotations()), place, path, field, problems_);
  if (proto.isSlot() && proto.getSlot().getHadExplicitDefault()) {
    SetDefault(proto.getSlot(), place, path, field);
  }
  if (field.required && (field.alternative || !field.default_json.empty())) {
    problems_.Add(place, schema_codes::kAnnotation, "field '{}' cannot be required: it {}", path,
                  field.alternative ? "is an alternative of a union" : "has a default");
  }
  fields.push_back(std::move(field));
  SetRoles(roles, AtOf(scope), place, path, fields, problems_);
  return true;
}

bool FieldTranslator::SetType(const capnp::Type& type, const Scope& inner, Field& field,
                              Place place, const std::string& path) {
  if (const auto scalar = ToScalar(type.which())) {
    field.type = *scalar;
    return true;
  }
  switch (type.which()) {
    case schema::Type::ENUM:
      field.type = FieldType::kEnum;
      for (const auto enumerant : type.asEnum().getEnumerants()) {
        field.enumerants.push_back(ToText(enumerant.getProto().getName()));
      }
      return true;
    case schema::Type::VOID:
      field.type = FieldType::kVoid;
      if (field.alternative) return true;
      problems_.Add(place, schema_codes::kNoColumn,
                    "field '{}' is Void, which says something only as an alternative of a union",
                    path);
      return false;
    case schema::Type::STRUCT: {
      Scope scope = inner;
      scope.struct_name = ToText(type.asStruct().getShortDisplayName());
      return SetStruct(type.asStruct(), std::move(scope), field, place, path);
    }
    case schema::Type::LIST: {
      field.type = FieldType::kList;
      Field& element = field.children.emplace_back();
      element.name = element.column = "element";
      Scope scope = inner;
      scope.path = path + "[].";
      ++scope.depth;
      if (scope.depth > kDepthMax) {
        problems_.Add(place, schema_codes::kLimit, "field '{}' is nested deeper than {} levels",
                      path, kDepthMax);
        return false;
      }
      return SetType(type.asList().getElementType(), scope, element, place, path + "[]");
    }
    default:
      problems_.Add(place, schema_codes::kNoColumn,
                    "field '{}' is {}, which has no column; give it a struct, a list, or Data",
                    path, type.isInterface() ? "an interface" : "a pointer to anything");
      return false;
  }
}

bool FieldTranslator::SetStruct(const capnp::StructSchema& node, Scope inner, Field& field,
                                Place place, const std::string& path) {
  field.type = FieldType::kStruct;
  const uint64_t id = node.getProto().getId();
  if (std::ranges::find(open_, id) != open_.end()) {
    problems_.Add(place, schema_codes::kNoColumn,
                  "field '{}' holds the struct that it stands in, and so would need columns "
                  "without end; keep the inner one as Text",
                  path);
    return false;
  }
  if (inner.depth > kDepthMax) {
    problems_.Add(place, schema_codes::kLimit, "field '{}' is nested deeper than {} levels", path,
                  kDepthMax);
    return false;
  }
  if (node.getFields().size() == 0) {
    problems_.Add(place, schema_codes::kNoColumn, "field '{}' is a struct without fields", path);
    return false;
  }
  open_.push_back(id);
  AddFields(node, inner, field.children);
  open_.pop_back();
  return !field.children.empty();
}

void FieldTranslator::SetDefault(schema::Field::Slot::Reader slot, Place place,
                                 const std::string& path, Field& field) {
  const bool plain = field.type <= FieldType::kEnum;
  if (plain && !field.alternative) field.default_json = DefaultJson(field, slot.getDefaultValue());
  if (field.default_json.size() > kDefaultBytesMax) {
    problems_.Add(place, schema_codes::kLimit, "field '{}': its default has more than {} bytes",
                  path, kDefaultBytesMax);
  }
  if (!field.default_json.empty()) return;
  problems_.Add(place, schema_codes::kNoColumn, "field '{}': {}", path,
                field.alternative ? "an alternative of a union takes no default"
                : plain           ? "its default has no form in JSON"
                                  : "only plain types take a default");
}

}  // namespace sluice::event::internal
