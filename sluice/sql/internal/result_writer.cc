#include "sluice/sql/internal/result_writer.h"

#include <arrow/api.h>
#include <arrow/io/memory.h>
#include <arrow/ipc/writer.h>
#include <fmt/format.h>

#include <chrono>
#include <cmath>

#include "sluice/base/base64.h"
#include "sluice/base/json.h"
#include "sluice/columnar/arrow_bridge.h"

namespace sluice::sql::internal {
namespace {

using columnar::FromArrow;

int64_t MicrosPer(arrow::TimeUnit::type unit) {
  switch (unit) {
    case arrow::TimeUnit::SECOND:
      return 1'000'000;
    case arrow::TimeUnit::MILLI:
      return 1'000;
    default:
      return 1;
  }
}

std::string DateText(int64_t days) {
  const std::chrono::year_month_day date{std::chrono::sys_days(std::chrono::days(days))};
  return fmt::format("{:04}-{:02}-{:02}", static_cast<int>(date.year()),
                     static_cast<unsigned>(date.month()), static_cast<unsigned>(date.day()));
}

std::string TimeText(int64_t value, const arrow::TimestampType& type) {
  int64_t micros = 0;
  if (type.unit() == arrow::TimeUnit::NANO) {
    micros = value / 1000;
  } else {
    micros = value * MicrosPer(type.unit());
  }
  const int64_t days =
      std::chrono::floor<std::chrono::days>(std::chrono::microseconds(micros)).count();
  int64_t rest = micros - days * 86'400'000'000;
  const int64_t fraction = rest % 1'000'000;
  rest /= 1'000'000;
  std::string text =
      fmt::format("{}T{:02}:{:02}:{:02}", DateText(days), rest / 3600, rest / 60 % 60, rest % 60);
  if (fraction != 0) text += fmt::format(".{:06}", fraction);
  if (!type.timezone().empty()) text += 'Z';
  return text;
}

/// Appends one value as JSON.
void AppendJson(std::string& out, const arrow::Array& column, int64_t row) {
  if (column.IsNull(row)) {
    out += "null";
    return;
  }
  const auto number = [&](auto value) { fmt::format_to(std::back_inserter(out), "{}", value); };
  const auto real = [&](double value) {
    if (std::isfinite(value)) {
      number(value);
    } else {
      AppendJsonString(out, fmt::format("{}", value));
    }
  };
  switch (column.type_id()) {
    case arrow::Type::BOOL:
      out += static_cast<const arrow::BooleanArray&>(column).Value(row) ? "true" : "false";
      return;
    case arrow::Type::INT8:
      return number(static_cast<const arrow::Int8Array&>(column).Value(row));
    case arrow::Type::INT16:
      return number(static_cast<const arrow::Int16Array&>(column).Value(row));
    case arrow::Type::INT32:
      return number(static_cast<const arrow::Int32Array&>(column).Value(row));
    case arrow::Type::INT64:
      return number(static_cast<const arrow::Int64Array&>(column).Value(row));
    case arrow::Type::UINT8:
      return number(static_cast<const arrow::UInt8Array&>(column).Value(row));
    case arrow::Type::UINT16:
      return number(static_cast<const arrow::UInt16Array&>(column).Value(row));
    case arrow::Type::UINT32:
      return number(static_cast<const arrow::UInt32Array&>(column).Value(row));
    case arrow::Type::UINT64:
      return number(static_cast<const arrow::UInt64Array&>(column).Value(row));
    case arrow::Type::FLOAT: {
      const float value = static_cast<const arrow::FloatArray&>(column).Value(row);
      if (std::isfinite(value)) return number(value);
      return real(value);
    }
    case arrow::Type::DOUBLE:
      return real(static_cast<const arrow::DoubleArray&>(column).Value(row));
    case arrow::Type::STRING:
      return AppendJsonString(out, static_cast<const arrow::StringArray&>(column).GetView(row));
    case arrow::Type::LARGE_STRING:
      return AppendJsonString(out,
                              static_cast<const arrow::LargeStringArray&>(column).GetView(row));
    case arrow::Type::BINARY:
      out += '"';
      out += EncodeBase64(static_cast<const arrow::BinaryArray&>(column).GetView(row));
      out += '"';
      return;
    case arrow::Type::DATE32:
      out += '"';
      out += DateText(static_cast<const arrow::Date32Array&>(column).Value(row));
      out += '"';
      return;
    case arrow::Type::TIMESTAMP:
      out += '"';
      out += TimeText(static_cast<const arrow::TimestampArray&>(column).Value(row),
                      static_cast<const arrow::TimestampType&>(*column.type()));
      out += '"';
      return;
    case arrow::Type::DECIMAL128: {
      const auto& type = static_cast<const arrow::Decimal128Type&>(*column.type());
      const auto text = static_cast<const arrow::Decimal128Array&>(column).FormatValue(row);
      if (type.scale() == 0) {
        out += text;  // A whole number: what sum() of integers gives.
      } else {
        AppendJsonString(out, text);
      }
      return;
    }
    case arrow::Type::LIST: {
      const auto& list = static_cast<const arrow::ListArray&>(column);
      out += '[';
      for (int64_t i = list.value_offset(row); i < list.value_offset(row + 1); ++i) {
        if (i > list.value_offset(row)) out += ',';
        AppendJson(out, *list.values(), i);
      }
      out += ']';
      return;
    }
    case arrow::Type::STRUCT: {
      const auto& record = static_cast<const arrow::StructArray&>(column);
      out += '{';
      for (int i = 0; i < record.num_fields(); ++i) {
        if (i > 0) out += ',';
        AppendJsonString(out, record.struct_type()->field(i)->name());
        out += ':';
        AppendJson(out, *record.field(i), row);
      }
      out += '}';
      return;
    }
    default: {
      const auto scalar = column.GetScalar(row);
      AppendJsonString(out, scalar.ok() ? scalar.ValueUnsafe()->ToString() : "");
    }
  }
}

class JsonWriter : public ResultWriter {
 public:
  explicit JsonWriter(size_t bytes_max) : bytes_max_(bytes_max) {}

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
      out_ += rows_++ > 0 ? ",\n[" : "\n[";
      for (int i = 0; i < batch->num_columns(); ++i) {
        if (i > 0) out_ += ',';
        AppendJson(out_, *batch->column(i), row);
      }
      out_ += ']';
      if (out_.size() > bytes_max_) return Unavailable("the answer exceeds {} bytes", bytes_max_);
    }
    return {};
  }

  Result<QueryResult> Finish() override {
    out_ += fmt::format("],\"row_count\":{},\"complete\":true}}\n", rows_);
    return QueryResult{"application/json", std::move(out_), rows_};
  }

 private:
  const size_t bytes_max_;
  std::string out_;
  int64_t rows_ = 0;
};

class NdjsonWriter : public ResultWriter {
 public:
  explicit NdjsonWriter(size_t bytes_max) : bytes_max_(bytes_max) {}

  Status Begin(const columnar::Schema&) override { return {}; }

  Status Add(const columnar::Batch& batch) override {
    for (int64_t row = 0; row < batch->num_rows(); ++row) {
      ++rows_;
      out_ += '{';
      for (int i = 0; i < batch->num_columns(); ++i) {
        if (i > 0) out_ += ',';
        AppendJsonString(out_, batch->schema()->field(i)->name());
        out_ += ':';
        AppendJson(out_, *batch->column(i), row);
      }
      out_ += "}\n";
      if (out_.size() > bytes_max_) return Unavailable("the answer exceeds {} bytes", bytes_max_);
    }
    return {};
  }

  Result<QueryResult> Finish() override {
    out_ += fmt::format("{{\"complete\":true,\"rows\":{}}}\n", rows_);
    return QueryResult{"application/x-ndjson", std::move(out_), rows_};
  }

 private:
  const size_t bytes_max_;
  std::string out_;
  int64_t rows_ = 0;
};

class CsvWriter : public ResultWriter {
 public:
  explicit CsvWriter(size_t bytes_max) : bytes_max_(bytes_max) {}

  Status Begin(const columnar::Schema& schema) override {
    for (int i = 0; i < schema->num_fields(); ++i) {
      if (i > 0) out_ += ',';
      AppendText(schema->field(i)->name());
    }
    out_ += "\r\n";
    return {};
  }

  Status Add(const columnar::Batch& batch) override {
    std::string value;
    for (int64_t row = 0; row < batch->num_rows(); ++row) {
      ++rows_;
      for (int i = 0; i < batch->num_columns(); ++i) {
        if (i > 0) out_ += ',';
        const arrow::Array& column = *batch->column(i);
        if (column.IsNull(row)) continue;
        if (column.type_id() == arrow::Type::STRING) {
          AppendText(static_cast<const arrow::StringArray&>(column).GetView(row));
          continue;
        }
        value.clear();
        AppendJson(value, column, row);
        const bool quoted = value.size() >= 2 && value.front() == '"';
        AppendText(quoted ? std::string_view(value).substr(1, value.size() - 2) : value);
      }
      out_ += "\r\n";
      if (out_.size() > bytes_max_) return Unavailable("the answer exceeds {} bytes", bytes_max_);
    }
    return {};
  }

  Result<QueryResult> Finish() override { return QueryResult{"text/csv", std::move(out_), rows_}; }

 private:
  /// Quotes what needs it; an empty text is quoted so that it differs from null.
  void AppendText(std::string_view text) {
    if (!text.empty() && text.find_first_of(",\"\r\n") == std::string_view::npos) {
      out_ += text;
      return;
    }
    out_ += '"';
    for (const char c : text) {
      if (c == '"') out_ += '"';
      out_ += c;
    }
    out_ += '"';
  }

  const size_t bytes_max_;
  std::string out_;
  int64_t rows_ = 0;
};

class ArrowWriter : public ResultWriter {
 public:
  explicit ArrowWriter(size_t bytes_max) : bytes_max_(bytes_max) {}

  Status Begin(const columnar::Schema& schema) override {
    SLUICE_ASSIGN_OR_RETURN(sink_, FromArrow(arrow::io::BufferOutputStream::Create()));
    SLUICE_ASSIGN_OR_RETURN(writer_, FromArrow(arrow::ipc::MakeStreamWriter(sink_, schema)));
    return {};
  }

  Status Add(const columnar::Batch& batch) override {
    rows_ += batch->num_rows();
    SLUICE_RETURN_IF_ERROR(FromArrow(writer_->WriteRecordBatch(*batch)));
    SLUICE_ASSIGN_OR_RETURN(const int64_t size, FromArrow(sink_->Tell()));
    if (size > static_cast<int64_t>(bytes_max_)) {
      return Unavailable("the answer exceeds {} bytes", bytes_max_);
    }
    return {};
  }

  Result<QueryResult> Finish() override {
    SLUICE_RETURN_IF_ERROR(FromArrow(writer_->Close()));
    SLUICE_ASSIGN_OR_RETURN(const auto buffer, FromArrow(sink_->Finish()));
    return QueryResult{"application/vnd.apache.arrow.stream", buffer->ToString(), rows_};
  }

 private:
  const size_t bytes_max_;
  std::shared_ptr<arrow::io::BufferOutputStream> sink_;
  std::shared_ptr<arrow::ipc::RecordBatchWriter> writer_;
  int64_t rows_ = 0;
};

}  // namespace

std::unique_ptr<ResultWriter> MakeResultWriter(Format format, size_t bytes_max) {
  switch (format) {
    case Format::kNdjson:
      return std::make_unique<NdjsonWriter>(bytes_max);
    case Format::kCsv:
      return std::make_unique<CsvWriter>(bytes_max);
    case Format::kArrow:
      return std::make_unique<ArrowWriter>(bytes_max);
    case Format::kJson:
      break;
  }
  return std::make_unique<JsonWriter>(bytes_max);
}

}  // namespace sluice::sql::internal
