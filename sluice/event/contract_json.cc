#include <fmt/format.h>
#include <simdjson.h>

#include <algorithm>
#include <array>
#include <limits>
#include <string>
#include <utility>
#include <vector>

#include "sluice/base/json.h"
#include "sluice/event/compatibility.h"
#include "sluice/event/contract.h"

namespace sluice::event {

namespace {

constexpr int64_t kFormat = 2;
constexpr int kDepthMax = 64;

constexpr std::array<std::string_view, 3> kUnknownNames = {"keep", "error", "ignore"};

void Member(std::string& out, std::string_view name, std::string_view text) {
  out += fmt::format(",\"{}\":", name);
  AppendJsonString(out, text);
}

void Member(std::string& out, std::string_view name, const std::optional<size_t>& index) {
  if (index) out += fmt::format(",\"{}\":{}", name, *index);
}

bool HasCarrier(const Field& field) {
  return field.type == FieldType::kTimestamp || field.type == FieldType::kDecimal;
}

std::string FieldJson(const Field& field) {
  std::string out = fmt::format("{{\"ordinal\":{}", field.id);
  Member(out, "name", field.name);
  Member(out, "column", field.column);
  Member(out, "type", ToString(field.type));
  if (!field.enumerants.empty()) {
    out += ",\"enumerants\":[";
    for (const std::string& name : field.enumerants) {
      if (out.back() != '[') out += ',';
      AppendJsonString(out, name);
    }
    out += ']';
  }
  if (field.privacy.action != PrivacyAction::kNone) {
    Member(out, "privacy", ToString(field.privacy));
    if (!field.privacy.unkeyed.empty()) Member(out, "unkeyed", field.privacy.unkeyed);
  }
  if (!field.pii.empty()) Member(out, "pii", field.pii);
  if (field.subject) out += ",\"subject\":true";
  if (field.alternative) out += ",\"alternative\":true";
  if (field.required) out += ",\"required\":true";
  if (field.type == FieldType::kTimestamp) Member(out, "unit", ToString(field.unit));
  if (field.type == FieldType::kDecimal) {
    out += fmt::format(",\"precision\":{},\"scale\":{}", field.precision, field.scale);
  }
  if (HasCarrier(field)) Member(out, "carrier", ToString(field.carrier));
  if (!field.default_json.empty()) Member(out, "default", field.default_json);
  if (!field.children.empty()) {
    out += ",\"children\":[";
    for (const Field& child : field.children) {
      if (out.back() != '[') out += ',';
      out += FieldJson(child);
    }
    out += ']';
  }
  return out += '}';
}

// Reads members of one object; the first that is missing or of another type makes it fail.
class Reader {
 public:
  explicit Reader(simdjson::dom::object object) : object_(object) {}

  bool ok() const { return ok_; }

  std::string Text(std::string_view name) {
    std::string_view text;
    if (object_[name].get(text)) ok_ = false;
    return std::string(text);
  }
  std::string TextOr(std::string_view name, std::string_view otherwise) {
    return Has(name) ? Text(name) : std::string(otherwise);
  }
  bool BoolOr(std::string_view name, bool otherwise) {
    if (!Has(name)) return otherwise;
    bool value = false;
    if (object_[name].get(value)) ok_ = false;
    return value;
  }
  int64_t Integer(std::string_view name, int64_t maximum) {
    int64_t value = 0;
    if (object_[name].get(value) || value < 0 || value > maximum) ok_ = false;
    return ok_ ? value : 0;
  }
  std::optional<size_t> Index(std::string_view name, size_t size) {
    if (!Has(name)) return std::nullopt;
    return static_cast<size_t>(Integer(name, static_cast<int64_t>(size) - 1));
  }
  std::vector<simdjson::dom::element> Array(std::string_view name) {
    std::vector<simdjson::dom::element> elements;
    simdjson::dom::array array;
    if (object_[name].get(array)) {
      ok_ = false;  // `array` refers to nothing, and must not be read.
      return elements;
    }
    for (const simdjson::dom::element element : array) elements.push_back(element);
    return elements;
  }
  // The number of a name, as ToString() gives it, among the first `count` values of an enum.
  template <typename Names>
  size_t OneOf(std::string_view text, size_t count, Names names) {
    for (size_t i = 0; i < count; ++i) {
      if (names(i) == text) return i;
    }
    ok_ = false;
    return 0;
  }
  bool Has(std::string_view name) { return !object_[name].error(); }
  void Fail() { ok_ = false; }

 private:
  simdjson::dom::object object_;
  bool ok_ = true;
};

// kWhich is the last of the types.
FieldType ReadType(Reader& reader, std::string_view name) {
  return static_cast<FieldType>(
      reader.OneOf(name, static_cast<size_t>(FieldType::kWhich) + 1,
                   [](size_t i) { return ToString(static_cast<FieldType>(i)); }));
}

bool ReadField(simdjson::dom::element element, int depth, Field& field) {
  simdjson::dom::object object;
  if (depth > kDepthMax || element.get(object)) return false;
  Reader reader(object);
  field.id = static_cast<uint32_t>(reader.Integer("ordinal", std::numeric_limits<uint32_t>::max()));
  field.name = reader.Text("name");
  field.column = reader.Text("column");
  field.type = ReadType(reader, reader.Text("type"));
  if (reader.Has("enumerants")) {
    for (const simdjson::dom::element name : reader.Array("enumerants")) {
      std::string_view text;
      if (name.get(text)) return false;
      field.enumerants.emplace_back(text);
    }
  }
  auto rule = ParsePrivacyRule(reader.TextOr("privacy", "none"));
  if (!rule.ok()) return false;
  field.privacy = std::move(*rule);
  field.privacy.unkeyed = reader.TextOr("unkeyed", field.privacy.unkeyed);
  field.pii = reader.TextOr("pii", "");
  field.subject = reader.BoolOr("subject", false);
  field.alternative = reader.BoolOr("alternative", false);
  field.required = reader.BoolOr("required", false);
  field.unit = static_cast<TimeUnit>(reader.OneOf(
      reader.TextOr("unit", "rfc3339"), static_cast<size_t>(TimeUnit::kNanoseconds) + 1,
      [](size_t i) { return ToString(static_cast<TimeUnit>(i)); }));
  if (field.type == FieldType::kDecimal) {
    field.precision = static_cast<uint8_t>(reader.Integer("precision", 38));
    field.scale = static_cast<uint8_t>(reader.Integer("scale", field.precision));
  }
  if (HasCarrier(field)) {
    const bool counted = field.type == FieldType::kTimestamp && field.unit != TimeUnit::kRfc3339;
    field.carrier = ReadType(reader, reader.TextOr("carrier", counted ? "Int64" : "Text"));
  }
  field.default_json = reader.TextOr("default", "");
  if (reader.Has("children")) {
    for (const simdjson::dom::element child : reader.Array("children")) {
      if (!ReadField(child, depth + 1, field.children.emplace_back())) return false;
    }
  }
  if (field.type == FieldType::kList && field.children.size() != 1) return false;
  return reader.ok() && !field.column.empty();
}

}  // namespace

std::string ToJson(const Contract& contract) {
  std::string out = fmt::format("{{\"format\":{}", kFormat);
  Member(out, "topic", contract.topic);
  Member(out, "table", contract.table);
  out += fmt::format(",\"version\":{},\"schemaless\":{},\"by_producer\":{},\"by_batch\":{}",
                     contract.version, contract.schemaless, contract.identity.by_producer,
                     contract.identity.by_batch);
  Member(out, "unknown", kUnknownNames.at(static_cast<size_t>(contract.unknown)));
  Member(out, "event_time", contract.event_time_field);
  Member(out, "key", contract.key_field);
  Member(out, "id", contract.identity.id_field);
  if (!contract.retain.empty()) Member(out, "retain", contract.retain);
  out += ",\"fields\":[";
  for (const Field& field : contract.fields) {
    if (out.back() != '[') out += ',';
    out += FieldJson(field);
  }
  out += ']';
  Member(out, "compatibility", ToString(contract.compatibility));
  if (!contract.retired.empty()) {
    out += ",\"retired\":[";
    for (const Field& field : contract.retired) {
      if (out.back() != '[') out += ',';
      out += FieldJson(field);
    }
    out += ']';
  }
  Member(out, "source", contract.source);
  return out += '}';
}

Result<Contract> FromJson(std::string_view json) {
  simdjson::dom::parser parser;
  simdjson::dom::object object;
  if (parser.parse(simdjson::padded_string(json)).get(object)) {
    return Corrupt("contract: not a JSON object");
  }
  Reader reader(object);
  const int64_t format = reader.Integer("format", std::numeric_limits<int32_t>::max());
  if (reader.ok() && format > kFormat) {
    return Unsupported("contract: format {}, expected {} or older; update this program", format,
                       kFormat);
  }
  Contract contract;
  contract.topic = reader.Text("topic");
  contract.table = reader.Text("table");
  contract.version =
      static_cast<int32_t>(reader.Integer("version", std::numeric_limits<int32_t>::max()));
  contract.schemaless = reader.BoolOr("schemaless", false);
  contract.identity.by_producer = reader.BoolOr("by_producer", false);
  contract.identity.by_batch = reader.BoolOr("by_batch", false);
  contract.unknown = static_cast<UnknownFields>(reader.OneOf(
      reader.Text("unknown"), kUnknownNames.size(), [](size_t i) { return kUnknownNames.at(i); }));
  for (const simdjson::dom::element element : reader.Array("fields")) {
    if (!ReadField(element, 0, contract.fields.emplace_back())) reader.Fail();
  }
  contract.event_time_field = reader.Index("event_time", contract.fields.size());
  contract.key_field = reader.Index("key", contract.fields.size());
  contract.identity.id_field = reader.Index("id", contract.fields.size());
  contract.retain = reader.TextOr("retain", "");
  if (const auto level = ParseCompatibility(reader.TextOr("compatibility", "backward"))) {
    contract.compatibility = *level;
  } else {
    reader.Fail();
  }
  if (reader.Has("retired")) {
    for (const simdjson::dom::element element : reader.Array("retired")) {
      if (!ReadField(element, 0, contract.retired.emplace_back())) reader.Fail();
    }
  }
  contract.source = reader.Text("source");
  if (!reader.ok() || !CheckTopicName(contract.topic).ok()) {
    return Corrupt("contract: a member is missing, or not what it should be");
  }
  return contract;
}

}  // namespace sluice::event
