#include "sluice/columnar/parquet_writer.h"

#include <arrow/api.h>
#include <parquet/exception.h>
#include <parquet/file_reader.h>
#include <parquet/metadata.h>
#include <parquet/properties.h>

#include <algorithm>
#include <set>
#include <utility>

#include "sluice/columnar/arrow_bridge.h"
#include "sluice/columnar/internal/file_seal.h"
#include "sluice/columnar/internal/parquet_encoding.h"
#include "sluice/columnar/internal/sink_stream.h"
#include "sluice/columnar/internal/table_file.h"

namespace sluice::columnar {

namespace {

/// What is known of a file's columns from the groups that are written.
class FileSummary {
 public:
  explicit FileSummary(const arrow::Schema& schema) {
    for (const auto& field : schema.fields()) columns_[field->name()];
  }

  void Take(const internal::PreparedRows& group) {
    for (int i = 0; i < group.table->num_columns(); ++i) {
      Column& column = columns_[group.table->field(i)->name()];
      const arrow::ChunkedArray& values = *group.table->column(i);
      column.statistics.null_count += values.null_count();
      const auto dictionary = group.dictionaries.find(group.table->field(i)->name());
      if (dictionary != group.dictionaries.end()) {
        column.has_bounds &= internal::Widen(column.statistics, *dictionary->second);
      } else {
        column.has_bounds &= internal::HasBounds(values);
        column.counted_by_writer.insert(groups_);
      }
    }
    ++groups_;
  }

  std::map<std::string, ColumnStatistics> Finish(const parquet::FileMetaData& written) {
    std::map<std::string, ColumnStatistics> result;
    for (auto& [name, column] : columns_) {
      const int leaf = written.schema()->ColumnIndex(name);
      for (const int group : column.counted_by_writer) {
        if (!column.has_bounds) break;
        const auto chunk = leaf < 0 ? nullptr : written.RowGroup(group)->ColumnChunk(leaf);
        column.has_bounds =
            chunk != nullptr && internal::Widen(column.statistics, chunk->statistics().get());
      }
      if (!column.has_bounds) column.statistics.minimum = column.statistics.maximum = nullptr;
      result.emplace(name, std::move(column.statistics));
    }
    return result;
  }

 private:
  struct Column {
    ColumnStatistics statistics = {};
    bool has_bounds = true;
    std::set<int> counted_by_writer = {};  // Groups whose own statistics have the bounds.
  };

  std::map<std::string, Column> columns_;
  int groups_ = 0;
};

class GroupedWriter final : public ParquetWriter {
 public:
  GroupedWriter(Schema schema, ParquetOptions options, ByteSink sink)
      : schema_(std::move(schema)),
        options_(std::move(options)),
        summary_(*schema_),
        seal_(std::move(sink)),
        output_(std::make_shared<internal::SinkStream>(
            [this](std::string_view bytes) { return seal_.Write(bytes); })) {}

  Status Write(Batch batch) override {
    while (batch->num_rows() > 0) {
      const int64_t room = options_.row_group_rows_max - waiting_rows_;
      const int64_t rows = std::min(room, batch->num_rows());
      Batch taken = rows == batch->num_rows() ? batch : batch->Slice(0, rows);
      batch = batch->Slice(rows);
      waiting_rows_ += rows;
      waiting_bytes_ += MemoryBytes(*taken);
      waiting_.push_back(std::move(taken));
      if (waiting_rows_ >= options_.row_group_rows_max ||
          waiting_bytes_ >= options_.row_group_bytes_max) {
        SLUICE_RETURN_IF_ERROR(Flush());
      }
    }
    return {};
  }

  int64_t rows() const override { return file_.rows + waiting_rows_; }
  int64_t encoded_bytes() const override { return output_->position(); }
  int64_t waiting_bytes() const override { return waiting_bytes_; }

  Result<ParquetFile> Finish() override {
    // A file that is all in one group, as most, does not write which rows are null where none is.
    if (waiting_rows_ > 0 || writer_ == nullptr) SLUICE_RETURN_IF_ERROR(Flush(/*last=*/true));
    try {
      seal_.BeginFooter();
      SLUICE_RETURN_IF_ERROR(output_->Check(writer_->Close(internal::SealEntry())));
      SLUICE_RETURN_IF_ERROR(seal_.Finish());
      file_.columns = summary_.Finish(*writer_->metadata());
    } catch (const std::exception& exception) {
      return Thrown(exception);
    }
    file_.size = output_->position();
    return std::move(file_);
  }

 private:
  Status Flush(bool last = false) {
    try {
      SLUICE_ASSIGN_OR_RETURN(const internal::PreparedRows group,
                              internal::Prepare(schema_, waiting_, options_));
      if (writer_ == nullptr) SLUICE_RETURN_IF_ERROR(Begin(group, last));
      SLUICE_RETURN_IF_ERROR(output_->Check(writer_->WriteGroup(*group.table)));
      summary_.Take(group);
    } catch (const std::exception& exception) {
      return Thrown(exception);
    }
    file_.rows += waiting_rows_;
    waiting_.clear();
    waiting_rows_ = 0;
    waiting_bytes_ = 0;
    return {};
  }

  // What the library throws may be the sink's error in its own words.
  Status Thrown(const std::exception& exception) const {
    SLUICE_RETURN_IF_ERROR(output_->Check(arrow::Status::OK()));
    return Internal("parquet writer: {}", exception.what());
  }

  Status Begin(const internal::PreparedRows& first, bool only) {
    auto opened =
        internal::TableFile::Open(*schema_, only ? *first.table->schema() : *schema_, output_,
                                  internal::MakeProperties(*schema_, first, options_));
    SLUICE_RETURN_IF_ERROR(output_->Check(opened.status()));
    writer_ = std::move(opened).ValueUnsafe();
    return {};
  }

  const Schema schema_;
  const ParquetOptions options_;
  ParquetFile file_;
  FileSummary summary_;
  internal::SealingSink seal_;
  std::shared_ptr<internal::SinkStream> output_;
  std::unique_ptr<internal::TableFile> writer_;  // From the first group on.
  std::vector<Batch> waiting_;
  int64_t waiting_rows_ = 0;
  int64_t waiting_bytes_ = 0;
};

}  // namespace

Result<std::unique_ptr<ParquetWriter>> ParquetWriter::Open(Schema schema, ParquetOptions options,
                                                           ByteSink sink) {
  if (options.row_group_rows_max < 1 || options.row_group_bytes_max < 1) {
    return Invalid("row groups of no rows");
  }
  return std::unique_ptr<ParquetWriter>(
      std::make_unique<GroupedWriter>(std::move(schema), std::move(options), std::move(sink)));
}

}  // namespace sluice::columnar
