#include "sluice/event/internal/json_translator.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <limits>
#include <set>
#include <span>
#include <utility>

#include "sluice/base/base64.h"
#include "sluice/base/crc32c.h"
#include "sluice/base/diagnostic.h"
#include "sluice/base/json.h"

namespace sluice::event::internal {

namespace {

constexpr std::string_view kUnionForm =
    "oneOf stands for a union here: objects with one property each, which is required";
constexpr std::string_view kDialect = "https://json-schema.org/draft/2020-12/schema";

struct IntegerType {
  std::string_view format;
  FieldType type;
  std::string_view minimum;
  std::string_view maximum;
};
constexpr std::array<IntegerType, 8> kIntegers = {{
    {"int8", FieldType::kInt8, "-128", "127"},
    {"int16", FieldType::kInt16, "-32768", "32767"},
    {"int32", FieldType::kInt32, "-2147483648", "2147483647"},
    {"int64", FieldType::kInt64, "-9223372036854775808", "9223372036854775807"},
    {"uint8", FieldType::kUInt8, "0", "255"},
    {"uint16", FieldType::kUInt16, "0", "65535"},
    {"uint32", FieldType::kUInt32, "0", "4294967295"},
    {"uint64", FieldType::kUInt64, "0", "18446744073709551615"},
}};

// The keywords that say something about values of a type.
bool Applies(std::string_view keyword, std::string_view type) {
  if (keyword == "type" || keyword == "default" || keyword == "format") return true;
  if (keyword == "properties" || keyword == "required" || keyword == "additionalProperties" ||
      keyword == "oneOf") {
    return type == "object";
  }
  if (keyword == "items") return type == "array";
  if (keyword == "minimum" || keyword == "maximum") return type == "integer" || type == "number";
  if (keyword == "contentEncoding" || keyword == "enum" || keyword == "const") {
    return type == "string";
  }
  return false;
}

template <typename Number>
bool IsNumberOf(std::string_view text) {
  Number number{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end != text.data() + text.size()) return false;
  if constexpr (std::is_floating_point_v<Number>) return std::isfinite(number);
  return true;
}

// Whether a default is a value of the field, whose type is plain.
bool Fits(const JsonNode& value, const Field& field) {
  const bool number = value.kind == JsonNode::Kind::kNumber;
  const bool string = value.kind == JsonNode::Kind::kString;
  switch (field.type) {
    case FieldType::kBool:
      return value.kind == JsonNode::Kind::kBool;
    case FieldType::kInt8:
      return number && IsNumberOf<int8_t>(value.text);
    case FieldType::kInt16:
      return number && IsNumberOf<int16_t>(value.text);
    case FieldType::kInt32:
      return number && IsNumberOf<int32_t>(value.text);
    case FieldType::kInt64:
      return number && IsNumberOf<int64_t>(value.text);
    case FieldType::kUInt8:
      return number && IsNumberOf<uint8_t>(value.text);
    case FieldType::kUInt16:
      return number && IsNumberOf<uint16_t>(value.text);
    case FieldType::kUInt32:
      return number && IsNumberOf<uint32_t>(value.text);
    case FieldType::kUInt64:
      return number && IsNumberOf<uint64_t>(value.text);
    case FieldType::kFloat32:
      return number && IsNumberOf<float>(value.text);
    case FieldType::kFloat64:
      return number && IsNumberOf<double>(value.text);
    case FieldType::kText:
      return string;
    case FieldType::kData:
      return string && DecodeBase64(value.text).ok();
    case FieldType::kEnum:
      return string && std::ranges::find(field.enumerants, value.text) != field.enumerants.end();
    default:
      return false;
  }
}

uint32_t IdOfName(std::string_view name) {
  return kNamed | Crc32c(std::as_bytes(std::span(name.data(), name.size()))) >> 1;
}

bool IsPlainColumn(std::string_view column) {
  const bool begins = !column.empty() && !(column[0] >= '0' && column[0] <= '9');
  return begins && column.find_first_not_of('_') != std::string_view::npos;
}

// `items[].` → `items[]`: the field itself, of what stands in front of its members' names.
std::string PathOf(std::string_view prefix) {
  if (prefix.ends_with('.')) prefix.remove_suffix(1);
  return std::string(prefix);
}

bool IsAscii(std::string_view text) {
  return std::ranges::all_of(text, [](char c) { return static_cast<unsigned char>(c) < 0x80; });
}

}  // namespace

bool JsonTranslator::Refuse(const SchemaAt& at, std::string_view code, const std::string& path,
                            std::string_view why) {
  const std::string owner = path.empty() ? "the event" : "field '" + path + "'";
  problems_.Add(at.place(), code, "{}: {}", owner, why);
  return false;
}

std::optional<Contract> JsonTranslator::Translate() {
  const JsonNode* const root = reader_.Open(name_);
  if (root == nullptr) return std::nullopt;
  CheckDialect(*root);
  const JsonNode* const notes = root->Find("x-sluice");
  if (notes == nullptr) return std::nullopt;  // Others may refer to it.
  EventNotes event = ReadEventNotes(*notes, problems_);
  if (!event.topic) return std::nullopt;
  reader_.Allow(event.unchecked, notes->place);

  Contract contract;
  const std::string owner = fmt::format("topic '{}'", *event.topic);
  SetTopic(*event.topic, event.retain, notes->place, owner, tables_, contract, problems_);
  Keywords keywords;
  if (!reader_.Read({root, &name_, {}}, "", keywords)) return std::nullopt;
  Said said;
  const std::string_view type = TypeOf(keywords, "", said);
  if (type.empty()) return std::nullopt;
  if (type != "object" || said.nullable) {
    problems_.Add(root->place, schema_codes::kKeyword,
                  "an event is an object with properties, and nothing else");
    return std::nullopt;
  }
  if (!CheckApplies(keywords, type, "")) return std::nullopt;
  CheckOthers(keywords, "", /*root=*/true);
  if (closed_) contract.unknown = UnknownFields::kError;
  AddFields(keywords, {.path = "", .depth = 0, .event = &contract}, contract.fields);
  if (contract.fields.empty() && problems_.empty()) {
    problems_.Add(root->place, schema_codes::kNoColumn, "{} has no properties", owner);
  }
  if (count_ > kFieldsMax) {
    problems_.Add(root->place, schema_codes::kLimit,
                  "{} has more than {} fields, nested ones "
                  "included",
                  owner, kFieldsMax);
  }
  CheckSubjects(contract, root->place, problems_);
  return contract;
}

void JsonTranslator::CheckDialect(const JsonNode& root) {
  const JsonNode* const dialect = root.Find("$schema");
  if (dialect == nullptr) return;
  std::string_view text = dialect->text;
  if (text.ends_with('#')) text.remove_suffix(1);
  if (text == kDialect) return;
  problems_.Add(dialect->place, schema_codes::kKeyword, "$schema is {}, expected \"{}\"",
                dialect->text.empty() ? "no text" : '"' + dialect->text + '"', kDialect);
}

// What an object says about members that it does not name holds for the whole event.
void JsonTranslator::CheckOthers(const Keywords& object, const std::string& path, bool root) {
  const JsonNode* const others = object.Find("additionalProperties");
  if (others == nullptr) return;
  const Place place = object.at.from.value_or(others->place);
  const std::string name = root ? "the event" : "field '" + path + "'";
  if (others->kind != JsonNode::Kind::kBool) {
    problems_.Add(
        place, schema_codes::kKeyword,
        "{}: additionalProperties takes true or false: members that are not named have no "
        "type",
        name);
  } else if (root) {
    closed_ = !others->truth;
  } else if (others->truth == closed_) {
    problems_.Add(place, schema_codes::kKeyword,
                  "{}: additionalProperties is {} here and not for the event; it holds for all of "
                  "it, so say it there",
                  name, others->truth);
  }
}

void JsonTranslator::AddFields(const Keywords& object, const Scope& scope,
                               std::vector<Field>& fields) {
  std::vector<Place> places;
  open_.push_back(object.at.node);
  AddProperties(object, scope, fields, places);
  if (const JsonNode* const branches = object.Find("oneOf")) {
    if (branches->items.empty()) {
      Refuse(object.at, schema_codes::kKeyword, PathOf(scope.path), kUnionForm);
    }
    for (const JsonNode& branch : branches->items) {
      if (!AddAlternative(object.Inner(branch), scope, fields, places)) break;
    }
    AddWhich(fields);
    places.push_back(object.at.place());
  }
  open_.pop_back();
  std::map<uint32_t, std::string_view> ids;
  for (size_t i = 0; i < fields.size(); ++i) {
    const auto [other, added] = ids.emplace(fields[i].id, fields[i].name);
    if (added || other->second == fields[i].name) continue;  // CheckColumns() tells of names.
    problems_.Add(places[i], schema_codes::kColumn,
                  "fields '{0}{1}' and '{0}{2}' have the same number; give each an ordinal of "
                  "its own in x-sluice",
                  scope.path, other->second, fields[i].name);
  }
  const std::string owner = scope.path.empty() ? "the event" : "field '" + PathOf(scope.path) + "'";
  CheckColumns({owner, scope.path, scope.event}, fields, places, problems_);
}

void JsonTranslator::AddProperties(const Keywords& object, const Scope& scope,
                                   std::vector<Field>& fields, std::vector<Place>& places) {
  const JsonNode* const properties = object.Find("properties");
  if (properties == nullptr || properties->kind != JsonNode::Kind::kObject) return;
  std::set<std::string_view> required;
  if (const JsonNode* const names = object.Find("required")) {
    for (const JsonNode& name : names->items) {
      required.insert(name.text);
      if (properties->Find(name.text) == nullptr) {
        problems_.Add(object.at.from.value_or(name.place), schema_codes::kKeyword,
                      "required names '{}{}', which properties lack", scope.path, name.text);
      }
    }
    if (names->kind != JsonNode::Kind::kArray) {
      problems_.Add(object.at.from.value_or(names->place), schema_codes::kSyntax,
                    "required takes a list of names");
    }
  }
  for (const JsonMember& member : properties->members) {
    if (++count_ > kFieldsMax) return;
    Field field;
    Roles roles;
    field.required = required.contains(member.name);
    if (!AddField(member, object.Inner(member.value), scope, field, roles)) continue;
    fields.push_back(std::move(field));
    places.push_back(object.at.from.value_or(member.place));
    SetRoles(roles, {{}, scope.path, scope.event}, places.back(), scope.path + member.name, fields,
             problems_);
  }
}

bool JsonTranslator::AddField(const JsonMember& member, const SchemaAt& at, const Scope& scope,
                              Field& field, Roles& roles) {
  const Place place = at.from.value_or(member.place);
  const std::string path = scope.path + member.name;
  field.name = member.name;
  Scope inner{.path = path + ".", .depth = scope.depth + 1, .event = nullptr};
  Said said;
  if (!SetType(at, inner, path, field, said)) return false;
  field.id = said.notes.ordinal.value_or(IdOfName(member.name));
  field.column = said.notes.column.empty() ? ColumnName(member.name) : said.notes.column;
  if (said.notes.column.empty() && (!IsAscii(member.name) || !IsPlainColumn(field.column))) {
    problems_.Add(place, schema_codes::kColumn,
                  "field '{}': its name makes no good column; give it one with \"x-sluice\": "
                  "{{\"column\": \"name\"}}",
                  path);
    return false;
  }
  roles = ReadAnnotations(said.notes.annotations, place, path, field, problems_);
  if (said.fallback != nullptr) SetDefault(*said.fallback, place, path, field);
  if (field.required && (said.nullable || !field.default_json.empty())) {
    problems_.Add(
        place, schema_codes::kKeyword, "field '{}' cannot be required: it {}", path,
        said.nullable ? "may be null, and null is as good as absent here" : "has a default");
  }
  return true;
}

std::string_view JsonTranslator::TypeOf(const Keywords& keywords, const std::string& path,
                                        Said& said) {
  static constexpr std::array<std::string_view, 7> kTypes = {
      "null", "boolean", "integer", "number", "string", "array", "object"};
  said.nullable = said.nullable || keywords.nullable;
  const auto refuse = [&](std::string_view why) -> std::string_view {
    if (path.empty()) {
      problems_.Add(keywords.at.place(), schema_codes::kNoColumn, "the event {}", why);
    } else {
      problems_.Add(keywords.at.place(), schema_codes::kNoColumn, "field '{}' {}", path, why);
    }
    return {};
  };
  const JsonNode* const type = keywords.Find("type");
  if (type == nullptr) {
    for (const std::string_view keyword : {"enum", "const"}) {
      const JsonNode* const value = keywords.Find(keyword);
      if (value != nullptr &&
          (value->kind == JsonNode::Kind::kString || value->kind == JsonNode::Kind::kArray)) {
        return "string";
      }
    }
    if (keywords.Find("properties") != nullptr || keywords.Find("oneOf") != nullptr) {
      return "object";
    }
    if (keywords.Find("items") != nullptr) return "array";
    return refuse(keywords.Find("anyOf") != nullptr
                      ? "may be one of several things; a column has one type, so write a union as "
                        "oneOf of objects with one required property each"
                      : "has no type, so anything may come; a column has one");
  }
  std::vector<std::string_view> named;
  if (type->kind == JsonNode::Kind::kString) named.push_back(type->text);
  for (const JsonNode& item : type->items) named.push_back(item.text);
  std::string_view only;
  for (const std::string_view name : named) {
    const auto* const known = std::ranges::find(kTypes, name);
    if (known == kTypes.end()) return refuse(fmt::format("has type '{}', which is none", name));
    if (name == "null" && named.size() > 1) {
      said.nullable = true;
    } else if (only.empty()) {
      only = *known;
    } else if (only != name) {
      return refuse(fmt::format("may be {} or {}; a column has one type", only, name));
    }
  }
  return only.empty() ? refuse("has no type, so anything may come; a column has one") : only;
}

bool JsonTranslator::CheckApplies(const Keywords& keywords, std::string_view type,
                                  const std::string& path) {
  for (const auto& [keyword, value] : keywords.values) {
    if (keyword == "format" && value->kind != JsonNode::Kind::kString) {
      return Refuse(keywords.at, schema_codes::kSyntax, path, "format takes a string");
    }
    if (Applies(keyword, type)) continue;
    const bool listed = keyword == "enum" || keyword == "const";
    problems_.Add(keywords.at.from.value_or(value->place), schema_codes::kKeyword, "field '{}': {}",
                  path,
                  listed ? fmt::format("{} is for strings here, found {}", keyword, type)
                         : fmt::format("{} says nothing about type {}", keyword, type));
    return false;
  }
  return true;
}

bool JsonTranslator::SetType(const SchemaAt& at, const Scope& inner, const std::string& path,
                             Field& field, Said& said) {
  Keywords keywords;
  if (!reader_.Read(at, path, keywords)) return false;
  const Place place = at.place();
  if (std::ranges::find(open_, keywords.at.node) != open_.end()) {
    problems_.Add(
        place, schema_codes::kNoColumn,
        "field '{}' holds the schema that it stands in, and so would need columns without "
        "end; keep the inner one as a string",
        path);
    return false;
  }
  for (const JsonNode* notes : keywords.notes) {
    ReadFieldNotes(*notes, place, path, said.notes, problems_);
  }
  if (const JsonNode* const fallback = keywords.Find("default")) said.fallback = fallback;
  const std::string_view type = TypeOf(keywords, path, said);
  if (type.empty() || !CheckApplies(keywords, type, path)) return false;
  if (type == "string") return SetString(keywords, path, field, said);
  if (type == "integer" || type == "number") {
    return SetNumber(keywords, path, type == "integer", field);
  }
  if (type == "array") return SetList(keywords, inner, path, field, said);
  if (type == "object") return SetStruct(keywords, inner, path, field);
  field.type = type == "boolean" ? FieldType::kBool : FieldType::kVoid;
  if (type == "boolean" || field.alternative) return true;
  return Refuse(keywords.at, schema_codes::kNoColumn, path,
                "null alone says something only as an alternative of a union");
}

bool JsonTranslator::SetString(const Keywords& keywords, const std::string& path, Field& field,
                               Said& said) {
  field.type = FieldType::kText;
  const JsonNode* const format = keywords.Find("format");
  const JsonNode* const encoding = keywords.Find("contentEncoding");
  const JsonNode* const names = keywords.Find("enum");
  const JsonNode* const only = keywords.Find("const");
  if (encoding != nullptr) {
    if (encoding->text != "base64") {
      return Refuse(keywords.at, schema_codes::kNoColumn, path, "contentEncoding takes \"base64\"");
    }
    field.type = FieldType::kData;
  }
  if (names != nullptr || only != nullptr) {
    field.type = FieldType::kEnum;
    if (only != nullptr) field.enumerants.push_back(only->text);
    bool strings = only == nullptr || only->kind == JsonNode::Kind::kString;
    for (const JsonNode& item : names == nullptr ? std::vector<JsonNode>() : names->items) {
      if (item.kind == JsonNode::Kind::kNull) {
        said.nullable = true;
        continue;
      }
      strings = strings && item.kind == JsonNode::Kind::kString;
      const bool fresh = std::ranges::find(field.enumerants, item.text) == field.enumerants.end();
      if (fresh) field.enumerants.push_back(item.text);
    }
    const bool both = names != nullptr && only != nullptr;
    if (!strings || field.enumerants.empty() || both || encoding != nullptr) {
      return Refuse(
          keywords.at, schema_codes::kNoColumn, path,
          both ? "enum and const exclude each other" : "enum takes strings, at least one");
    }
    return true;
  }
  // Other formats are annotations in this draft: they describe, and check nothing.
  if (format == nullptr || field.type != FieldType::kText) return true;
  if (format->text == "date-time") {
    said.notes.annotations.push_back({.name = "timestamp", .word = "rfc3339"});
  } else if (format->text == "uuid") {
    said.notes.annotations.push_back({.name = "uuid"});
  }
  return true;
}

bool JsonTranslator::SetNumber(const Keywords& keywords, const std::string& path, bool integer,
                               Field& field) {
  const JsonNode* const format = keywords.Find("format");
  const JsonNode* const minimum = keywords.Find("minimum");
  const JsonNode* const maximum = keywords.Find("maximum");
  const std::string_view wanted = format == nullptr ? "" : std::string_view(format->text);
  field.type = integer ? FieldType::kInt64 : FieldType::kFloat64;
  const IntegerType* ranged = nullptr;
  for (const IntegerType& type : kIntegers) {
    if (!integer) break;
    if (wanted == type.format) field.type = type.type;
    const bool exact = minimum != nullptr && maximum != nullptr && minimum->text == type.minimum &&
                       maximum->text == type.maximum;
    if (exact) ranged = &type;
  }
  if (ranged != nullptr && (wanted.empty() || wanted == ranged->format)) {
    field.type = ranged->type;
    return true;
  }
  const bool known = std::ranges::any_of(
      kIntegers, [&](const IntegerType& type) { return integer && type.format == wanted; });
  if (!integer && wanted == "float") {
    field.type = FieldType::kFloat32;
  } else if (!wanted.empty() && !known && wanted != "double") {
    return Refuse(keywords.at, schema_codes::kNoColumn, path,
                  integer ? "format takes int8 to int64 and uint8 to uint64"
                          : "format takes float or double");
  }
  bool ok = true;
  if (minimum != nullptr) ok = reader_.MayPass(*minimum, keywords.at, "minimum", path);
  if (maximum != nullptr) ok = reader_.MayPass(*maximum, keywords.at, "maximum", path) && ok;
  return ok;
}

bool JsonTranslator::SetList(const Keywords& keywords, const Scope& inner, const std::string& path,
                             Field& field, Said& said) {
  field.type = FieldType::kList;
  const JsonNode* const items = keywords.Find("items");
  if (items == nullptr) {
    return Refuse(keywords.at, schema_codes::kNoColumn, path,
                  "an array needs items: a column's elements have one type");
  }
  if (inner.depth + 1 > kDepthMax) {
    return Refuse(keywords.at, schema_codes::kLimit, path,
                  fmt::format("nested deeper than {} levels", kDepthMax));
  }
  // What stands on the elements is said of the list: there it says it of them.
  Field element;
  element.name = element.column = "element";
  Said of_element;
  const Scope scope{.path = path + "[].", .depth = inner.depth + 1, .event = nullptr};
  if (!SetType(keywords.Inner(*items), scope, path + "[]", element, of_element)) return false;
  if (of_element.fallback != nullptr) {
    return Refuse(keywords.at, schema_codes::kNoColumn, path, "elements take no default");
  }
  auto& annotations = said.notes.annotations;
  annotations.insert(annotations.end(), of_element.notes.annotations.begin(),
                     of_element.notes.annotations.end());
  field.children.push_back(std::move(element));
  return true;
}

bool JsonTranslator::SetStruct(const Keywords& keywords, const Scope& inner,
                               const std::string& path, Field& field) {
  field.type = FieldType::kStruct;
  if (inner.depth > kDepthMax) {
    return Refuse(keywords.at, schema_codes::kLimit, path,
                  fmt::format("nested deeper than {} levels", kDepthMax));
  }
  const JsonNode* const properties = keywords.Find("properties");
  const bool named = properties != nullptr && !properties->members.empty();
  if (!named && keywords.Find("oneOf") == nullptr) {
    return Refuse(keywords.at, schema_codes::kNoColumn, path,
                  "an object needs properties: a column cannot take members that nobody named");
  }
  CheckOthers(keywords, path, /*root=*/false);
  AddFields(keywords, inner, field.children);
  return !field.children.empty();
}

bool JsonTranslator::AddAlternative(const SchemaAt& at, const Scope& scope,
                                    std::vector<Field>& fields, std::vector<Place>& places) {
  const std::string path = PathOf(scope.path);
  Keywords branch;
  if (!reader_.Read(at, path, branch)) return false;
  const JsonNode* const properties = branch.Find("properties");
  const JsonNode* const required = branch.Find("required");
  const bool fits = properties != nullptr && properties->members.size() == 1 &&
                    required != nullptr && required->items.size() == 1 &&
                    required->items[0].text == properties->members[0].name &&
                    branch.notes.empty() && !branch.nullable && branch.Find("oneOf") == nullptr;
  if (!fits) return Refuse(branch.at, schema_codes::kKeyword, path, kUnionForm);
  if (++count_ > kFieldsMax) return false;
  CheckOthers(branch, path, /*root=*/false);
  const JsonMember& member = properties->members[0];
  Field field;
  Roles roles;
  field.alternative = true;
  if (!AddField(member, branch.Inner(member.value), scope, field, roles)) return false;
  places.push_back(branch.at.from.value_or(member.place));
  if (!field.default_json.empty()) {
    Refuse(branch.at, schema_codes::kNoColumn, scope.path + member.name,
           "an alternative of a union takes no default");
  }
  fields.push_back(std::move(field));
  SetRoles(roles, {{}, scope.path, scope.event}, places.back(), scope.path + member.name, fields,
           problems_);
  return true;
}

void JsonTranslator::SetDefault(const JsonNode& value, Place place, const std::string& path,
                                Field& field) {
  if (value.kind == JsonNode::Kind::kNull) return;  // As if absent.
  if (field.type > FieldType::kEnum) {
    problems_.Add(place, schema_codes::kNoColumn, "field '{}': only plain types take a default",
                  path);
    return;
  }
  if (!Fits(value, field)) {
    problems_.Add(place, schema_codes::kNoColumn, "field '{}': its default is no value of {}", path,
                  ToString(field.type));
    return;
  }
  if (value.text.size() > kDefaultBytesMax) {
    problems_.Add(place, schema_codes::kLimit, "field '{}': its default has more than {} bytes",
                  path, kDefaultBytesMax);
    return;
  }
  if (value.kind == JsonNode::Kind::kString) {
    AppendJsonString(field.default_json, value.text);
  } else if (value.kind == JsonNode::Kind::kBool) {
    field.default_json = value.truth ? "true" : "false";
  } else {
    field.default_json = value.text;
  }
}

}  // namespace sluice::event::internal
