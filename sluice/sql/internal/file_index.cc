#include "sluice/sql/internal/file_index.h"

#include <arrow/array/builder_binary.h>
#include <arrow/array/builder_primitive.h>
#include <arrow/array/builder_time.h>
#include <arrow/builder.h>
#include <arrow/memory_pool.h>
#include <arrow/record_batch.h>
#include <arrow/type.h>
#include <simdjson.h>

#include <algorithm>
#include <charconv>
#include <optional>
#include <string>
#include <string_view>

#include "sluice/columnar/arrow_bridge.h"
#include "sluice/lake/timestamps.h"

namespace sluice::sql::internal {

namespace {

using columnar::FromArrow;

constexpr size_t kKeptMax = 64;
// Statistics of Delta have milliseconds: the largest value may lie that much behind.
constexpr int64_t kTimeSlack = 999;
constexpr int64_t kDayMicros = int64_t{24} * 3600 * 1'000'000;

std::optional<int64_t> Integer(std::string_view text) {
  int64_t value = 0;
  const auto [end, bad] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (bad != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

enum class Kind { kInteger, kDate, kTime, kReal, kText };

std::optional<Kind> KindOf(const arrow::DataType& type) {
  switch (type.id()) {
    case arrow::Type::INT8:
    case arrow::Type::INT16:
    case arrow::Type::INT32:
    case arrow::Type::INT64:
      return Kind::kInteger;
    case arrow::Type::DATE32:
      return Kind::kDate;
    case arrow::Type::TIMESTAMP:
      return Kind::kTime;
    case arrow::Type::FLOAT:
    case arrow::Type::DOUBLE:
      return Kind::kReal;
    case arrow::Type::STRING:
      return Kind::kText;
    default:
      return std::nullopt;
  }
}

/// Bounds of one column, a value a file.
class BoundColumn {
 public:
  /// `name_in_log`: by which statistics and partition values know it.
  BoundColumn(std::string name, std::string name_in_log, Kind kind, bool partition)
      : name_(std::move(name)),
        name_in_log_(std::move(name_in_log)),
        kind_(kind),
        partition_(partition) {}

  arrow::Status Append(const lake::DataFile& file, const simdjson::dom::element* least,
                       const simdjson::dom::element* most) {
    if (partition_) {
      const auto found = file.partition_values.find(name_in_log_);
      const bool known = found != file.partition_values.end() && found->second;
      ARROW_RETURN_NOT_OK(AppendText(known ? &*found->second : nullptr, low_, 0));
      return AppendText(known ? &*found->second : nullptr, high_, 0);
    }
    ARROW_RETURN_NOT_OK(AppendElement(least, low_, 0));
    return AppendElement(most, high_, kTimeSlack);
  }

  arrow::Status Finish(arrow::FieldVector& fields, arrow::ArrayVector& arrays) {
    for (auto* side : {&low_, &high_}) {
      std::shared_ptr<arrow::Array> array;
      if (kind_ == Kind::kReal) {
        ARROW_RETURN_NOT_OK(side->reals.Finish(&array));
      } else if (kind_ == Kind::kText) {
        ARROW_RETURN_NOT_OK(side->texts.Finish(&array));
      } else {
        ARROW_RETURN_NOT_OK(side->integers.Finish(&array));
      }
      fields.push_back(arrow::field((side == &low_ ? "min:" : "max:") + name_, array->type()));
      arrays.push_back(std::move(array));
    }
    return arrow::Status::OK();
  }

 private:
  struct Side {
    arrow::Int64Builder integers;
    arrow::DoubleBuilder reals;
    arrow::StringBuilder texts;
  };

  arrow::Status AppendNull(Side& side) {
    if (kind_ == Kind::kReal) return side.reals.AppendNull();
    if (kind_ == Kind::kText) return side.texts.AppendNull();
    return side.integers.AppendNull();
  }

  arrow::Status AppendElement(const simdjson::dom::element* bounds, Side& side, int64_t slack) {
    simdjson::dom::element value;
    if (bounds == nullptr || bounds->at_key(name_in_log_).get(value) != simdjson::SUCCESS) {
      return AppendNull(side);
    }
    int64_t integer = 0;
    double real = 0;
    std::string_view text;
    switch (kind_) {
      case Kind::kInteger:
        return value.get(integer) == simdjson::SUCCESS ? side.integers.Append(integer)
                                                       : AppendNull(side);
      case Kind::kReal:
        return value.get(real) == simdjson::SUCCESS ? side.reals.Append(real) : AppendNull(side);
      default:
        if (value.get(text) != simdjson::SUCCESS) return AppendNull(side);
        const std::string copy(text);
        return AppendText(&copy, side, slack);
    }
  }

  arrow::Status AppendText(const std::string* text, Side& side, int64_t slack) {
    if (text == nullptr) return AppendNull(side);
    std::optional<int64_t> value;
    switch (kind_) {
      case Kind::kText:
        return side.texts.Append(*text);
      case Kind::kDate:
        value = lake::ParseTimestampText(*text);
        value =
            value && *value % kDayMicros == 0 ? std::optional(*value / kDayMicros) : std::nullopt;
        break;
      case Kind::kTime:
        value = lake::ParseTimestampText(*text);
        if (value) *value += slack;
        break;
      case Kind::kInteger:
        value = Integer(*text);
        break;
      case Kind::kReal:
        break;
    }
    return value ? side.integers.Append(*value) : AppendNull(side);
  }

  const std::string name_;
  const std::string name_in_log_;
  const Kind kind_;
  const bool partition_;
  Side low_;
  Side high_;
};

/// Makes an index, file by file.
class IndexMaker {
 public:
  IndexMaker(const lake::Snapshot& snapshot, const arrow::Schema& schema) : snapshot_(snapshot) {
    for (const auto& field : schema.fields()) {
      const bool partition = IsPartition(snapshot, field->name());
      const std::string in_log = lake::NameInLog(snapshot, field->name());
      if (const auto kind = KindOf(*field->type())) {
        bounds_.push_back(std::make_unique<BoundColumn>(field->name(), in_log, *kind, partition));
      }
      if (partition) values_.push_back({field, arrow::MakeBuilder(field->type()).ValueOrDie()});
    }
  }

  Status Add(const lake::DataFile& file, const std::string& location,
             const columnar::RowRuns& deleted) {
    for (Values& values : values_) {
      SLUICE_ASSIGN_OR_RETURN(const auto value,
                              lake::PartitionValueOf(snapshot_, file, values.field->name()),
                              "file '{}', column '{}'", file.path, values.field->name());
      SLUICE_RETURN_IF_ERROR(FromArrow(values.builder->AppendScalar(*value)));
    }
    any_deleted_ = any_deleted_ || !deleted.empty();
    const int64_t rows = file.rows.value_or(-1) - deleted.rows();
    SLUICE_RETURN_IF_ERROR(FromArrow(rows < 0 ? rows_.AppendNull() : rows_.Append(rows)));
    SLUICE_RETURN_IF_ERROR(
        FromArrow(deleted.empty() ? deleted_.AppendNull() : deleted_.Append(deleted.Encode())));
    ++files_;
    return FromArrow(AddBounds(file, location));
  }

  /// Adds a column of its own.
  void AddColumn(std::string name, std::shared_ptr<arrow::Array> array) {
    more_.emplace_back(std::move(name), std::move(array));
  }

  Result<columnar::Batch> Finish() { return FromArrow(FinishAll()); }

 private:
  struct Values {
    std::shared_ptr<arrow::Field> field;
    std::unique_ptr<arrow::ArrayBuilder> builder;
  };

  static bool IsPartition(const lake::Snapshot& snapshot, const std::string& name) {
    const auto& partitions = snapshot.partition_columns();
    return std::find(partitions.begin(), partitions.end(), name) != partitions.end();
  }

  arrow::Status AddBounds(const lake::DataFile& file, const std::string& location) {
    ARROW_RETURN_NOT_OK(paths_.Append(location));
    simdjson::dom::element stats;
    simdjson::dom::element least;
    simdjson::dom::element most;
    const bool read =
        !file.stats.empty() && parser_.parse(file.stats).get(stats) == simdjson::SUCCESS;
    const bool has_least = read && stats["minValues"].get(least) == simdjson::SUCCESS;
    const bool has_most = read && stats["maxValues"].get(most) == simdjson::SUCCESS;
    for (const auto& column : bounds_) {
      ARROW_RETURN_NOT_OK(
          column->Append(file, has_least ? &least : nullptr, has_most ? &most : nullptr));
    }
    return arrow::Status::OK();
  }

  arrow::Result<columnar::Batch> FinishAll() {
    arrow::FieldVector fields = {arrow::field("path", arrow::utf8())};
    arrow::ArrayVector arrays(1);
    ARROW_RETURN_NOT_OK(paths_.Finish(&arrays[0]));
    const auto add = [&](const std::string& name, std::shared_ptr<arrow::Array> array) {
      fields.push_back(arrow::field(name, array->type()));
      arrays.push_back(std::move(array));
    };
    for (const auto& column : bounds_) ARROW_RETURN_NOT_OK(column->Finish(fields, arrays));
    for (const Values& values : values_) {
      ARROW_ASSIGN_OR_RAISE(auto array, values.builder->Finish());
      add("value:" + values.field->name(), std::move(array));
    }
    ARROW_ASSIGN_OR_RAISE(auto rows, rows_.Finish());
    add("rows", std::move(rows));
    if (any_deleted_) {
      ARROW_ASSIGN_OR_RAISE(auto array, deleted_.Finish());
      add("deleted", std::move(array));
    }
    for (auto& [name, array] : more_) add(name, std::move(array));
    return arrow::RecordBatch::Make(arrow::schema(std::move(fields)), files_, std::move(arrays));
  }

  const lake::Snapshot& snapshot_;
  std::vector<std::unique_ptr<BoundColumn>> bounds_;
  std::vector<Values> values_;
  arrow::StringBuilder paths_;
  arrow::Int64Builder rows_;
  arrow::BinaryBuilder deleted_;
  bool any_deleted_ = false;
  int64_t files_ = 0;
  std::vector<std::pair<std::string, std::shared_ptr<arrow::Array>>> more_;
  simdjson::dom::parser parser_;
};

}  // namespace

Result<columnar::Batch> IndexFiles(const lake::DeltaTable& table, const lake::Snapshot& snapshot,
                                   const columnar::Schema& schema) {
  IndexMaker maker(snapshot, *schema);
  for (const lake::DataFile& file : snapshot.files()) {
    SLUICE_ASSIGN_OR_RETURN(const columnar::RowRuns deleted, lake::DeletedRows(table, file));
    SLUICE_RETURN_IF_ERROR(maker.Add(file, table.Location(file), deleted));
  }
  return maker.Finish();
}

Result<columnar::Batch> IndexChanges(const lake::DeltaTable& table,
                                     const lake::ChangedFiles& changes,
                                     const columnar::Schema& schema) {
  IndexMaker maker(*changes.last, *schema);
  arrow::StringBuilder types;
  arrow::BooleanBuilder own_types;
  arrow::Int64Builder versions;
  arrow::TimestampBuilder times(arrow::timestamp(arrow::TimeUnit::MICRO, "UTC"),
                                arrow::default_memory_pool());
  const auto append = [&](const lake::ChangedFile& changed) -> arrow::Status {
    ARROW_RETURN_NOT_OK(types.Append(changed.change_type));
    ARROW_RETURN_NOT_OK(own_types.Append(changed.change_type.empty()));
    ARROW_RETURN_NOT_OK(versions.Append(changed.version));
    return times.Append(changed.commit_ms * 1000);
  };
  for (const lake::ChangedFile& changed : changes.files) {
    SLUICE_RETURN_IF_ERROR(maker.Add(changed.file, table.Location(changed.file), changed.deleted));
    SLUICE_RETURN_IF_ERROR(FromArrow(append(changed)));
  }
  const auto add = [&maker](const std::string& name, arrow::ArrayBuilder& builder) -> Status {
    SLUICE_ASSIGN_OR_RETURN(auto array, FromArrow(builder.Finish()));
    maker.AddColumn(name, std::move(array));
    return {};
  };
  SLUICE_RETURN_IF_ERROR(add("value:_change_type", types));
  SLUICE_RETURN_IF_ERROR(add("own:_change_type", own_types));
  SLUICE_RETURN_IF_ERROR(add("value:_commit_version", versions));
  SLUICE_RETURN_IF_ERROR(add("value:_commit_timestamp", times));
  return maker.Finish();
}

bool NeedsIndex(const lake::Snapshot& snapshot) {
  return !snapshot.partition_columns().empty() ||
         std::ranges::any_of(snapshot.files(), [](const lake::DataFile& file) {
           return file.deletion_vector != nullptr;
         });
}

Result<columnar::Batch> FileIndexes::Get(const lake::DeltaTable& table,
                                         const std::shared_ptr<const lake::Snapshot>& snapshot,
                                         const columnar::Schema& schema) {
  {
    const std::lock_guard lock(mutex_);
    std::erase_if(kept_, [](const Kept& kept) { return kept.snapshot.expired(); });
    for (const Kept& kept : kept_) {
      if (kept.snapshot.lock() == snapshot) return kept.index;
    }
  }
  SLUICE_ASSIGN_OR_RETURN(columnar::Batch index, IndexFiles(table, *snapshot, schema));
  const std::lock_guard lock(mutex_);
  if (kept_.size() >= kKeptMax) kept_.erase(kept_.begin());
  kept_.push_back({.snapshot = snapshot, .index = index});
  return index;
}

}  // namespace sluice::sql::internal
