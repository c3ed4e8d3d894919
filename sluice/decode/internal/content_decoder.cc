// RowDecoder: the content of an event, object by object.

#include <algorithm>
#include <limits>
#include <utility>

#include "sluice/base/json.h"
#include "sluice/decode/internal/decimal_text.h"
#include "sluice/decode/internal/row_decoder.h"

namespace sluice::decode::internal {

using event::FieldType;

bool RowDecoder::DecodeContent(Object& object) {
  return DecodeMembers(rows_->plan(), rows_->fields(), row_, object) && ReadEventTime();
}

bool RowDecoder::DecodeMembers(const ObjectPlan& plan, Column* columns, int64_t row,
                               Object& object) {
  size_t expected = 0;
  for (auto result : object) {
    if (result.error()) return Suspect();
    Member& member = result.value_unsafe();
    Name name;
    if (!ReadName(member, plan.names, expected, name)) return false;
    if (const size_t index = name.index; index != NameTable::kNone) {
      if (columns[index].IsSet(row)) {
        return Fail(codes::kRepeatedKey, plan.fields[index].name,
                    "the name stands twice in its object");
      }
      if (!DecodeValue(plan.fields[index], columns[index], row, member.value())) return false;
      expected = index + 1;
      continue;
    }
    if (!KeepUnknown(name, member.value())) return false;
  }
  return plan.at_end.empty() || FinishMembers(plan, columns, row);
}

bool RowDecoder::FinishMembers(const ObjectPlan& plan, Column* columns, int64_t row) {
  for (const size_t index : plan.at_end) {
    const event::Field& field = *plan.fields[index].field;
    Column& column = columns[index];
    if (field.required) {
      // What is dropped has no value, but was there.
      const bool there = field.privacy.action == event::PrivacyAction::kDrop ? column.IsSet(row)
                                                                             : column.HasValue(row);
      if (!there) return Fail(codes::kMissing, field.name, "the field is required");
    } else if (!field.default_json.empty() && !column.IsSet(row)) {
      const auto found = defaults_.find(&plan.fields[index]);
      if (found != defaults_.end()) column.CopyFirst(row, found->second);
    }
  }
  return plan.which == NameTable::kNone || ChooseAlternative(plan, columns, row);
}

bool RowDecoder::ChooseAlternative(const ObjectPlan& plan, Column* columns, int64_t row) {
  size_t chosen = NameTable::kNone;
  size_t named = NameTable::kNone;
  int values = 0;
  int names = 0;
  for (const size_t index : plan.at_end) {
    if (!plan.fields[index].field->alternative || !columns[index].IsSet(row)) continue;
    named = index;
    ++names;
    if (!columns[index].HasValue(row)) continue;
    chosen = index;
    ++values;
  }
  if (values > 1) {
    return Fail(codes::kTwoAlternatives, "", "more than one alternative of a union has a value");
  }
  // Senders may write null for every alternative that they did not choose; a null that stands
  // alone is a choice.
  if (values == 0 && names == 1) chosen = named;
  if (chosen == NameTable::kNone) return true;
  const event::Field& field = *plan.fields[chosen].field;
  if (field.type == FieldType::kVoid) columns[chosen].Set<uint8_t>(row, 1);
  columns[plan.which].SetText(row, field.name);
  return true;
}

bool RowDecoder::KeepUnknown(const Name& name, Value& value) {
  const event::UnknownFields unknown = rows_->contract().unknown;
  if (unknown == event::UnknownFields::kError) {
    return Fail(codes::kUnknownField, ShownName("", name.text), "the schema has no such field");
  }
  std::string_view json;
  const int depth = content_depth_ + static_cast<int>(path_.size());
  if (!NoteUnknownName("", name.text) || !ReadJson(value, depth, json)) return false;
  if (unknown == event::UnknownFields::kKeep) {
    extra_.append(extra_.empty() ? "\"" : ",\"");
    if (!path_.empty()) {
      std::string path;
      AppendJsonString(path, PathTo(""));
      extra_.append(path, 1, path.size() - 2).append(".");
    }
    extra_.append(name.written).append("\":").append(json);
  }
  return true;
}

bool RowDecoder::DecodeStruct(const FieldPlan& plan, Column& column, int64_t row, Value& value) {
  Object object;
  if (value.get_object().get(object)) return NullOrWrong(plan, column, row, value);
  column.SetStruct(row);
  path_.push_back({.name = plan.name});
  const size_t outer_base = std::exchange(unknown_base_, unknown_names_.size());
  if (!DecodeMembers(plan.object, column.children(), row, object) || !CheckUnknownNames("")) {
    return false;
  }
  unknown_base_ = outer_base;
  path_.pop_back();
  return true;
}

bool RowDecoder::DecodeList(const FieldPlan& plan, Column& column, int64_t row, Value& value) {
  simdjson::ondemand::array array;
  if (value.get_array().get(array)) return NullOrWrong(plan, column, row, value);
  const FieldPlan& element_plan = plan.element[0];
  const int64_t begin = column.BeginList(row);
  int64_t count = 0;
  path_.push_back({.name = plan.name, .element = 0});
  for (auto result : array) {
    Value element;
    if (std::move(result).get(element)) return Suspect();
    path_.back().element = count;
    cells_ += element_plan.cells;
    if (cells_ - row_cells_ > context_.row_cells_max) {
      return Fail(
          codes::kTooManyCells, "",
          fmt::format("the lists of the row hold more than {} values", context_.row_cells_max));
    }
    if (!DecodeValue(element_plan, column.children()[0], begin + count, element)) return false;
    ++count;
  }
  path_.pop_back();
  column.SetList(row, count);
  return true;
}

void RowDecoder::PrepareDefaults(const ObjectPlan& plan) {
  for (const FieldPlan& field : plan.fields) {
    const FieldPlan* inner = &field;
    while (!inner->element.empty()) inner = &inner->element[0];
    PrepareDefaults(inner->object);
    if (field.field->default_json.empty()) continue;
    // A scalar alone is no value to the parser, but the element of an array is.
    std::string text = "[" + field.field->default_json + "]";
    const size_t size = text.size();
    text.append(simdjson::SIMDJSON_PADDING, ' ');
    simdjson::ondemand::array array;
    if (!Iterate(content_parser_, {text.data(), size}, content_document_) ||
        content_document_.get_array().get(array)) {
      continue;
    }
    for (auto result : array) {
      Value value;
      Column column = ScalarColumn(*field.field);
      if (std::move(result).get(value) || !DecodeValue(field, column, 0, value)) break;
      defaults_.insert_or_assign(&field, std::move(column));
    }
  }
}

bool RowDecoder::ReadEventTime() {
  const event::Contract& contract = rows_->contract();
  if (!contract.event_time_field) return true;
  const event::Field& field = contract.fields[*contract.event_time_field];
  const Column& column = rows_->field(*contract.event_time_field);
  if (!column.HasValue(row_))
    return Fail(codes::kNullTime, field.name, "the event time is missing");
  has_event_time_ = true;
  if (field.type == FieldType::kTimestamp) {
    event_time_ = column.ValueOf<int64_t>(row_);
  } else if (field.type == FieldType::kText) {
    const auto time = times_.Read(column.TextOf(row_));
    if (!time) return Fail(codes::kBadTime, field.name, "expected an RFC 3339 time with zone");
    event_time_ = *time;
  } else {
    constexpr int64_t kMillisMax = std::numeric_limits<int64_t>::max() / 1'000;
    const int64_t millis = field.type == FieldType::kInt64
                               ? column.ValueOf<int64_t>(row_)
                               : static_cast<int64_t>(std::min<uint64_t>(
                                     column.ValueOf<DecimalBits>(row_).low, kMillisMax));
    event_time_ = millis < 0 ? -1 : std::min(millis, kMillisMax) * 1'000;
  }
  return CheckTime(event_time_, field.name);
}

bool RowDecoder::DecodeSchemaless(Object& object) {
  for (auto result : object) {
    if (result.error()) return Suspect();
    Member& member = result.value_unsafe();
    Name name;
    if (!ReadName(member, rows_->plan().names, NameTable::kNone, name)) return false;
    Value& value = member.value();
    if (name.index == NameTable::kNone) {
      if (!KeepUnknown(name, value)) return false;
      continue;
    }
    Column& column = rows_->field(name.index);
    if (column.IsSet(row_)) {
      return Fail(codes::kRepeatedKey, name.text, "the name stands twice in its object");
    }
    std::string_view json;
    if (const auto size = CopyText(column, row_, value)) {
      column.SetText(row_, *size);
    } else if (name.index == 0) {
      if (!NullOrWrong(rows_->plan().fields[0], column, row_, value)) return false;
    } else if (!ReadJson(value, content_depth_, json)) {
      return false;
    } else if (json == "null") {
      column.SetNull(row_);
    } else {
      column.SetText(row_, json);
    }
  }
  return true;
}

bool RowDecoder::FinishContent() {
  if (!CheckUnknownNames("")) return false;
  if (!has_event_time_) event_time_ = context_.received;
  rows_->envelope(kEventTime).Set(row_, event_time_);
  rows_->envelope(kSchemaVersion).Set(row_, rows_->contract().version);
  if (!extra_.empty()) {
    rows_->envelope(kExtra).SetText(row_, extra_.insert(0, "{").append("}"));
  }
  return true;
}

}  // namespace sluice::decode::internal
