#include <arrow/api.h>

#include <utility>

#include "sluice/privacy/internal/leaves.h"
#include "sluice/privacy/internal/rules.h"
#include "sluice/privacy/protect.h"

namespace sluice::privacy {

namespace internal {

namespace {

constexpr std::string_view kRuleKey = "sluice.privacy";

}  // namespace

std::string RuleText(const event::Contract& contract, const event::FieldPath& path) {
  const event::PrivacyRule& rule = event::FieldAt(contract.fields, path).privacy;
  const bool keyed = (rule.action == event::PrivacyAction::kHash && rule.unkeyed.empty()) ||
                     rule.action == event::PrivacyAction::kTokenize ||
                     rule.action == event::PrivacyAction::kEncrypt;
  std::string text = ToString(rule);
  if (keyed && rule.join_group.empty()) text += " own=" + event::JoinGroup(contract, path);
  return text;
}

std::string MadeUnder(const arrow::Field& field) {
  if (field.metadata() == nullptr) return {};
  const auto found = field.metadata()->Get(std::string(kRuleKey));
  return found.ok() ? *found : std::string();
}

event::PrivacyAction ActionOf(std::string_view rule_text) {
  const auto rule = event::ParsePrivacyRule(rule_text.substr(0, rule_text.find(' ')));
  return rule.ok() ? rule->action : event::PrivacyAction::kNone;
}

std::string_view GroupOf(std::string_view rule_text) {
  for (const std::string_view key : {" group=", " own="}) {
    if (const size_t at = rule_text.find(key); at != std::string_view::npos) {
      const std::string_view rest = rule_text.substr(at + key.size());
      return rest.substr(0, rest.find(' '));
    }
  }
  return {};
}

}  // namespace internal

namespace {

using event::PrivacyAction;

/// Calls `change` for the place of each field with a rule; a dropped list is dropped as a whole.
void ForEachRule(
    const event::Contract& contract, arrow::FieldVector& fields, const arrow::Schema& schema,
    const std::function<std::shared_ptr<arrow::Field>(
        const event::FieldPath&, PrivacyAction, const std::shared_ptr<arrow::Field>&)>& change) {
  event::ForEachField(contract.fields,
                      [&](const event::FieldPath& path, const event::Field& field) {
                        const PrivacyAction action = field.privacy.action;
                        const int at = schema.GetFieldIndex(contract.fields[path[0]].column);
                        if (action == PrivacyAction::kNone || at < 0) return;
                        auto& column = fields[static_cast<size_t>(at)];
                        column = internal::ReplaceFieldAt(
                            column, std::span(path).subspan(1), action == PrivacyAction::kDrop,
                            [&](const auto& leaf) { return change(path, action, leaf); });
                      });
}

}  // namespace

columnar::Schema StoredTypes(const event::Contract& contract, const columnar::Schema& decoded) {
  arrow::FieldVector fields = decoded->fields();
  ForEachRule(contract, fields, *decoded, [](const auto&, PrivacyAction action, const auto& leaf) {
    return event::MakesText(action) ? leaf->WithType(arrow::utf8()) : leaf;
  });
  return arrow::schema(std::move(fields));
}

columnar::Schema MarkRules(const event::Contract& contract, const columnar::Schema& stored) {
  const auto mark = [](const std::shared_ptr<arrow::Field>& field, std::string_view rule) {
    return field->WithMetadata(
        arrow::key_value_metadata({std::string(internal::kRuleKey)}, {std::string(rule)}));
  };
  arrow::FieldVector fields = stored->fields();
  ForEachRule(contract, fields, *stored, [&](const auto& path, PrivacyAction, const auto& leaf) {
    return mark(leaf, internal::RuleText(contract, path));
  });
  if (event::IsSensitive(contract)) {
    for (const std::string_view column : internal::kSealedColumns) {
      const int at = stored->GetFieldIndex(std::string(column));
      if (at < 0) continue;
      auto& field = fields[static_cast<size_t>(at)];
      field = mark(field, internal::kSealedRule);
    }
  }
  return arrow::schema(std::move(fields));
}

}  // namespace sluice::privacy
