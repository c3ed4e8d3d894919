#include "sluice/columnar/row_writer.h"

#include <arrow/api.h>
#include <arrow/ipc/writer.h>
#include <parquet/arrow/writer.h>
#include <parquet/exception.h>
#include <parquet/properties.h>

#include <array>
#include <string>
#include <utility>
#include <vector>

#include "sluice/base/csv.h"
#include "sluice/base/json.h"
#include "sluice/columnar/arrow_bridge.h"
#include "sluice/columnar/internal/sink_stream.h"
#include "sluice/columnar/json_value.h"

namespace sluice::columnar {

namespace {

constexpr size_t kFlushBytes = 256u << 10;
constexpr int64_t kRowGroupRows = int64_t{128} << 10;

class ArrowWriter final : public RowWriter {
 public:
  explicit ArrowWriter(ByteSink sink)
      : stream_(std::make_shared<internal::SinkStream>(std::move(sink))) {}

  Status Begin(const Schema& schema) {
    SLUICE_ASSIGN_OR_RETURN(writer_, FromArrow(arrow::ipc::MakeStreamWriter(stream_, schema)));
    return {};
  }
  Status Write(const Batch& batch) override {
    inside_ = true;
    SLUICE_RETURN_IF_ERROR(stream_->Check(writer_->WriteRecordBatch(*batch)));
    rows_ += batch->num_rows();
    inside_ = false;
    return {};
  }
  Status Finish() override { return stream_->Check(writer_->Close()); }
  std::optional<int64_t> rows() const override {
    return inside_ ? std::nullopt : std::optional(rows_);
  }

 private:
  const std::shared_ptr<internal::SinkStream> stream_;
  std::shared_ptr<arrow::ipc::RecordBatchWriter> writer_;
  int64_t rows_ = 0;
  bool inside_ = false;
};

class ParquetWriter final : public RowWriter {
 public:
  explicit ParquetWriter(ByteSink sink)
      : stream_(std::make_shared<internal::SinkStream>(std::move(sink))) {}

  Status Begin(const Schema& schema) {
    return Guarded([&]() -> Status {
      const auto properties = parquet::WriterProperties::Builder()
                                  .created_by("sluice")
                                  ->compression(parquet::Compression::ZSTD)
                                  ->compression_level(1)
                                  ->max_row_group_length(kRowGroupRows)
                                  ->enable_page_checksum()
                                  ->build();
      SLUICE_ASSIGN_OR_RETURN(
          writer_, FromArrow(parquet::arrow::FileWriter::Open(*schema, arrow::default_memory_pool(),
                                                              stream_, properties)));
      return {};
    });
  }
  Status Write(const Batch& batch) override {
    return Guarded([&]() -> Status {
      SLUICE_RETURN_IF_ERROR(stream_->Check(writer_->WriteRecordBatch(*batch)));
      rows_ += batch->num_rows();
      return {};
    });
  }
  Status Finish() override {
    return Guarded([&]() -> Status {
      SLUICE_RETURN_IF_ERROR(stream_->Check(writer_->Close()));
      whole_ = true;
      return {};
    });
  }
  std::optional<int64_t> rows() const override {
    return whole_ ? std::optional(rows_) : std::nullopt;
  }

 private:
  template <typename Call>
  Status Guarded(Call call) {
    try {
      return call();
    } catch (const std::exception& exception) {
      return Unsupported("the result cannot be written as parquet: {}", exception.what());
    }
  }

  const std::shared_ptr<internal::SinkStream> stream_;
  std::unique_ptr<parquet::arrow::FileWriter> writer_;
  int64_t rows_ = 0;
  bool whole_ = false;
};

class TextWriter : public RowWriter {
 public:
  explicit TextWriter(ByteSink sink) : sink_(std::move(sink)) {}

  Status Write(const Batch& batch) override {
    for (int64_t row = 0; row < batch->num_rows(); ++row) {
      AppendRow(*batch, row);
      ++rows_;
      if (out_.size() >= kFlushBytes) SLUICE_RETURN_IF_ERROR(Flush());
    }
    // Rows that come slowly are shown as they come.
    return batch->num_rows() == 0 ? Status() : Flush();
  }
  Status Finish() override { return Flush(); }
  std::optional<int64_t> rows() const override { return rows_; }

 protected:
  virtual void AppendRow(const arrow::RecordBatch& batch, int64_t row) = 0;

  std::string out_;

 private:
  Status Flush() {
    if (out_.empty()) return {};
    SLUICE_RETURN_IF_ERROR(sink_(out_));
    out_.clear();
    return {};
  }

  const ByteSink sink_;
  int64_t rows_ = 0;
};

class NdjsonWriter final : public TextWriter {
 public:
  NdjsonWriter(const Schema& schema, ByteSink sink) : TextWriter(std::move(sink)) {
    for (const auto& field : schema->fields()) {
      AppendJsonString(keys_.emplace_back(), field->name());
      keys_.back() += ':';
    }
  }

 private:
  void AppendRow(const arrow::RecordBatch& batch, int64_t row) override {
    out_ += '{';
    for (int i = 0; i < batch.num_columns(); ++i) {
      if (i > 0) out_ += ',';
      out_ += keys_[static_cast<size_t>(i)];
      AppendJson(out_, *batch.column(i), row);
    }
    out_ += "}\n";
  }

  std::vector<std::string> keys_;
};

class CsvWriter final : public TextWriter {
 public:
  CsvWriter(const Schema& schema, ByteSink sink) : TextWriter(std::move(sink)) {
    for (int i = 0; i < schema->num_fields(); ++i) {
      if (i > 0) out_ += ',';
      AppendCsvField(out_, schema->field(i)->name());
    }
    out_ += "\r\n";
  }

 private:
  void AppendRow(const arrow::RecordBatch& batch, int64_t row) override {
    for (int i = 0; i < batch.num_columns(); ++i) {
      if (i > 0) out_ += ',';
      AppendCsvValue(out_, *batch.column(i), row);
    }
    out_ += "\r\n";
  }
};

}  // namespace

std::optional<RowForm> ParseRowForm(std::string_view name) {
  const std::array<std::pair<std::string_view, RowForm>, 4> forms = {
      {{"arrow", RowForm::kArrow},
       {"parquet", RowForm::kParquet},
       {"ndjson", RowForm::kNdjson},
       {"csv", RowForm::kCsv}}};
  for (const auto& [known, form] : forms) {
    if (known == name) return form;
  }
  return std::nullopt;
}

Result<std::unique_ptr<RowWriter>> RowWriter::Open(RowForm form, const Schema& schema,
                                                   ByteSink sink) {
  switch (form) {
    case RowForm::kArrow: {
      auto writer = std::make_unique<ArrowWriter>(std::move(sink));
      SLUICE_RETURN_IF_ERROR(writer->Begin(schema));
      return std::unique_ptr<RowWriter>(std::move(writer));
    }
    case RowForm::kParquet: {
      auto writer = std::make_unique<ParquetWriter>(std::move(sink));
      SLUICE_RETURN_IF_ERROR(writer->Begin(schema));
      return std::unique_ptr<RowWriter>(std::move(writer));
    }
    case RowForm::kNdjson:
      return std::unique_ptr<RowWriter>(std::make_unique<NdjsonWriter>(schema, std::move(sink)));
    case RowForm::kCsv:
      return std::unique_ptr<RowWriter>(std::make_unique<CsvWriter>(schema, std::move(sink)));
  }
  return Internal("an unknown form of rows");
}

}  // namespace sluice::columnar
