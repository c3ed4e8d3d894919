#include "sluice/duck/change_plan.h"

#include <arrow/type.h>
#include <arrow/util/key_value_metadata.h>

#include <charconv>
#include <string_view>

namespace sluice::duck {

namespace {

// Metadata of the schema: a letter an action. Of a field: the index of its action.
const std::string kActionsKey = "sluice.actions";
const std::string kActionKey = "sluice.action";
constexpr std::string_view kLetters = "DUI";
constexpr size_t kActionsMax = 1'000;

}  // namespace

columnar::Schema ChangePlan::Mark(const columnar::Schema& types) const {
  std::string letters;
  arrow::FieldVector fields = types->fields();
  size_t at = kValues;
  for (size_t i = 0; i < actions.size(); ++i) {
    letters += kLetters[static_cast<size_t>(actions[i].kind)];
    for (const std::string& column : actions[i].columns) {
      fields[at] = arrow::field(column, fields[at]->type())
                       ->WithMetadata(arrow::key_value_metadata({kActionKey}, {std::to_string(i)}));
      ++at;
    }
  }
  return arrow::schema(std::move(fields), arrow::key_value_metadata({kActionsKey}, {letters}));
}

Result<ChangePlan> ChangePlan::Of(const columnar::Schema& schema) {
  const auto wrong = Corrupt("these rows do not say what they change");
  if (schema->num_fields() < kValues || schema->metadata() == nullptr ||
      schema->field(kFile)->type()->id() != arrow::Type::INT32 ||
      schema->field(kRow)->type()->id() != arrow::Type::INT64 ||
      schema->field(kAction)->type()->id() != arrow::Type::INT32) {
    return wrong;
  }
  ChangePlan plan;
  const auto letters = schema->metadata()->Get(kActionsKey);
  if (!letters.ok() || letters->size() > kActionsMax) return wrong;
  for (const char letter : *letters) {
    const size_t kind = kLetters.find(letter);
    if (kind == std::string_view::npos) return wrong;
    plan.actions.push_back({.kind = static_cast<ChangeAction::Kind>(kind), .columns = {}});
  }
  size_t last = 0;
  for (int i = kValues; i < schema->num_fields(); ++i) {
    const auto& field = schema->field(i);
    const auto text = field->metadata() == nullptr ? arrow::Result<std::string>("")
                                                   : field->metadata()->Get(kActionKey);
    size_t action = 0;
    if (!text.ok()) return wrong;
    const auto [end, bad] = std::from_chars(text->data(), text->data() + text->size(), action);
    if (bad != std::errc() || action < last || action >= plan.actions.size()) return wrong;
    plan.actions[action].columns.push_back(field->name());
    last = action;
  }
  return plan;
}

}  // namespace sluice::duck
