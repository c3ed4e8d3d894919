#include "sluice/event/contract.h"

#include <algorithm>
#include <array>
#include <utility>

#include "sluice/base/ascii.h"

namespace sluice::event {

namespace {

bool IsUpper(char c) { return c >= 'A' && c <= 'Z'; }
bool IsLower(char c) { return c >= 'a' && c <= 'z'; }
bool IsDigit(char c) { return c >= '0' && c <= '9'; }

// `HTTPServerId` → `http_server_id`; what is neither letter nor digit becomes '_'.
std::string SnakeCase(std::string_view name) {
  std::string out;
  out.reserve(name.size() + 4);
  for (size_t i = 0; i < name.size(); ++i) {
    const char c = name[i];
    if (!IsUpper(c)) {
      out += IsLower(c) || IsDigit(c) ? c : '_';
      continue;
    }
    const bool after_word = i > 0 && (IsLower(name[i - 1]) || IsDigit(name[i - 1]));
    const bool ends_acronym =
        i > 0 && IsUpper(name[i - 1]) && i + 1 < name.size() && IsLower(name[i + 1]);
    if (after_word || ends_acronym) out += '_';
    out += LowerCase(c);
  }
  return out;
}

}  // namespace

bool IsSensitive(const Contract& contract) {
  bool sensitive = false;
  ForEachField(contract.fields, [&](const FieldPath&, const Field& field) {
    sensitive = sensitive || field.privacy.action != PrivacyAction::kNone || !field.pii.empty();
  });
  return sensitive;
}

std::string JoinGroup(const Contract& contract, const FieldPath& path) {
  const Field& field = FieldAt(contract.fields, path);
  if (!field.privacy.join_group.empty()) return field.privacy.join_group;
  std::string group = contract.topic;
  const std::vector<Field>* level = &contract.fields;
  for (const size_t index : path) {
    const Field& step = level->at(index);
    group += fmt::format("#{}", step.id);
    level = &step.children;
  }
  return group;
}

Contract SchemalessContract(std::string_view topic) {
  Contract contract;
  contract.topic = topic;
  contract.table = TableName(topic);
  contract.schemaless = true;
  contract.fields.resize(2);
  contract.fields[0].name = contract.fields[0].column = "id";
  contract.fields[0].type = FieldType::kText;
  contract.fields[1].name = contract.fields[1].column = "data";
  contract.fields[1].type = FieldType::kData;
  contract.fields[1].id = 1;
  contract.key_field = 0;
  return contract;
}

Status CheckTopicName(std::string_view topic) {
  constexpr size_t kLengthMax = 128;
  if (topic.empty()) return Invalid("the topic's name is empty");
  if (topic.size() > kLengthMax) {
    return Invalid("the topic's name has {} characters; at most {} are allowed", topic.size(),
                   kLengthMax);
  }
  const bool begins = IsUpper(topic[0]) || IsLower(topic[0]);
  const bool continues = std::all_of(topic.begin(), topic.end(), [](char c) {
    return IsUpper(c) || IsLower(c) || IsDigit(c) || c == '.' || c == '_' || c == '-';
  });
  if (!begins || !continues) {
    return Invalid("a topic's name is letters, digits, '.', '_' and '-', and begins with a letter");
  }
  return {};
}

std::string TableName(std::string_view topic) { return SnakeCase(topic); }
std::string ColumnName(std::string_view field) { return SnakeCase(field); }

const std::vector<std::string_view>& ReservedColumns() {
  static const std::vector<std::string_view> columns = {
      "event_time",    "event_date", "_id",       "_partition",      "_offset", "_received_at",
      "_published_at", "_producer",  "_epoch",    "_sequence",       "_domain", "_entity",
      "_name",         "_metadata",  "_event_id", "_schema_version", "_tenant", "_extra"};
  return columns;
}

}  // namespace sluice::event
