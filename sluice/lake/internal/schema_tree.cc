#include "sluice/lake/internal/schema_tree.h"

#include <fmt/format.h>
#include <simdjson.h>

#include <algorithm>

#include "sluice/base/ascii.h"
#include "sluice/base/json.h"

namespace sluice::lake::internal {

namespace {

namespace dom = simdjson::dom;

constexpr int kDepthMax = 100;

Result<SchemaType> ReadType(dom::element json, int depth);

Result<SchemaField> ReadField(dom::element json, int depth) {
  SchemaField field;
  dom::object members;
  if (json.get(members) != simdjson::SUCCESS) return Corrupt("a field is no object");
  bool named = false;
  bool typed = false;
  for (const auto [key, value] : members) {
    std::string_view text;
    dom::object metadata;
    if (key == "name" && value.get(text) == simdjson::SUCCESS) {
      field.name = text;
      named = true;
    } else if (key == "type") {
      SLUICE_ASSIGN_OR_RETURN(field.type, ReadType(value, depth));
      typed = true;
    } else if (key == "nullable" && value.get(field.nullable) == simdjson::SUCCESS) {
      continue;
    } else if (key == "metadata" && value.get(metadata) == simdjson::SUCCESS) {
      for (const auto [name, annotation] : metadata) {
        field.metadata.emplace_back(name, simdjson::minify(annotation));
      }
    } else {
      field.others.emplace_back(key, simdjson::minify(value));
    }
  }
  if (!named || !typed) return Corrupt("a field of the schema has no name or no type");
  return field;
}

Result<SchemaType> ReadType(dom::element json, int depth) {
  if (depth > kDepthMax) return Unsupported("the schema is nested deeper than {}", kDepthMax);
  SchemaType type;
  std::string_view kind;
  if (json.get(kind) == simdjson::SUCCESS) {
    type.name = kind;
    return type;
  }
  if (json["type"].get(kind) != simdjson::SUCCESS) return Corrupt("a type has no name");
  if (kind == "struct") {
    type.kind = SchemaType::Kind::kStruct;
    dom::array fields;
    if (json["fields"].get(fields) != simdjson::SUCCESS) return Corrupt("a struct has no fields");
    for (const dom::element element : fields) {
      SLUICE_ASSIGN_OR_RETURN(SchemaField field, ReadField(element, depth + 1));
      type.fields.push_back(std::move(field));
    }
    return type;
  }
  const bool array = kind == "array";
  if (!array && kind != "map") return Unsupported("type '{}' is not known", kind);
  type.kind = array ? SchemaType::Kind::kArray : SchemaType::Kind::kMap;
  const std::vector<const char*> parts =
      array ? std::vector{"elementType"} : std::vector{"keyType", "valueType"};
  for (const char* const part : parts) {
    dom::element inner;
    if (json[part].get(inner) != simdjson::SUCCESS) return Corrupt("a type has no '{}'", part);
    SLUICE_ASSIGN_OR_RETURN(SchemaType read, ReadType(inner, depth + 1));
    type.inner.push_back(std::move(read));
  }
  bool nullable = true;
  if (json[array ? "containsNull" : "valueContainsNull"].get(nullable) == simdjson::SUCCESS) {
    type.inner_nullable = nullable;
  }
  return type;
}

const char* Flag(bool value) { return value ? "true" : "false"; }

void Write(std::string& out, const SchemaType& type);

void Write(std::string& out, const SchemaField& field) {
  out += R"({"name":)";
  AppendJsonString(out, field.name);
  out += R"(,"type":)";
  Write(out, field.type);
  out += fmt::format(R"(,"nullable":{},"metadata":{{)", Flag(field.nullable));
  for (size_t i = 0; i < field.metadata.size(); ++i) {
    if (i > 0) out += ',';
    AppendJsonString(out, field.metadata[i].first);
    out += ':';
    out += field.metadata[i].second;
  }
  out += '}';
  for (const auto& [key, value] : field.others) {
    out += ',';
    AppendJsonString(out, key);
    out += ':';
    out += value;
  }
  out += '}';
}

void Write(std::string& out, const SchemaType& type) {
  switch (type.kind) {
    case SchemaType::Kind::kPrimitive:
      AppendJsonString(out, type.name);
      return;
    case SchemaType::Kind::kStruct:
      out += R"({"type":"struct","fields":[)";
      for (size_t i = 0; i < type.fields.size(); ++i) {
        if (i > 0) out += ',';
        Write(out, type.fields[i]);
      }
      out += "]}";
      return;
    case SchemaType::Kind::kArray:
      out += R"({"type":"array","elementType":)";
      Write(out, type.inner[0]);
      out += fmt::format(R"(,"containsNull":{}}})", Flag(type.inner_nullable));
      return;
    case SchemaType::Kind::kMap:
      out += R"({"type":"map","keyType":)";
      Write(out, type.inner[0]);
      out += R"(,"valueType":)";
      Write(out, type.inner[1]);
      out += fmt::format(R"(,"valueContainsNull":{}}})", Flag(type.inner_nullable));
      return;
  }
}

// The type inside a list or a map that a word names; null: it has none.
SchemaType* Inside(SchemaType& type, const std::string& word) {
  if (type.kind == SchemaType::Kind::kArray && word == "element") return &type.inner[0];
  if (type.kind == SchemaType::Kind::kMap && word == "key") return &type.inner[0];
  if (type.kind == SchemaType::Kind::kMap && word == "value") return &type.inner[1];
  return nullptr;
}

}  // namespace

Result<SchemaType> ParseSchemaTree(std::string_view json) {
  if (json.empty()) return SchemaType{.kind = SchemaType::Kind::kStruct};
  dom::parser parser;
  dom::element document;
  if (parser.parse(simdjson::padded_string(json)).get(document) != simdjson::SUCCESS) {
    return Corrupt("the schema is not JSON");
  }
  SLUICE_ASSIGN_OR_RETURN(SchemaType schema, ReadType(document, 0), "schema");
  if (schema.kind != SchemaType::Kind::kStruct) return Corrupt("the schema is no struct");
  return schema;
}

std::string ToJson(const SchemaType& schema) {
  std::string out;
  Write(out, schema);
  return out;
}

int IndexOf(const SchemaType& holder, std::string_view name) {
  const std::string lower = LowerCase(name);
  for (size_t i = 0; i < holder.fields.size(); ++i) {
    if (LowerCase(holder.fields[i].name) == lower) return static_cast<int>(i);
  }
  return -1;
}

Result<FoundField> FindField(SchemaType& schema, const std::vector<std::string>& path) {
  FoundField found{.type = &schema};
  for (const std::string& word : path) {
    if (found.type->kind == SchemaType::Kind::kStruct) {
      const int index = IndexOf(*found.type, word);
      if (index < 0) return Invalid("there is no column '{}'", fmt::join(path, "."));
      found.holder = found.type;
      found.index = static_cast<size_t>(index);
      found.type = &found.field().type;
      found.inside.clear();
      continue;
    }
    SchemaType* const inner = Inside(*found.type, word);
    if (inner == nullptr) return Invalid("there is no column '{}'", fmt::join(path, "."));
    found.type = inner;
    found.inside += (found.inside.empty() ? "" : ".") + word;
    found.only_structs = false;
  }
  if (found.holder == nullptr) return Invalid("a column needs a name");
  return found;
}

const std::string* FindAnnotation(const SchemaField& field, std::string_view key) {
  for (const auto& [name, value] : field.metadata) {
    if (name == key) return &value;
  }
  return nullptr;
}

void Annotate(SchemaField& field, std::string_view key, std::string json) {
  const auto found = std::ranges::find(field.metadata, key, &JsonMembers::value_type::first);
  if (json.empty()) {
    if (found != field.metadata.end()) field.metadata.erase(found);
  } else if (found != field.metadata.end()) {
    found->second = std::move(json);
  } else {
    field.metadata.emplace_back(key, std::move(json));
  }
}

std::string JsonText(std::string_view text) {
  std::string json;
  AppendJsonString(json, text);
  return json;
}

std::string JsonList(const std::vector<std::string>& texts) {
  std::string json = "[";
  for (const std::string& text : texts) {
    if (json.size() > 1) json += ',';
    AppendJsonString(json, text);
  }
  return json + "]";
}

}  // namespace sluice::lake::internal
