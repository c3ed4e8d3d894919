#include "sluice/land/table_schema.h"

#include <arrow/api.h>
#include <arrow/util/bitmap_ops.h>
#include <fmt/chrono.h>

#include <algorithm>
#include <chrono>
#include <set>
#include <unordered_map>

#include "sluice/base/check.h"
#include "sluice/columnar/arrow_bridge.h"
#include "sluice/decode/json_decoder.h"
#include "sluice/privacy/protect.h"

namespace sluice::land {
namespace {

using columnar::Batch;
using columnar::FromArrow;
using columnar::Schema;

constexpr std::string_view kTimeColumn = "event_time";

const std::shared_ptr<arrow::DataType>& UtcMicros() {
  static const auto type = arrow::timestamp(arrow::TimeUnit::MICRO, "UTC");
  return type;
}

int32_t DayOf(int64_t micros) {
  return static_cast<int32_t>(
      std::chrono::floor<std::chrono::days>(std::chrono::microseconds(micros)).count());
}

Result<std::shared_ptr<arrow::Array>> Repeat(const arrow::Scalar& value, int64_t rows) {
  return FromArrow(arrow::MakeArrayFromScalar(value, rows));
}

Result<std::shared_ptr<arrow::Array>> OffsetsFrom(journal::Offset base, int64_t rows) {
  SLUICE_ASSIGN_OR_RETURN(std::shared_ptr<arrow::Buffer> buffer,
                          FromArrow(arrow::AllocateBuffer(rows * 8)));
  auto* const values = reinterpret_cast<int64_t*>(buffer->mutable_data());
  for (int64_t i = 0; i < rows; ++i) values[i] = base + i;
  return std::shared_ptr<arrow::Array>(
      std::make_shared<arrow::Int64Array>(rows, std::move(buffer)));
}

Result<std::shared_ptr<arrow::Array>> TimesOf(std::span<const ReceivedRows> received,
                                              int64_t rows) {
  SLUICE_ASSIGN_OR_RETURN(std::shared_ptr<arrow::Buffer> buffer,
                          FromArrow(arrow::AllocateBuffer(rows * 8)));
  auto* values = reinterpret_cast<int64_t*>(buffer->mutable_data());
  int64_t told = 0;
  for (const ReceivedRows& part : received) {
    told += part.rows;
    SLUICE_CHECK(told <= rows);
    values = std::fill_n(values, part.rows, part.at.time_since_epoch().count());
  }
  SLUICE_CHECK(told == rows);
  return std::shared_ptr<arrow::Array>(
      std::make_shared<arrow::TimestampArray>(UtcMicros(), rows, std::move(buffer)));
}

Result<std::shared_ptr<arrow::Array>> DatesOf(const arrow::TimestampArray& times) {
  SLUICE_ASSIGN_OR_RETURN(std::shared_ptr<arrow::Buffer> buffer,
                          FromArrow(arrow::AllocateBuffer(times.length() * 4)));
  auto* const values = reinterpret_cast<int32_t*>(buffer->mutable_data());
  for (int64_t i = 0; i < times.length(); ++i) values[i] = DayOf(times.Value(i));
  return std::shared_ptr<arrow::Array>(
      std::make_shared<arrow::Date32Array>(times.length(), std::move(buffer)));
}

/// Ids have one size in frames and any in tables, where Delta has no type for it. Their bytes are
/// shared.
Result<std::shared_ptr<arrow::Array>> ToBinary(const arrow::FixedSizeBinaryArray& ids) {
  SLUICE_ASSIGN_OR_RETURN(std::shared_ptr<arrow::Buffer> offsets,
                          FromArrow(arrow::AllocateBuffer((ids.length() + 1) * 4)));
  const int32_t width = ids.byte_width();
  auto* const ends = reinterpret_cast<int32_t*>(offsets->mutable_data());
  for (int64_t i = 0; i <= ids.length(); ++i) ends[i] = static_cast<int32_t>(i) * width;
  std::shared_ptr<arrow::Buffer> nulls;
  if (ids.null_count() > 0) {
    SLUICE_ASSIGN_OR_RETURN(nulls, FromArrow(arrow::internal::CopyBitmap(
                                       arrow::default_memory_pool(), ids.null_bitmap_data(),
                                       ids.offset(), ids.length())));
  }
  auto bytes = arrow::SliceBuffer(ids.values(), ids.offset() * width, ids.length() * width);
  return std::shared_ptr<arrow::Array>(std::make_shared<arrow::BinaryArray>(
      ids.length(), std::move(offsets), std::move(bytes), std::move(nulls), ids.null_count()));
}

}  // namespace

namespace {

/// What is stored of what the decoder makes, without what only served to make the identity.
Schema StoredColumns(const event::Contract& contract) {
  arrow::FieldVector fields;
  const Schema decoded = decode::FrameSchema(contract);
  for (const auto& field : decoded->fields()) {
    if (field->name() != "_epoch" && field->name() != "_event_id") fields.push_back(field);
  }
  return privacy::StoredTypes(contract, arrow::schema(std::move(fields)));
}

/// The columns of fields that the contract has no more, as the versions that had them stored them.
arrow::FieldVector RetiredColumns(const event::Contract& contract) {
  event::Contract before;
  before.fields = contract.retired;
  arrow::FieldVector fields = StoredColumns(before)->fields();
  fields.resize(contract.retired.size());
  return fields;
}

}  // namespace

Schema FrameColumns(const event::Contract& contract) {
  return privacy::MarkRules(contract, StoredColumns(contract));
}

std::vector<std::string> PrivateColumns(const event::Contract& contract) {
  std::vector<std::string> columns;
  event::ForEachField(contract.fields,
                      [&](const event::FieldPath& path, const event::Field& field) {
                        const std::string& column = contract.fields[path[0]].column;
                        const bool named = !columns.empty() && columns.back() == column;
                        if (!named && (field.privacy.action != event::PrivacyAction::kNone ||
                                       !field.pii.empty() || field.subject)) {
                          columns.push_back(column);
                        }
                      });
  event::ForEachField(contract.retired,
                      [&](const event::FieldPath& path, const event::Field& field) {
                        const std::string& column = contract.retired[path[0]].column;
                        if (field.privacy.action != event::PrivacyAction::kNone ||
                            !field.pii.empty() || field.subject) {
                          if (columns.empty() || columns.back() != column)
                            columns.push_back(column);
                        }
                      });
  if (event::IsSensitive(contract)) columns.insert(columns.end(), {"_extra", "_metadata"});
  return columns;
}

columnar::ParquetOptions IdentityFileOptions() {
  return {.random_columns = {"_id"}, .bloom_filter_columns = {"_id"}};
}

Result<Batch> CheckGiven(const event::Contract& contract, const Batch& values, bool new_rows,
                         os::Timestamp now) {
  std::set<std::string> fields;
  std::set<std::string> protected_fields;
  for (const auto* list : {&contract.fields, &contract.retired}) {
    for (const event::Field& field : *list) fields.insert(field.column);
    event::ForEachField(*list, [&](const event::FieldPath& path, const event::Field& field) {
      if (field.privacy.action == event::PrivacyAction::kNone) return;
      protected_fields.insert((*list)[path[0]].column);
    });
  }
  for (int i = 0; i < values->num_columns(); ++i) {
    const std::string& name = values->schema()->field(i)->name();
    if (name == kTimeColumn) continue;
    if (name == kDateColumn) return Invalid("column 'event_date' follows event_time: set that");
    if (!fields.contains(name)) {
      return Invalid("column '{}' is filled by landing alone: it cannot be set", name);
    }
    if (protected_fields.contains(name) && values->column(i)->null_count() < values->num_rows()) {
      return Invalid(
          "column '{}' is private by its schema: values come with events, which are protected at "
          "the door; here it can only be set to null",
          name);
    }
  }
  const auto times = values->GetColumnByName(std::string(kTimeColumn));
  if (times == nullptr) {
    if (new_rows) return Invalid("new rows need an event_time");
    return values;
  }
  if (!times->type()->Equals(*UtcMicros())) {
    return Invalid("event_time is {}, expected a time with a zone", times->type()->ToString());
  }
  const auto& moments = static_cast<const arrow::TimestampArray&>(*times);
  for (int64_t i = 0; i < moments.length(); ++i) {
    if (moments.IsNull(i)) return Invalid("event_time must not be null");
    if (!decode::IsEventTime(moments.Value(i), now.time_since_epoch().count())) {
      return Invalid("an event_time is outside 1970 … now + 1 day");
    }
  }
  SLUICE_ASSIGN_OR_RETURN(auto dates, DatesOf(moments));
  return FromArrow(values->AddColumn(values->num_columns(),
                                     arrow::field(std::string(kDateColumn), arrow::date32()),
                                     std::move(dates)));
}

std::vector<std::string> PseudonymColumns(const event::Contract& contract) {
  std::vector<std::string> columns;
  for (const event::Field& field : contract.fields) {
    const event::PrivacyAction action = field.privacy.action;
    if (field.type != event::FieldType::kList &&
        (action == event::PrivacyAction::kHash || action == event::PrivacyAction::kTokenize ||
         action == event::PrivacyAction::kEncrypt)) {
      columns.push_back(field.column);
    }
  }
  return columns;
}

Schema TableSchema(const event::Contract& contract) {
  arrow::FieldVector fields;
  const Schema stored = StoredColumns(contract);
  for (const auto& field : stored->fields()) {
    if (fields.size() == contract.fields.size()) {
      const arrow::FieldVector retired = RetiredColumns(contract);
      fields.insert(fields.end(), retired.begin(), retired.end());
    }
    if (field->name() == "_id") {
      fields.push_back(arrow::field(std::string(kDateColumn), arrow::date32()));
      fields.push_back(arrow::field("_id", arrow::binary()));
      fields.push_back(arrow::field("_partition", arrow::int32()));
      fields.push_back(arrow::field("_offset", arrow::int64()));
      fields.push_back(arrow::field("_received_at", UtcMicros()));
      continue;
    }
    if (field->name() == "_extra") fields.push_back(arrow::field("_tenant", arrow::utf8()));
    fields.push_back(field);
  }
  return arrow::schema(std::move(fields));
}

Result<Batch> ToTableRows(const Schema& schema, const Batch& rows, uint32_t partition,
                          journal::Offset base, std::span<const ReceivedRows> received,
                          const std::string& tenant) {
  const int64_t count = rows->num_rows();
  arrow::ArrayVector columns;
  for (const auto& field : schema->fields()) {
    const std::string& name = field->name();
    std::shared_ptr<arrow::Array> column;
    if (name == "_partition") {
      SLUICE_ASSIGN_OR_RETURN(column,
                              Repeat(arrow::Int32Scalar(static_cast<int32_t>(partition)), count));
    } else if (name == "_offset") {
      SLUICE_ASSIGN_OR_RETURN(column, OffsetsFrom(base, count));
    } else if (name == "_received_at") {
      SLUICE_ASSIGN_OR_RETURN(column, TimesOf(received, count));
    } else if (name == "_tenant") {
      SLUICE_ASSIGN_OR_RETURN(column, Repeat(arrow::StringScalar(tenant), count));
    } else if (name == kDateColumn) {
      const auto times = rows->GetColumnByName("event_time");
      if (times == nullptr) return Corrupt("a frame has no column event_time");
      SLUICE_ASSIGN_OR_RETURN(column, DatesOf(static_cast<const arrow::TimestampArray&>(*times)));
    } else if (auto found = rows->GetColumnByName(name); found == nullptr) {
      SLUICE_ASSIGN_OR_RETURN(column, FromArrow(arrow::MakeArrayOfNull(field->type(), count)));
    } else if (found->type()->Equals(*field->type())) {
      column = std::move(found);
    } else if (name == "_id" && found->type_id() == arrow::Type::FIXED_SIZE_BINARY) {
      SLUICE_ASSIGN_OR_RETURN(column,
                              ToBinary(static_cast<const arrow::FixedSizeBinaryArray&>(*found)));
    } else {
      return Corrupt("column '{}' of a frame is {}, expected {}", name, found->type()->ToString(),
                     field->type()->ToString());
    }
    columns.push_back(std::move(column));
  }
  return arrow::RecordBatch::Make(schema, count, std::move(columns));
}

namespace {

const arrow::Date32Array& Dates(const Batch& rows) {
  return static_cast<const arrow::Date32Array&>(*rows->GetColumnByName(std::string(kDateColumn)));
}

}  // namespace

Result<std::vector<DatedRows>> SplitByDate(const std::vector<Batch>& rows) {
  struct Run {
    int32_t date;
    int64_t begin;
    int64_t end;
  };
  // Beyond, picking rows one by one is cheaper for all who read them than many small slices.
  constexpr size_t kRunsMax = 8;
  std::map<int32_t, std::vector<Batch>> parts;
  std::vector<Run> runs;
  for (const Batch& batch : rows) {
    const int column = batch->schema()->GetFieldIndex(std::string(kDateColumn));
    SLUICE_ASSIGN_OR_RETURN(const Batch bare, FromArrow(batch->RemoveColumn(column)));
    const int32_t* const dates = Dates(batch).raw_values();
    runs.clear();
    for (int64_t i = 0; i < batch->num_rows(); ++i) {
      if (i == 0 || dates[i] != dates[i - 1]) runs.push_back({dates[i], i, i});
      ++runs.back().end;
    }
    if (runs.size() <= kRunsMax) {
      for (const Run& run : runs) {
        parts[run.date].push_back(bare->Slice(run.begin, run.end - run.begin));
      }
      continue;
    }
    std::map<int32_t, std::vector<int64_t>> picked;
    for (const Run& run : runs) {
      std::vector<int64_t>& indices = picked[run.date];
      for (int64_t i = run.begin; i < run.end; ++i) indices.push_back(i);
    }
    for (const auto& [date, indices] : picked) {
      SLUICE_ASSIGN_OR_RETURN(Batch part, columnar::Take(*bare, indices));
      parts[date].push_back(std::move(part));
    }
  }
  std::vector<DatedRows> split;
  split.reserve(parts.size());
  for (auto& [date, batches] : parts) split.push_back({date, std::move(batches)});
  return split;
}

Result<int64_t> RowsWithinDates(const std::vector<Batch>& rows, int dates_max) {
  std::set<int32_t> seen;
  int64_t count = 0;
  for (const Batch& batch : rows) {
    const auto& dates = Dates(batch);
    for (int64_t i = 0; i < dates.length(); ++i, ++count) {
      if (i > 0 && dates.Value(i) == dates.Value(i - 1)) continue;
      seen.insert(dates.Value(i));
      if (seen.size() > static_cast<size_t>(dates_max)) return count;
    }
  }
  return count;
}

std::string DateText(int32_t days) {
  const std::chrono::year_month_day date{std::chrono::sys_days(std::chrono::days(days))};
  return fmt::format("{:04}-{:02}-{:02}", static_cast<int>(date.year()),
                     static_cast<unsigned>(date.month()), static_cast<unsigned>(date.day()));
}

}  // namespace sluice::land
