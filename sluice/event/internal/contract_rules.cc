#include "sluice/event/internal/contract_rules.h"

#include <algorithm>
#include <optional>
#include <set>

namespace sluice::event::internal {

namespace {

constexpr std::string_view kWhichName = "which";
constexpr uint32_t kWhichId = kUnnumbered + 0xffff;

bool IsRetention(std::string_view text) {
  if (text.size() < 2 || text.size() > 6) return false;
  const bool digits =
      std::all_of(text.begin(), text.end() - 1, [](char c) { return c >= '0' && c <= '9'; });
  return digits && text[0] != '0' &&
         std::string_view("hdwy").find(text.back()) != std::string_view::npos;
}

}  // namespace

void SetTopic(const std::string& topic, const std::string& retain, Place place,
              const std::string& owner, std::map<std::string, std::string>& tables,
              Contract& contract, Problems& problems) {
  contract.topic = topic;
  contract.table = TableName(topic);
  contract.retain = retain;
  if (const Status named = CheckTopicName(topic); !named.ok()) {
    problems.Add(place, schema_codes::kTopic, "{}: {}", owner, named.error().message());
  }
  if (topic.starts_with("system.")) {
    problems.Add(place, schema_codes::kTopic,
                 "{}: topics that begin with system. are the program's own", owner);
  }
  const auto [other, added] = tables.emplace(contract.table, owner);
  if (!added) {
    problems.Add(place, schema_codes::kTopic, "{}: {} has the table '{}' already", owner,
                 other->second, contract.table);
  }
  if (!retain.empty() && !IsRetention(retain)) {
    problems.Add(place, schema_codes::kAnnotation, "{}: retain takes a duration such as \"400d\"",
                 owner);
  }
}

void SetRoles(Roles roles, const FieldsAt& at, Place place, const std::string& path,
              std::vector<Field>& fields, Problems& problems) {
  if (!roles.any()) return;
  if (at.event == nullptr || fields.back().alternative) {
    problems.Add(place, schema_codes::kAnnotation,
                 "field '{}': eventTime, id and key stand on fields of the event itself, outside "
                 "of unions",
                 path);
    return;
  }
  Contract& contract = *at.event;
  const size_t index = fields.size() - 1;
  const auto assign = [&](bool wanted, std::optional<size_t>& slot, std::string_view annotation) {
    if (!wanted) return;
    if (slot) {
      problems.Add(place, schema_codes::kAnnotation, "field '{}' has {} already",
                   fields[*slot].name, annotation);
    }
    slot = index;
  };
  assign(roles.event_time, contract.event_time_field, "eventTime");
  assign(roles.id, contract.identity.id_field, "id");
  assign(roles.key, contract.key_field, "key");
  if (roles.event_time && fields.back().column == "event_time") {
    fields.back().column = "event_time_sent";
  }
}

void AddWhich(std::vector<Field>& fields) {
  Field which;
  which.name = which.column = kWhichName;
  which.type = FieldType::kWhich;
  which.id = kWhichId;
  for (const Field& field : fields) {
    if (field.alternative) which.enumerants.push_back(field.name);
  }
  fields.push_back(std::move(which));
}

void CheckColumns(const FieldsAt& at, const std::vector<Field>& fields,
                  const std::vector<Place>& places, Problems& problems) {
  std::map<std::string, std::string> columns;  // To the field that has it.
  std::set<std::string_view> names;
  if (at.event != nullptr) {
    for (const auto column : ReservedColumns()) columns.emplace(column, "");
  }
  for (size_t i = 0; i < fields.size(); ++i) {
    const Field& field = fields[i];
    if (field.type != FieldType::kWhich && !names.insert(field.name).second) {
      problems.Add(places.at(i), schema_codes::kColumn,
                   "two fields of {} would both have the name '{}' in events", at.owner,
                   field.name);
    }
    const auto [taken, added] = columns.emplace(field.column, field.name);
    if (added) continue;
    if (field.type == FieldType::kWhich) {
      problems.Add(places.at(i), schema_codes::kColumn,
                   "field '{}{}': the union beside it keeps the name of its alternative in column "
                   "'{}'; rename the field, or give the union a name",
                   at.path, taken->second, kWhichName);
    } else if (taken->second.empty()) {
      problems.Add(places.at(i), schema_codes::kColumn,
                   "field '{}{}' would be column '{}', which every table has; choose another name",
                   at.path, field.name, field.column);
    } else {
      problems.Add(places.at(i), schema_codes::kColumn,
                   "fields '{}{}' and '{}{}' would both be column '{}'", at.path, taken->second,
                   at.path, field.name, field.column);
    }
  }
}

void CheckSubjects(const Contract& contract, Place place, Problems& problems) {
  const auto subjects =
      std::ranges::count_if(contract.fields, [](const Field& field) { return field.subject; });
  ForEachField(contract.fields, [&](const FieldPath& path, const Field& field) {
    const std::string name = PathName(contract.fields, path);
    if (field.subject && path.size() > 1) {
      problems.Add(place, schema_codes::kPrivacy,
                   "field '{}': the subject cannot be inside another", name);
    }
    if (field.privacy.action != PrivacyAction::kEncrypt) return;
    if (subjects != 1) {
      problems.Add(place, schema_codes::kPrivacy,
                   "field '{}': encrypt needs exactly one field annotated subject, found {}", name,
                   subjects);
    }
    if (field.subject) {
      problems.Add(place, schema_codes::kPrivacy,
                   "field '{}': the subject cannot be encrypted for itself; use tokenize", name);
    }
  });
}

}  // namespace sluice::event::internal
