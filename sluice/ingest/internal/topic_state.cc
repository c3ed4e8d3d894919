#include "sluice/ingest/internal/topic_state.h"

#include <arrow/api.h>
#include <arrow/util/bit_util.h>

#include <algorithm>
#include <cstring>

#include "sluice/columnar/arrow_bridge.h"
#include "sluice/decode/json_decoder.h"
#include "sluice/ingest/internal/batch_mark.h"
#include "sluice/land/table_schema.h"

namespace sluice::ingest::internal {
namespace {

using columnar::Batch;
using columnar::FromArrow;

void AppendBytes(std::string& out, const auto& value) {
  out.append(reinterpret_cast<const char*>(&value), sizeof(value));
}

/// Puts into `bytes` what is hashed for a producer's event.
void ProducerBytes(std::string_view producer, int64_t epoch, int64_t sequence, std::string& bytes) {
  bytes.clear();
  AppendBytes(bytes, epoch);
  AppendBytes(bytes, sequence);
  bytes += producer;
}

/// Returns a type-independent form of a value, so that the identity survives a widened column; it
/// lies in the column or in `bytes`.
std::string_view IdentityBytes(const arrow::Array& column, int64_t row, std::string& bytes) {
  bytes.clear();
  switch (column.type_id()) {
    case arrow::Type::STRING:
    case arrow::Type::BINARY:
      return static_cast<const arrow::BinaryArray&>(column).GetView(row);
    case arrow::Type::INT64:
      AppendBytes(bytes, static_cast<const arrow::Int64Array&>(column).Value(row));
      break;
    case arrow::Type::INT32:
      AppendBytes(bytes, int64_t{static_cast<const arrow::Int32Array&>(column).Value(row)});
      break;
    case arrow::Type::INT16:
      AppendBytes(bytes, int64_t{static_cast<const arrow::Int16Array&>(column).Value(row)});
      break;
    case arrow::Type::INT8:
      AppendBytes(bytes, int64_t{static_cast<const arrow::Int8Array&>(column).Value(row)});
      break;
    default: {
      const auto scalar = column.GetScalar(row);
      if (scalar.ok()) bytes += scalar.ValueUnsafe()->ToString();
    }
  }
  return bytes;
}

}  // namespace

Result<TopicState> MakeTopicState(const catalog::Topic& topic,
                                  std::shared_ptr<TopicState::Seen> seen, const privacy::Keys& keys,
                                  const std::string& tenant) {
  TopicState state;
  state.topic = topic;
  state.frame_schema = land::FrameColumns(*topic.contract);
  SLUICE_ASSIGN_OR_RETURN(state.frame_schema_bytes, columnar::SerializeSchema(*state.frame_schema));
  const columnar::Schema decoded = decode::FrameSchema(*topic.contract);
  for (const auto& field : state.frame_schema->fields()) {
    state.frame_columns.push_back(field->name() == "_id" ? -1
                                                         : decoded->GetFieldIndex(field->name()));
  }
  state.schema_id =
      privacy::KeyedHash({}, topic.contract->topic + '\0' + state.frame_schema_bytes).low;
  for (const event::Field& field : topic.contract->fields) {
    if (state.frame_schema->GetFieldIndex(field.column) >= 0) {
      state.content_columns.push_back(field.column);
    }
  }
  state.content_columns.emplace_back("_extra");
  state.identity_contract = IdentityContract(*topic.contract);
  state.seen = std::move(seen);
  SLUICE_ASSIGN_OR_RETURN(state.protector, privacy::Protector::Make(topic.contract, keys, tenant));
  return state;
}

bool SameRules(const event::Contract& a, const event::Contract& b) {
  if (event::IsSensitive(a) != event::IsSensitive(b)) return false;
  return std::all_of(a.fields.begin(), a.fields.end(), [&](const event::Field& field) {
    return std::any_of(b.fields.begin(), b.fields.end(), [&](const event::Field& other) {
      return other.id == field.id && other.privacy == field.privacy;
    });
  });
}

bool SupersededByIdentity(std::string_view code) { return code != kOtherContent; }

std::shared_ptr<const event::Contract> IdentityContract(const event::Contract& contract) {
  auto only = std::make_shared<event::Contract>(contract);
  only->event_time_field.reset();
  only->unknown = event::UnknownFields::kIgnore;
  if (contract.schemaless) return only;
  only->key_field.reset();
  only->fields.clear();
  if (contract.identity.id_field) {
    only->fields.push_back(contract.fields[*contract.identity.id_field]);
    only->identity.id_field = 0;
  }
  return only;
}

privacy::Hash128 BatchRowIdentity(const std::string& topic, const RequestIdentity& request,
                                  int64_t row, const privacy::Keys& keys,
                                  const std::string& tenant) {
  std::string bytes = tenant + '\0' + topic + '\0';
  bytes += 'b';
  AppendBytes(bytes, row);
  bytes += request.batch;
  return privacy::KeyedHash(keys.identity(), bytes);
}

privacy::Hash128 ProducerIdentity(const std::string& topic, const ProducerSequence& name,
                                  const privacy::Keys& keys, const std::string& tenant) {
  std::string bytes;
  ProducerBytes(name.producer, name.epoch, name.sequence, bytes);
  return privacy::KeyedHash(keys.identity(), tenant + '\0' + topic + '\0' + 'p' + bytes);
}

Result<std::vector<privacy::Hash128>> IdentifyRows(
    const event::Contract& contract, const Batch& rows, const std::vector<int64_t>& numbers,
    const RequestIdentity& request, const privacy::Keys& keys, const std::string& tenant) {
  if (request.Binds(contract)) {
    std::vector<privacy::Hash128> ids;
    ids.reserve(numbers.size());
    for (const int64_t row : numbers) {
      ids.push_back(BatchRowIdentity(contract.topic, request, row, keys, tenant));
    }
    return ids;
  }
  // Null where no row has a value: most have none in most of these columns, and for a row or two
  // Arrow's objects are what a column costs.
  bool complete = true;
  const auto column = [&](const std::string& name) -> std::shared_ptr<arrow::Array> {
    const int at = rows->schema()->GetFieldIndex(name);
    complete = complete && at >= 0;
    if (at < 0 || rows->column_data(at)->null_count == rows->num_rows()) return nullptr;
    return rows->column(at);
  };
  const auto event_ids = column("_event_id");
  const auto producers = std::static_pointer_cast<arrow::StringArray>(column("_producer"));
  const auto epochs = std::static_pointer_cast<arrow::Int64Array>(column("_epoch"));
  const auto sequences = std::static_pointer_cast<arrow::Int64Array>(column("_sequence"));
  if (!complete) return Internal("decoded rows lack envelope columns");
  const auto field_ids = contract.identity.id_field
                             ? column(contract.fields[*contract.identity.id_field].column)
                             : nullptr;
  const bool by_producer = contract.identity.by_producer && producers && sequences;

  std::vector<privacy::Hash128> ids(static_cast<size_t>(rows->num_rows()));
  const std::string scope = tenant + '\0' + contract.topic + '\0';
  const privacy::PrefixedHash by_field(keys.identity(), scope + 'f');
  const privacy::PrefixedHash by_event_id(keys.identity(), scope + 'e');
  const privacy::PrefixedHash by_sequence(keys.identity(), scope + 'p');
  std::string bytes;
  for (int64_t row = 0; row < rows->num_rows(); ++row) {
    privacy::Hash128& id = ids[static_cast<size_t>(row)];
    if (field_ids != nullptr && field_ids->IsValid(row)) {
      id = by_field(IdentityBytes(*field_ids, row, bytes));
    } else if (event_ids != nullptr && event_ids->IsValid(row)) {
      id = by_event_id(IdentityBytes(*event_ids, row, bytes));
    } else if (by_producer && producers->IsValid(row) && sequences->IsValid(row)) {
      const bool has_epoch = epochs != nullptr && epochs->IsValid(row);
      ProducerBytes(producers->GetView(row), has_epoch ? epochs->Value(row) : 0,
                    sequences->Value(row), bytes);
      id = by_sequence(bytes);
    } else if (request.own) {
      id = *request.own;
    }
  }
  return ids;
}

namespace {

/// The column `_id`; null where the hash is zero.
Result<std::shared_ptr<arrow::ArrayData>> IdColumn(const std::shared_ptr<arrow::DataType>& type,
                                                   const std::vector<privacy::Hash128>& ids) {
  const auto rows = static_cast<int64_t>(ids.size());
  const int64_t nulls = std::ranges::count(ids, kNoIdentity);
  SLUICE_ASSIGN_OR_RETURN(
      std::shared_ptr<arrow::Buffer> values,
      FromArrow(arrow::AllocateBuffer(rows * static_cast<int64_t>(sizeof(privacy::Hash128)))));
  if (rows > 0)
    std::memcpy(values->mutable_data(), ids.data(), static_cast<size_t>(values->size()));
  std::shared_ptr<arrow::Buffer> valid;
  if (nulls > 0) {
    SLUICE_ASSIGN_OR_RETURN(valid, FromArrow(arrow::AllocateEmptyBitmap(rows)));
    for (int64_t row = 0; row < rows; ++row) {
      const bool has_id = ids[static_cast<size_t>(row)] != kNoIdentity;
      arrow::bit_util::SetBitTo(valid->mutable_data(), row, has_id);
    }
  }
  return arrow::ArrayData::Make(type, rows, {std::move(valid), std::move(values)}, nulls);
}

}  // namespace

Result<Batch> ToFrameRows(const TopicState& topic, const Batch& rows,
                          const std::vector<privacy::Hash128>& ids,
                          std::optional<uint64_t> batch_sum) {
  std::vector<std::shared_ptr<arrow::ArrayData>> columns;
  columns.reserve(topic.frame_columns.size());
  for (size_t i = 0; i < topic.frame_columns.size(); ++i) {
    const arrow::Field& field = *topic.frame_schema->field(static_cast<int>(i));
    const int at = topic.frame_columns[i];
    if (at < 0) {
      SLUICE_ASSIGN_OR_RETURN(columns.emplace_back(), IdColumn(field.type(), ids));
      continue;
    }
    if (at >= rows->num_columns() || rows->schema()->field(at)->name() != field.name()) {
      return Internal("decoded rows lack column '{}'", field.name());
    }
    if (batch_sum && field.name() == "_metadata") {
      SLUICE_ASSIGN_OR_RETURN(const auto marked, MarkMetadata(*rows->column(at), *batch_sum));
      columns.push_back(marked->data());
    } else {
      columns.push_back(rows->column_data(at));
    }
  }
  return arrow::RecordBatch::Make(topic.frame_schema, rows->num_rows(), std::move(columns));
}

std::vector<privacy::Hash128> StoredIds(const Batch& rows) {
  static_assert(sizeof(privacy::Hash128) == 16);
  std::vector<privacy::Hash128> ids(static_cast<size_t>(rows->num_rows()));
  const auto column = rows->GetColumnByName("_id");
  if (column == nullptr) return ids;
  for (int64_t row = 0; row < rows->num_rows(); ++row) {
    if (column->IsNull(row)) continue;
    auto& id = ids[static_cast<size_t>(row)];
    if (column->type_id() == arrow::Type::FIXED_SIZE_BINARY) {
      std::memcpy(&id, static_cast<const arrow::FixedSizeBinaryArray&>(*column).GetValue(row), 16);
    } else if (column->type_id() == arrow::Type::BINARY) {
      const auto view = static_cast<const arrow::BinaryArray&>(*column).GetView(row);
      if (view.size() == 16) std::memcpy(&id, view.data(), 16);
    }
  }
  return ids;
}

}  // namespace sluice::ingest::internal
