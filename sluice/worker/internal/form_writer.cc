#include "sluice/worker/internal/form_writer.h"

#include <arrow/record_batch.h>
#include <arrow/type.h>
#include <fmt/format.h>

#include <string>
#include <utility>

#include "sluice/base/json.h"
#include "sluice/columnar/json_value.h"
#include "sluice/columnar/row_writer.h"

namespace sluice::worker {

namespace internal {
namespace {

constexpr size_t kPieceBytes = 1u << 20;

/// Rows in a form that others have, too; NDJSON with a line behind them by which a reader knows
/// that it has all.
class RowFormWriter final : public FormWriter {
 public:
  RowFormWriter(columnar::RowForm form, Emit emit) : form_(form), emit_(std::move(emit)) {}

  Status Begin(const columnar::Schema& schema) override {
    SLUICE_ASSIGN_OR_RETURN(
        writer_, columnar::RowWriter::Open(form_, schema, [this](std::string_view bytes) -> Status {
          held_ += bytes;
          return held_.size() < kPieceBytes ? Status() : Send();
        }));
    return {};
  }

  Status Add(const columnar::Batch& batch) override {
    SLUICE_RETURN_IF_ERROR(writer_->Write(batch));
    rows_ += batch->num_rows();
    return batch->num_rows() == 0 ? Status() : Send();
  }

  Status Finish() override {
    SLUICE_RETURN_IF_ERROR(writer_->Finish());
    if (form_ == columnar::RowForm::kNdjson) {
      held_ += fmt::format("{{\"complete\":true,\"rows\":{}}}\n", rows_);
    }
    return Send();
  }

  int64_t rows() const override { return rows_; }

 private:
  Status Send() {
    for (size_t at = 0; at < held_.size(); at += kPieceBytes) {
      const bool last = at + kPieceBytes >= held_.size();
      SLUICE_RETURN_IF_ERROR(emit_(std::string_view(held_).substr(at, kPieceBytes),
                                   last && writer_ != nullptr ? writer_->rows() : std::nullopt));
    }
    held_.clear();
    return {};
  }

  const columnar::RowForm form_;
  const Emit emit_;
  std::unique_ptr<columnar::RowWriter> writer_;
  std::string held_;
  int64_t rows_ = 0;
};

/// One object with columns and rows.
class JsonWriter final : public FormWriter {
 public:
  explicit JsonWriter(Emit emit) : emit_(std::move(emit)) {}

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

  Status Add(const columnar::Batch& batch) override {
    for (int64_t row = 0; row < batch->num_rows(); ++row) {
      out_ += rows_ > 0 ? ",\n[" : "\n[";
      for (int i = 0; i < batch->num_columns(); ++i) {
        if (i > 0) out_ += ',';
        columnar::AppendJson(out_, *batch->column(i), row);
      }
      out_ += ']';
      ++rows_;
      if (out_.size() >= kPieceBytes / 4) SLUICE_RETURN_IF_ERROR(Flush());
    }
    // A result that comes slowly is shown as it comes.
    return out_.empty() || batch->num_rows() == 0 ? Status() : Flush();
  }

  Status Finish() override {
    out_ += fmt::format("],\"row_count\":{},\"complete\":true}}\n", rows_);
    return Flush();
  }

  int64_t rows() const override { return rows_; }

 private:
  Status Flush() {
    const Status taken = emit_(out_, rows_);
    out_.clear();
    return taken;
  }

  const Emit emit_;
  std::string out_;
  int64_t rows_ = 0;
};

columnar::RowForm RowFormOf(Form form) {
  switch (form) {
    case Form::kCsv:
      return columnar::RowForm::kCsv;
    case Form::kArrow:
      return columnar::RowForm::kArrow;
    case Form::kParquet:
      return columnar::RowForm::kParquet;
    case Form::kNdjson:
    case Form::kJson:
      break;
  }
  return columnar::RowForm::kNdjson;
}

}  // namespace

std::unique_ptr<FormWriter> MakeFormWriter(Form form, Emit emit) {
  if (form == Form::kJson) return std::make_unique<JsonWriter>(std::move(emit));
  return std::make_unique<RowFormWriter>(RowFormOf(form), std::move(emit));
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
