// Random contracts, written as JSON Schema, compile to the same contracts.

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <string>
#include <vector>

#include "sluice/base/json.h"
#include "sluice/decode/internal/random_schemas.h"
#include "sluice/event/contract.h"

namespace sluice::decode {
namespace {

using event::Field;
using event::FieldType;
using event::PrivacyAction;

constexpr int kSchemas = 600;

std::string Quoted(std::string_view text) {
  std::string json;
  AppendJsonString(json, text);
  return json;
}

std::string Joined(const std::vector<std::string>& parts) {
  return fmt::format("{}", fmt::join(parts, ", "));
}

// The members of `x-sluice`.
std::string Notes(const Field& field) {
  std::vector<std::string> notes;
  const event::PrivacyRule& rule = field.privacy;
  switch (rule.action) {
    case PrivacyAction::kNone:
      break;
    case PrivacyAction::kHash:
      notes.push_back(
          fmt::format("\"hash\": \"{}\"", rule.unkeyed.empty() ? "hmacSha256" : "sha256"));
      break;
    case PrivacyAction::kMask:
      notes.push_back(fmt::format("\"mask\": {}", rule.keep));
      break;
    case PrivacyAction::kGeneralise:
      notes.push_back("\"generalise\": " + Quoted(rule.to));
      break;
    default:
      notes.push_back(fmt::format("\"{}\": true", ToString(rule.action)));
  }
  if (!rule.unkeyed.empty()) notes.push_back("\"unkeyed\": " + Quoted(rule.unkeyed));
  if (!rule.join_group.empty()) notes.push_back("\"joinGroup\": " + Quoted(rule.join_group));
  if (!field.pii.empty()) notes.push_back("\"pii\": " + Quoted(field.pii));
  if (field.type == FieldType::kDecimal) {
    notes.push_back(fmt::format("\"decimal\": {{\"precision\": {}, \"scale\": {}}}",
                                field.precision, field.scale));
  }
  if (field.type == FieldType::kTimestamp && field.unit != event::TimeUnit::kRfc3339) {
    notes.push_back(fmt::format("\"timestamp\": \"{}\"", ToString(field.unit)));
  }
  return Joined(notes);
}

std::string Schema(const Field& field);

// The keywords of an object with these members.
std::string Members(const std::vector<Field>& fields) {
  std::vector<std::string> properties;
  std::vector<std::string> required;
  std::vector<std::string> alternatives;
  for (const Field& field : fields) {
    if (field.type == FieldType::kWhich) continue;
    const std::string member = fmt::format("{}: {}", Quoted(field.name), Schema(field));
    if (field.alternative) {
      alternatives.push_back(fmt::format("{{\"properties\": {{{}}}, \"required\": [{}]}}", member,
                                         Quoted(field.name)));
      continue;
    }
    properties.push_back(member);
    if (field.required) required.push_back(Quoted(field.name));
  }
  std::string text = "\"type\": \"object\"";
  if (!properties.empty()) text += fmt::format(",\n\"properties\": {{{}}}", Joined(properties));
  if (!required.empty()) text += fmt::format(", \"required\": [{}]", Joined(required));
  if (!alternatives.empty()) text += fmt::format(",\n\"oneOf\": [{}]", Joined(alternatives));
  return text;
}

std::string Type(const Field& field) {
  switch (field.type) {
    case FieldType::kBool:
      return R"("type": "boolean")";
    case FieldType::kFloat32:
      return R"("type": "number", "format": "float")";
    case FieldType::kFloat64:
      return R"("type": "number")";
    case FieldType::kText:
    case FieldType::kDecimal:
      return R"("type": "string")";
    case FieldType::kData:
      return R"("type": "string", "contentEncoding": "base64")";
    case FieldType::kUuid:
      return R"("type": "string", "format": "uuid")";
    case FieldType::kTimestamp:
      return field.unit == event::TimeUnit::kRfc3339 ? R"("type": "string", "format": "date-time")"
                                                     : R"("type": "integer")";
    case FieldType::kEnum: {
      std::vector<std::string> names;
      for (const std::string& name : field.enumerants) names.push_back(Quoted(name));
      return fmt::format("\"enum\": [{}]", Joined(names));
    }
    case FieldType::kStruct:
      return Members(field.children);
    case FieldType::kList:
      return "\"type\": \"array\", \"items\": " + Schema(field.children[0]);
    case FieldType::kVoid:
      return R"("type": "null")";
    default: {
      std::string format(ToString(field.type));
      std::ranges::transform(format, format.begin(), [](char c) { return std::tolower(c); });
      return fmt::format("\"type\": \"integer\", \"format\": \"{}\"", format);
    }
  }
}

std::string Schema(const Field& field) {
  std::string text = "{" + Type(field);
  if (!field.default_json.empty()) text += ", \"default\": " + field.default_json;
  if (const std::string notes = Notes(field); !notes.empty()) {
    text += fmt::format(", \"x-sluice\": {{{}}}", notes);
  }
  return text + "}";
}

std::string AsJsonSchema(const event::Contract& contract) {
  return fmt::format("{{\"x-sluice\": {{\"event\": {}}},\n{}}}", Quoted(contract.topic),
                     Members(contract.fields));
}

// Without what the two forms have of their own: numbers of fields, what messages hold, and where
// alternatives stand among other members.
void Level(std::vector<Field>& fields) {
  std::ranges::sort(fields, {}, [](const Field& field) { return field.column; });
  for (Field& field : fields) {
    field.id = 0;
    field.carrier = FieldType::kText;
    Level(field.children);
  }
}

TEST(JsonSchemaFormTest, RandomContractsCompileToTheSame) {
  const uint32_t seed = std::random_device()();
  SCOPED_TRACE(fmt::format("seed {}", seed));
  internal::SchemaGenerator generate(seed);
  int beside_others = 0;
  for (int number = 0; number < kSchemas;) {
    const std::string text = generate.Schema();
    auto capnp = event::CompileCapnp({{"t.capnp", text}}, "t.capnp");
    if (!capnp.ok()) continue;  // SchemaPropertyTest knows which may.
    ++number;
    event::Contract& wanted = capnp->front();
    const std::string json = AsJsonSchema(wanted);
    auto compiled = event::CompileJsonSchema({{"t.json", json}}, "t.json");
    ASSERT_TRUE(compiled.ok()) << compiled.error().ToString() << "\n" << json << "\n" << text;
    event::Contract& found = compiled->front();
    const auto& fields = wanted.fields;
    const auto chosen = std::ranges::count_if(fields, &Field::alternative);
    beside_others += chosen > 0 && static_cast<size_t>(chosen) + 1 < fields.size() ? 1 : 0;
    for (event::Contract* contract : {&wanted, &found}) {
      contract->source.clear();
      Level(contract->fields);
    }
    ASSERT_EQ(ToJson(found), ToJson(wanted)) << json << "\n" << text;
  }
  EXPECT_GT(beside_others, 10);
}

}  // namespace
}  // namespace sluice::decode
