#include "sluice/event/internal/json_keywords.h"

#include <algorithm>
#include <array>
#include <utility>

#include "sluice/base/diagnostic.h"

namespace sluice::event::internal {

namespace {

constexpr int kHopsMax = 32;

// They say what a contract holds.
constexpr std::array<std::string_view, 14> kTaken = {
    "type",    "properties", "required", "items", "enum",  "const", "format",
    "default", "minimum",    "maximum",  "oneOf", "anyOf", "$ref",  "x-sluice"};
constexpr std::array<std::string_view, 2> kAlsoTaken = {"additionalProperties", "contentEncoding"};

// They describe, and promise nothing about events.
constexpr std::array<std::string_view, 14> kDescribing = {
    "title",       "description",     "$comment", "examples", "deprecated", "readOnly",
    "writeOnly",   "$schema",         "$id",      "$defs",    "$anchor",    "definitions",
    "$vocabulary", "contentMediaType"};

// They promise what nobody checks here. A schema that has one must say that it knows.
constexpr std::array<std::string_view, 22> kPromising = {"exclusiveMinimum",
                                                         "exclusiveMaximum",
                                                         "multipleOf",
                                                         "minLength",
                                                         "maxLength",
                                                         "pattern",
                                                         "minItems",
                                                         "maxItems",
                                                         "uniqueItems",
                                                         "contains",
                                                         "minContains",
                                                         "maxContains",
                                                         "minProperties",
                                                         "maxProperties",
                                                         "propertyNames",
                                                         "not",
                                                         "if",
                                                         "then",
                                                         "else",
                                                         "dependentRequired",
                                                         "dependentSchemas",
                                                         "allOf"};

// They make another shape of events than columns can have.
constexpr std::array<std::string_view, 8> kRefused = {
    "prefixItems",      "patternProperties", "additionalItems", "unevaluatedProperties",
    "unevaluatedItems", "$dynamicRef",       "$dynamicAnchor",  "$recursiveRef"};

template <size_t N>
bool IsIn(const std::array<std::string_view, N>& names, std::string_view name) {
  return std::ranges::find(names, name) != names.end();
}

// `#/$defs/a~1b` → the node, by RFC 6901.
const JsonNode* FindPointer(const JsonNode& root, std::string_view pointer) {
  const JsonNode* node = &root;
  while (!pointer.empty()) {
    if (pointer[0] != '/') return nullptr;
    pointer.remove_prefix(1);
    const std::string_view step = pointer.substr(0, pointer.find('/'));
    pointer.remove_prefix(step.size());
    std::string name;
    for (size_t i = 0; i < step.size(); ++i) {
      const bool escape = step[i] == '~' && i + 1 < step.size();
      name += !escape ? step[i] : step[i + 1] == '1' ? '/' : '~';
      i += escape ? 1 : 0;
    }
    node = node->Find(name);
    if (node == nullptr) return nullptr;
  }
  return node;
}

}  // namespace

KeywordReader::KeywordReader(const SchemaFiles& files, Problems& problems)
    : files_(files), problems_(problems) {}
KeywordReader::~KeywordReader() = default;

void KeywordReader::Allow(const std::vector<std::string>& unchecked, Place place) {
  unchecked_ = unchecked;
  for (const std::string& name : unchecked) {
    if (IsIn(kPromising, name) || name == "minimum" || name == "maximum") continue;
    problems_.Add(place, schema_codes::kAnnotation,
                  "unchecked lists keywords that promise something about values, such as "
                  "\"pattern\"; found '{}'",
                  name);
  }
}

bool KeywordReader::MayPass(const JsonNode& value, const SchemaAt& at, std::string_view name,
                            const std::string& path) {
  if (std::ranges::find(unchecked_, name) != unchecked_.end()) return true;
  problems_.Add(at.from.value_or(value.place), schema_codes::kKeyword,
                "field '{}': {} is not checked when events come; remove it, or list it in "
                "x-sluice.unchecked of the event",
                path, name);
  return false;
}

const JsonNode* KeywordReader::Open(const std::string& file) {
  const auto [found, added] = roots_.try_emplace(file);
  if (added) {
    auto root = std::make_unique<JsonNode>();
    Problems problems(file);
    if (ReadJson(files_.at(file), *root, problems)) {
      found->second = std::move(root);
    } else {
      problems_.Add(std::move(problems));
    }
  }
  return found->second.get();
}

bool KeywordReader::Read(const SchemaAt& at, const std::string& path, Keywords& into) {
  return ReadAt(at, path, 0, into);
}

bool KeywordReader::ReadAt(const SchemaAt& at, const std::string& path, int hops, Keywords& into) {
  if (at.node->kind != JsonNode::Kind::kObject) {
    problems_.Add(at.place(), schema_codes::kNoColumn,
                  "field '{}': a schema is an object with a type, found {}", path,
                  ToString(at.node->kind));
    return false;
  }
  into.at = at;
  const JsonNode* reference = nullptr;
  const JsonNode* nullable = nullptr;
  bool ok = true;
  for (const JsonMember& member : at.node->members) {
    if (member.name == "$ref") {
      reference = &member.value;
    } else if ((member.name == "anyOf" || member.name == "oneOf") &&
               OrNull(member.value) != nullptr) {
      nullable = OrNull(member.value);
    } else if (member.name == "x-sluice") {
      into.notes.push_back(&member.value);
    } else if (IsIn(kTaken, member.name) || IsIn(kAlsoTaken, member.name)) {
      into.values.try_emplace(member.name, &member.value);
    } else {
      ok = CheckKeyword(at, member, path) && ok;
    }
  }
  if (!ok || (reference == nullptr && nullable == nullptr)) return ok;
  for (const JsonMember& member : at.node->members) {
    const bool same =
        &member.value == reference || (nullable != nullptr && OrNull(member.value) == nullable);
    if (same || member.name == "default" || member.name == "x-sluice" ||
        IsIn(kDescribing, member.name) || member.name.starts_with("x-")) {
      continue;
    }
    problems_.Add(at.place(), schema_codes::kKeyword,
                  "field '{}': {} stands beside {}; put it into the schema that is meant", path,
                  member.name, reference != nullptr ? "$ref" : "anyOf or oneOf");
    return false;
  }
  if (reference != nullptr) return Follow(at, *reference, path, hops, into);
  into.nullable = true;
  return ReadAt({nullable, at.file, at.from}, path, hops, into);
}

bool KeywordReader::Follow(const SchemaAt& at, const JsonNode& reference, const std::string& path,
                           int hops, Keywords& into) {
  const auto refuse = [&](std::string_view why) {
    problems_.Add(at.from.value_or(reference.place), schema_codes::kKeyword, "field '{}': {}", path,
                  why);
    return false;
  };
  if (reference.kind != JsonNode::Kind::kString) return refuse("$ref takes a string");
  if (hops >= kHopsMax) return refuse("$ref leads from schema to schema without an end");
  const std::string_view text = reference.text;
  const size_t hash = text.find('#');
  const std::string_view file = text.substr(0, hash);
  SchemaAt to = at;
  if (!file.empty()) {
    const auto found = files_.find(ResolveName(*at.file, file));
    if (found == files_.end()) {
      return refuse(
          fmt::format("$ref names '{}', which is not among the schema files; an address "
                      "elsewhere is never fetched",
                      file));
    }
    to.file = &found->first;
    if (to.file != at.file && !to.from) to.from = reference.place;
  }
  const JsonNode* root = Open(*to.file);
  if (root == nullptr) return false;
  const std::string_view pointer = hash == text.npos ? std::string_view() : text.substr(hash + 1);
  to.node = FindPointer(*root, pointer);
  if (to.node == nullptr) {
    return refuse(fmt::format("$ref '{}' leads nowhere; write it as #/$defs/Name", text));
  }
  return ReadAt(to, path, hops + 1, into);
}

const JsonNode* KeywordReader::OrNull(const JsonNode& node) {
  if (node.kind != JsonNode::Kind::kArray || node.items.size() != 2) return nullptr;
  const auto null = [](const JsonNode& schema) {
    const JsonNode* type = schema.Find("type");
    return type != nullptr && type->text == "null" && schema.members.size() == 1;
  };
  const bool first = null(node.items[0]);
  const bool second = null(node.items[1]);
  if (first == second) return nullptr;
  return &node.items[first ? 1 : 0];
}

bool KeywordReader::CheckKeyword(const SchemaAt& at, const JsonMember& member,
                                 const std::string& path) {
  const std::string& name = member.name;
  if (IsIn(kDescribing, name) || name.starts_with("x-")) return true;
  if (IsIn(kPromising, name)) return MayPass(member.value, at, name, path);
  if (IsIn(kRefused, name)) {
    problems_.Add(at.from.value_or(member.place), schema_codes::kKeyword,
                  "field '{}': {} cannot be told in columns; name each member in properties, give "
                  "items one schema, or leave members out: unknown ones are kept as JSON",
                  path, name);
    return false;
  }
  std::vector<std::string_view> known(kTaken.begin(), kTaken.end());
  known.insert(known.end(), kAlsoTaken.begin(), kAlsoTaken.end());
  known.insert(known.end(), kDescribing.begin(), kDescribing.end());
  known.insert(known.end(), kPromising.begin(), kPromising.end());
  const auto closest = Closest(name, known);
  problems_.Add(at.from.value_or(member.place), schema_codes::kKeyword,
                "field '{}': '{}' is no keyword of JSON Schema 2020-12{}", path, name,
                closest ? fmt::format("; did you mean '{}'?", *closest)
                        : "; keywords of your own begin with x-");
  return false;
}

}  // namespace sluice::event::internal
