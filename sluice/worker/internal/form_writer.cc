#include "sluice/worker/internal/form_writer.h"

#include <arrow/array.h>
#include <arrow/record_batch.h>
#include <arrow/type.h>
#include <fmt/format.h>

#include <string>
#include <utility>

#include "sluice/base/csv.h"
#include "sluice/base/json.h"
#include "sluice/worker/internal/json_value.h"

namespace sluice::worker {

namespace internal {
namespace {

constexpr size_t kPieceBytes = 256u << 10;

/// Text, row by row.
class TextWriter : public FormWriter {
 public:
  explicit TextWriter(Emit emit) : emit_(std::move(emit)) {}

  Status Add(const columnar::Batch& batch) override {
    for (int64_t row = 0; row < batch->num_rows(); ++row) {
      AppendRow(*batch, row);
      ++rows_;
      if (out_.size() >= kPieceBytes) SLUICE_RETURN_IF_ERROR(Flush());
    }
    // A result that comes slowly is shown as it comes.
    return out_.empty() || batch->num_rows() == 0 ? Status() : Flush();
  }
  int64_t rows() const override { return rows_; }

 protected:
  virtual void AppendRow(const arrow::RecordBatch& batch, int64_t row) = 0;

  Status Flush() {
    const Status taken = emit_(out_, rows_);
    out_.clear();
    return taken;
  }

  std::string out_;
  int64_t rows_ = 0;

 private:
  const Emit emit_;
};

class JsonWriter final : public TextWriter {
 public:
  using TextWriter::TextWriter;

  Status Begin(const columnar::Schema& schema) override {
    out_ = "{\"columns\":[";
    for (int i = 0; i < schema->num_fields(); ++i) {
      if (i > 0) out_ += ',';
      out_ += "{\"name\":";
      AppendJsonString(out_, schema->field(i)->name());
      out_ += ",\"type\":";
      AppendJsonString(out_, schema->field(i)->type()->ToString());
      out_ += '}';
    }
    out_ += "],\"rows\":[";
    return {};
  }

  Status Finish() override {
    out_ += fmt::format("],\"row_count\":{},\"complete\":true}}\n", rows_);
    return Flush();
  }

 private:
  void AppendRow(const arrow::RecordBatch& batch, int64_t row) override {
    out_ += rows_ > 0 ? ",\n[" : "\n[";
    for (int i = 0; i < batch.num_columns(); ++i) {
      if (i > 0) out_ += ',';
      AppendJson(out_, *batch.column(i), row);
    }
    out_ += ']';
  }
};

class NdjsonWriter final : public TextWriter {
 public:
  using TextWriter::TextWriter;

  Status Begin(const columnar::Schema& schema) override {
    for (const auto& field : schema->fields()) {
      AppendJsonString(keys_.emplace_back(), field->name());
      keys_.back() += ':';
    }
    return {};
  }

  Status Finish() override {
    out_ += fmt::format("{{\"complete\":true,\"rows\":{}}}\n", rows_);
    return Flush();
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
  using TextWriter::TextWriter;

  Status Begin(const columnar::Schema& schema) override {
    for (int i = 0; i < schema->num_fields(); ++i) {
      if (i > 0) out_ += ',';
      AppendCsvField(out_, schema->field(i)->name());
    }
    out_ += "\r\n";
    return {};
  }

  Status Finish() override { return Flush(); }

 private:
  void AppendRow(const arrow::RecordBatch& batch, int64_t row) override {
    for (int i = 0; i < batch.num_columns(); ++i) {
      if (i > 0) out_ += ',';
      const arrow::Array& column = *batch.column(i);
      if (column.IsNull(row)) continue;
      if (column.type_id() == arrow::Type::STRING) {
        AppendCsvField(out_, static_cast<const arrow::StringArray&>(column).GetView(row));
        continue;
      }
      value_.clear();
      AppendJson(value_, column, row);
      const bool quoted = value_.size() >= 2 && value_.front() == '"';
      AppendCsvField(out_, quoted ? std::string_view(value_).substr(1, value_.size() - 2) : value_);
    }
    out_ += "\r\n";
  }

  std::string value_;
};

}  // namespace

std::unique_ptr<FormWriter> MakeFormWriter(Form form, Emit emit) {
  switch (form) {
    case Form::kNdjson:
      return std::make_unique<NdjsonWriter>(std::move(emit));
    case Form::kCsv:
      return std::make_unique<CsvWriter>(std::move(emit));
    case Form::kArrow:
      return MakeArrowWriter(std::move(emit));
    case Form::kParquet:
      return MakeParquetWriter(std::move(emit));
    case Form::kJson:
      break;
  }
  return std::make_unique<JsonWriter>(std::move(emit));
}

}  // namespace internal

std::string_view ContentType(Form form) {
  switch (form) {
    case Form::kNdjson:
      return "application/x-ndjson";
    case Form::kCsv:
      return "text/csv";
    case Form::kArrow:
      return "application/vnd.apache.arrow.stream";
    case Form::kParquet:
      return "application/vnd.apache.parquet";
    case Form::kJson:
      break;
  }
  return "application/json";
}

Status WriteAnswer(Form form, const columnar::Batch& rows, BodySink& sink, os::Monotonic deadline) {
  const auto writer = internal::MakeFormWriter(
      form, [&](std::string_view bytes, std::optional<int64_t> whole_rows) {
        return sink.Write(bytes, whole_rows, deadline);
      });
  SLUICE_RETURN_IF_ERROR(writer->Begin(rows->schema()));
  SLUICE_RETURN_IF_ERROR(writer->Add(rows));
  return writer->Finish();
}

std::string FailureRecord(Form form, int64_t rows, const Error& error,
                          const Diagnostic& diagnosis) {
  if (form != Form::kJson && form != Form::kNdjson) return {};
  std::string record = form == Form::kJson ? fmt::format("],\"row_count\":{}", rows)
                                           : fmt::format("{{\"rows\":{}", rows);
  record += ",\"complete\":false,\"error\":{\"code\":";
  AppendJsonString(record, diagnosis.code);
  record += ",\"detail\":";
  AppendJsonString(record, error.message());
  record += "}}\n";
  return record;
}

}  // namespace sluice::worker
