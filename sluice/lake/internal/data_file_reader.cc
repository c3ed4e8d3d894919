#include "sluice/lake/internal/data_file_reader.h"

#include <arrow/api.h>
#include <arrow/compute/api.h>
#include <arrow/util/key_value_metadata.h>
#include <parquet/arrow/reader.h>
#include <parquet/exception.h>
#include <parquet/file_reader.h>
#include <parquet/metadata.h>

#include <algorithm>

#include "sluice/base/ascii.h"
#include "sluice/columnar/arrow_bridge.h"
#include "sluice/lake/internal/partition_value.h"
#include "sluice/lake/internal/path_encoding.h"
#include "sluice/lake/internal/schema_json.h"
#include "sluice/lake/internal/store_file.h"

namespace sluice::lake::internal {

namespace {

using columnar::FromArrow;
using ArrayPtr = std::shared_ptr<arrow::Array>;
using Source = ReadPlan::Source;

constexpr int64_t kFirstBatchRows = 1024;  // Where nobody knows yet how large rows are.
constexpr int64_t kBatchGrowth = 4;
constexpr int64_t kBufferBytesMin = int64_t{16} << 10;  // Of each column.
constexpr int64_t kBufferBytesMax = int64_t{1} << 20;

int64_t LargestGroup(const parquet::FileMetaData& file) {
  int64_t largest = 0;
  for (int group = 0; group < file.num_row_groups(); ++group) {
    const auto metadata = file.RowGroup(group);
    int64_t bytes = 0;
    for (int column = 0; column < metadata->num_columns(); ++column) {
      bytes += metadata->ColumnChunk(column)->total_compressed_size();
    }
    largest = std::max(largest, bytes);
  }
  return largest;
}

class ParquetDataFileReader final : public DataFileReader {
 public:
  ParquetDataFileReader(const DataFile& file, const ReadPlan& plan, WantedRows rows)
      : file_(file), plan_(plan), rows_(std::move(rows)) {}

  Status OpenFile(const FilePlaces& places) {
    SLUICE_ASSIGN_OR_RETURN(const FilePlace place, places.Find(file_.path));
    Status opened = OpenParquet(place, file_.size);
    if (!opened.ok() && opened.error().code() != ErrorCode::kNotFound) {
      // The log may say a wrong size.
      SLUICE_ASSIGN_OR_RETURN(const store::ObjectInfo info, place.store->Head(place.path));
      if (static_cast<int64_t>(info.size) == file_.size) return opened;
      opened = OpenParquet(place, static_cast<int64_t>(info.size));
    }
    SLUICE_RETURN_IF_ERROR(opened);
    SLUICE_RETURN_IF_ERROR(ChooseColumns());
    return ReadDeleted(places);
  }

  Result<columnar::Batch> Next() override {
    try {
      auto batch = ReadNext();
      if (!batch.ok()) return AsFileError(std::move(batch).error());
      return batch;
    } catch (const std::exception& exception) {
      return Corrupt("file '{}': {}", file_.path, exception.what());
    }
  }

  int64_t rows() const { return reader_->parquet_reader()->metadata()->num_rows(); }

  Error AsFileError(Error error) const {
    // Whatever Arrow calls invalid stands in the file; and so does what it calls a failure to read,
    // such as a page that is not what its checksum says, where the store did not fail.
    const bool read = input_ != nullptr && !input_->failure();
    if (error.code() == ErrorCode::kInvalid || (error.code() == ErrorCode::kUnavailable && read)) {
      error = Corrupt("{}", error.message());
    }
    return std::move(error).Wrap(fmt::format("file '{}'", file_.path));
  }

 private:
  Status OpenParquet(const FilePlace& place, int64_t size) {
    const auto input = std::make_shared<StoreFile>(*place.store, place.path, size);
    input_ = input;
    parquet::ArrowReaderProperties properties(/*use_threads=*/false);
    properties.set_batch_size(plan_.batch_rows);
    properties.set_coerce_int96_timestamp_unit(arrow::TimeUnit::MICRO);
    properties.set_pre_buffer(place.store->is_remote());
    auto builder = std::make_unique<parquet::arrow::FileReaderBuilder>();
    parquet::ReaderProperties reading;
    reading.set_page_checksum_verification(true);
    arrow::Status opened = builder->Open(input, reading);
    if (opened.IsKeyError()) return NotFound("it is not there, but the log names it");
    SLUICE_RETURN_IF_ERROR(FromArrow(opened));
    const auto metadata = builder->raw_reader()->metadata();
    if (plan_.memory_bytes_max > 0 && LargestGroup(*metadata) > plan_.memory_bytes_max) {
      // Column by column in small pieces, instead of a group of them at once.
      const int64_t of_column = plan_.memory_bytes_max / 2 / std::max(metadata->num_columns(), 1);
      reading.enable_buffered_stream();
      reading.set_buffer_size(std::clamp(of_column, kBufferBytesMin, kBufferBytesMax));
      properties.set_pre_buffer(false);
      builder = std::make_unique<parquet::arrow::FileReaderBuilder>();
      SLUICE_RETURN_IF_ERROR(FromArrow(builder->Open(input, reading, metadata)));
    }
    SLUICE_ASSIGN_OR_RETURN(reader_, FromArrow(builder->properties(properties)->Build()));
    SLUICE_RETURN_IF_ERROR(FromArrow(reader_->GetSchema(&schema_)));
    return {};
  }

  // Finds the leaves that the plan needs, and where they will stand in the batches read.
  Status ChooseColumns() {
    const parquet::SchemaDescriptor& schema = *reader_->parquet_reader()->metadata()->schema();
    std::vector<int> roots;  // In the file's schema, ascending.
    const auto want = [&](const arrow::Field& wanted, ColumnMapping mapping) {
      const int root = FindField(schema_->fields(), wanted, mapping);
      if (root >= 0) roots.push_back(root);
      return root;
    };
    std::vector<int> found(plan_.columns.size(), -1);
    for (size_t i = 0; i < plan_.columns.size(); ++i) {
      const ReadPlan::Column& column = plan_.columns[i];
      // `void` is in no file; and where one has such a column, it means nothing.
      if (column.field->type()->id() == arrow::Type::NA) continue;
      if (column.source == Source::kFile) found[i] = want(*column.field, plan_.mapping);
      if (column.source == Source::kChangeType)
        found[i] = want(*column.field, ColumnMapping::kNone);
      const std::string* kept = nullptr;
      if (column.source == Source::kRowId) kept = &plan_.row_id_column;
      if (column.source == Source::kCommitVersion) kept = &plan_.version_column;
      if (kept != nullptr && !kept->empty()) {
        found[i] = want(*arrow::field(*kept, arrow::int64()), ColumnMapping::kNone);
      }
    }
    std::ranges::sort(roots);
    roots.erase(std::unique(roots.begin(), roots.end()), roots.end());
    for (const int root : found) {
      const auto at = std::ranges::lower_bound(roots, root);
      indexes_.push_back(root < 0 ? -1 : static_cast<int>(at - roots.begin()));
    }
    const parquet::schema::GroupNode& group = *schema.group_node();
    for (int leaf = 0; leaf < schema.num_columns(); ++leaf) {
      const int root = group.FieldIndex(*schema.GetColumnRoot(leaf));
      if (std::ranges::binary_search(roots, root)) leaves_.push_back(leaf);
    }
    const auto metadata = reader_->parquet_reader()->metadata()->key_value_metadata();
    traits_.mapping = plan_.mapping;
    traits_.julian_days =
        metadata != nullptr && metadata->Contains("org.apache.spark.legacyDateTime");
    return {};
  }

  Status ReadDeleted(const FilePlaces& places) {
    const int64_t rows = reader_->parquet_reader()->metadata()->num_rows();
    if (rows_.all && file_.deletion_vector == nullptr) return {};
    SLUICE_ASSIGN_OR_RETURN(RowSet set, ReadRowSet(places, file_, rows_, rows));
    set_ = std::make_unique<RowSet>(std::move(set));
    return {};
  }

  Result<columnar::Batch> ReadNext() {
    while (true) {
      if (batches_ == nullptr && !leaves_.empty()) {
        if (group_ == reader_->num_row_groups()) return columnar::Batch();
        BeginGroup();
        SLUICE_ASSIGN_OR_RETURN(batches_,
                                FromArrow(reader_->GetRecordBatchReader({group_}, leaves_)));
        ++group_;
      }
      columnar::Batch raw;
      int64_t count = 0;
      if (leaves_.empty()) {  // Nothing but the number of rows is needed.
        const int64_t rows = reader_->parquet_reader()->metadata()->num_rows();
        count = std::min(plan_.batch_rows, rows - position_);
        if (count <= 0) return columnar::Batch();
      } else {
        SLUICE_ASSIGN_OR_RETURN(raw, FromArrow(batches_->Next()));
        if (raw == nullptr) {
          batches_ = nullptr;
          continue;
        }
        count = raw->num_rows();
        Learn(*raw);
      }
      SLUICE_ASSIGN_OR_RETURN(columnar::Batch batch, Convert(raw, count));
      position_ += count;
      if (batch->num_rows() > 0) return batch;
    }
  }

  // How many rows the next batch has, before any of the group's is known: what its columns are in
  // the file says too little where values repeat.
  void BeginGroup() {
    if (plan_.memory_bytes_max <= 0) return;
    const auto group = reader_->parquet_reader()->metadata()->RowGroup(group_);
    int64_t bytes = 0;
    for (const int leaf : leaves_) bytes += group->ColumnChunk(leaf)->total_uncompressed_size();
    batch_rows_ = kFirstBatchRows;
    SetBatchRows(bytes / std::max<int64_t>(group->num_rows(), 1));
  }

  void Learn(const arrow::RecordBatch& batch) {
    if (plan_.memory_bytes_max <= 0) return;
    batch_rows_ = std::min(batch_rows_ * kBatchGrowth, plan_.batch_rows);
    SetBatchRows(columnar::MemoryBytes(batch) / std::max<int64_t>(batch.num_rows(), 1));
  }

  void SetBatchRows(int64_t bytes_a_row) {
    const int64_t fit = plan_.memory_bytes_max / 2 / std::max<int64_t>(bytes_a_row, 1);
    batch_rows_ = std::clamp<int64_t>(fit, 1, batch_rows_);
    reader_->set_batch_size(batch_rows_);
  }

  Result<columnar::Batch> Convert(const columnar::Batch& raw, int64_t count) {
    arrow::ArrayVector columns;
    for (size_t i = 0; i < plan_.columns.size(); ++i) {
      const ArrayPtr read = indexes_[i] < 0 ? nullptr : raw->column(indexes_[i]);
      SLUICE_ASSIGN_OR_RETURN(ArrayPtr column, MakeColumn(plan_.columns[i], read, count));
      columns.push_back(std::move(column));
    }
    auto batch = arrow::RecordBatch::Make(plan_.schema, count, std::move(columns));
    return Select(std::move(batch));
  }

  Result<ArrayPtr> MakeColumn(const ReadPlan::Column& column, const ArrayPtr& read,
                              int64_t count) const {
    switch (column.source) {
      case Source::kFile:
        if (read == nullptr) break;
        return ConvertArray(read, *column.field, traits_);
      case Source::kPartition: {
        SLUICE_ASSIGN_OR_RETURN(
            const auto value,
            PartitionValueOf(file_, PhysicalName(*column.field), column.field->type(), plan_.zone),
            "column '{}'", column.field->name());
        return FromArrow(arrow::MakeArrayFromScalar(*value, count));
      }
      case Source::kRowId:
        return FillUp(read, count, [&](int64_t row) -> std::optional<int64_t> {
          if (!file_.base_row_id) return std::nullopt;
          return *file_.base_row_id + position_ + row;
        });
      case Source::kCommitVersion:
        return FillUp(read, count, [&](int64_t) { return file_.row_commit_version; });
      case Source::kPosition:
        return FillUp(nullptr, count, [&](int64_t row) { return std::optional(position_ + row); });
      case Source::kPath:
        return FromArrow(arrow::MakeArrayFromScalar(arrow::StringScalar(file_.path), count));
      case Source::kChangeType:
        if (read != nullptr && rows_.change_type.empty()) {
          return ConvertArray(read, *column.field, traits_);
        }
        return FromArrow(arrow::MakeArrayFromScalar(arrow::StringScalar(rows_.change_type), count));
    }
    return FromArrow(arrow::MakeArrayOfNull(WithoutAnnotations(*column.field)->type(), count));
  }

  std::string PhysicalName(const arrow::Field& field) const {
    if (plan_.mapping == ColumnMapping::kNone) return field.name();
    const std::string name = Annotation(field, "delta.columnMapping.physicalName");
    return name.empty() ? field.name() : name;
  }

  // The numbers that are kept in the file, and computed ones where there are none.
  template <typename Compute>
  Result<ArrayPtr> FillUp(const ArrayPtr& read, int64_t count, Compute compute) const {
    if (read != nullptr && read->type_id() != arrow::Type::INT64) {
      return Corrupt("kept row ids are {}", read->type()->ToString());
    }
    const auto* kept = static_cast<const arrow::Int64Array*>(read.get());
    arrow::Int64Builder builder;
    SLUICE_RETURN_IF_ERROR(FromArrow(builder.Reserve(count)));
    for (int64_t row = 0; row < count; ++row) {
      std::optional<int64_t> value;
      if (kept != nullptr && kept->IsValid(row)) value = kept->Value(row);
      if (!value) value = compute(row);
      if (value) {
        builder.UnsafeAppend(*value);
      } else {
        builder.UnsafeAppendNull();
      }
    }
    return FromArrow(builder.Finish());
  }

  // Takes away what is deleted, or leaves what was asked for.
  Result<columnar::Batch> Select(columnar::Batch batch) const {
    if (set_ == nullptr) return batch;
    arrow::BooleanBuilder keep;
    SLUICE_RETURN_IF_ERROR(FromArrow(keep.Reserve(batch->num_rows())));
    int64_t kept = 0;
    for (int64_t row = 0; row < batch->num_rows(); ++row) {
      const bool wanted = set_->Contains(position_ + row) != rows_.all;
      keep.UnsafeAppend(wanted);
      kept += wanted ? 1 : 0;
    }
    if (kept == batch->num_rows()) return batch;
    if (batch->num_columns() == 0)
      return arrow::RecordBatch::Make(plan_.schema, kept, arrow::ArrayVector());
    SLUICE_ASSIGN_OR_RETURN(const auto flags, FromArrow(keep.Finish()));
    SLUICE_ASSIGN_OR_RETURN(const arrow::Datum filtered,
                            FromArrow(arrow::compute::Filter(batch, flags)));
    return filtered.record_batch();
  }

  const DataFile file_;
  const ReadPlan& plan_;
  const WantedRows rows_;
  FileTraits traits_;
  std::shared_ptr<const StoreFile> input_;
  std::unique_ptr<parquet::arrow::FileReader> reader_;
  std::shared_ptr<arrow::Schema> schema_;
  std::vector<int> leaves_;
  std::vector<int> indexes_;
  std::unique_ptr<RowSet> set_;  // Of deleted rows; or, if not all are wanted, of those.
  std::shared_ptr<arrow::RecordBatchReader> batches_;
  int group_ = 0;
  int64_t position_ = 0;    // Of the next row.
  int64_t batch_rows_ = 0;  // Of the next batch, where memory is limited.
};

}  // namespace

Result<RowSet> ReadRowSet(const FilePlaces& places, const DataFile& file, const WantedRows& rows,
                          int64_t file_rows) {
  const auto read = [&](const std::shared_ptr<const DeletionVector>& vector) -> Result<RowSet> {
    if (vector == nullptr) return RowSet(file_rows);
    return ReadDeletionVector(places, *vector, file_rows);
  };
  SLUICE_ASSIGN_OR_RETURN(RowSet set, read(rows.all ? file.deletion_vector : rows.in));
  if (rows.all || rows.without == nullptr) return set;
  SLUICE_ASSIGN_OR_RETURN(const RowSet without, read(rows.without));
  return set.Without(without);
}

Result<int64_t> CountRows(const FilePlaces& places, const DataFile& file) {
  ReadPlan plan;
  plan.schema = arrow::schema({});
  ParquetDataFileReader reader(file, plan, {.all = false});  // Without its deletion vector.
  try {
    const Status opened = reader.OpenFile(places);
    if (!opened.ok()) return reader.AsFileError(opened.error());
  } catch (const std::exception& exception) {
    return Corrupt("file '{}': {}", file.path, exception.what());
  }
  return reader.rows();
}

Result<std::unique_ptr<DataFileReader>> DataFileReader::Open(const FilePlaces& places,
                                                             const DataFile& file,
                                                             const ReadPlan& plan,
                                                             WantedRows rows) {
  SLUICE_RETURN_IF_ERROR(columnar::InitializeCompute());
  auto reader = std::make_unique<ParquetDataFileReader>(file, plan, std::move(rows));
  try {
    const Status opened = reader->OpenFile(places);
    if (!opened.ok()) return reader->AsFileError(opened.error());
  } catch (const std::exception& exception) {
    return Corrupt("file '{}': {}", file.path, exception.what());
  }
  return std::unique_ptr<DataFileReader>(std::move(reader));
}

}  // namespace sluice::lake::internal
