#include "sluice/columnar/row_writer.h"

#include <arrow/api.h>
#include <arrow/ipc/writer.h>
#include <arrow/util/formatting.h>
#include <parquet/arrow/writer.h>
#include <parquet/exception.h>
#include <parquet/properties.h>

#include <array>
#include <cmath>
#include <string>
#include <utility>

#include "sluice/base/base64.h"
#include "sluice/base/csv.h"
#include "sluice/base/json.h"
#include "sluice/columnar/arrow_bridge.h"
#include "sluice/columnar/internal/sink_stream.h"

namespace sluice::columnar {

namespace {

constexpr size_t kFlushBytes = 1 << 20;
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
    return stream_->Check(writer_->WriteRecordBatch(*batch));
  }
  Status Finish() override { return stream_->Check(writer_->Close()); }

 private:
  std::shared_ptr<internal::SinkStream> stream_;
  std::shared_ptr<arrow::ipc::RecordBatchWriter> writer_;
};

class ParquetWriter final : public RowWriter {
 public:
  explicit ParquetWriter(ByteSink sink)
      : stream_(std::make_shared<internal::SinkStream>(std::move(sink))) {}

  Status Begin(const Schema& schema) {
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
  }
  Status Write(const Batch& batch) override {
    try {
      return stream_->Check(writer_->WriteRecordBatch(*batch));
    } catch (const std::exception& exception) {
      return Internal("parquet writer: {}", exception.what());
    }
  }
  Status Finish() override {
    try {
      return stream_->Check(writer_->Close());
    } catch (const std::exception& exception) {
      return Internal("parquet writer: {}", exception.what());
    }
  }

 private:
  std::shared_ptr<internal::SinkStream> stream_;
  std::unique_ptr<parquet::arrow::FileWriter> writer_;
};

// Appends what Arrow's own formatter makes of a value.
template <typename Type>
void AppendFormatted(std::string& out, const arrow::Array& array, int64_t row) {
  const auto& values = static_cast<const typename arrow::TypeTraits<Type>::ArrayType&>(array);
  arrow::internal::StringFormatter<Type> format(array.type().get());
  format(values.Value(row), [&](std::string_view text) { out += text; });
}

void AppendTimestamp(std::string& out, const arrow::Array& array, int64_t row) {
  const size_t begin = out.size();
  AppendFormatted<arrow::TimestampType>(out, array, row);
  const size_t space = out.find(' ', begin);
  if (space != std::string::npos) out[space] = 'T';  // The zone's Z is there already.
}

void AppendReal(std::string& out, double value, bool narrow) {
  if (std::isnan(value)) {
    out += "\"NaN\"";
  } else if (std::isinf(value)) {
    out += value > 0 ? "\"Infinity\"" : "\"-Infinity\"";
  } else if (narrow) {
    fmt::format_to(std::back_inserter(out), "{}", static_cast<float>(value));
  } else {
    fmt::format_to(std::back_inserter(out), "{}", value);
  }
}

void AppendJson(std::string& out, const arrow::Array& array, int64_t row);

void AppendJsonItems(std::string& out, const arrow::Array& values, int64_t begin, int64_t end) {
  out += '[';
  for (int64_t i = begin; i < end; ++i) {
    if (i > begin) out += ',';
    AppendJson(out, values, i);
  }
  out += ']';
}

// Text keys make an object; others a list of pairs.
void AppendJsonMap(std::string& out, const arrow::MapArray& map, int64_t row) {
  const bool object = map.keys()->type_id() == arrow::Type::STRING;
  out += object ? '{' : '[';
  for (int64_t i = map.value_offset(row); i < map.value_offset(row + 1); ++i) {
    if (i > map.value_offset(row)) out += ',';
    if (!object) out += '[';
    AppendJson(out, *map.keys(), i);
    out += object ? ':' : ',';
    AppendJson(out, *map.items(), i);
    if (!object) out += ']';
  }
  out += object ? '}' : ']';
}

void AppendJson(std::string& out, const arrow::Array& array, int64_t row) {
  if (array.IsNull(row)) {
    out += "null";
    return;
  }
  const auto quoted = [&](auto append) {
    out += '"';
    append();
    out += '"';
  };
  switch (array.type_id()) {
    case arrow::Type::BOOL:
      out += static_cast<const arrow::BooleanArray&>(array).Value(row) ? "true" : "false";
      return;
    case arrow::Type::INT8:
      return AppendFormatted<arrow::Int8Type>(out, array, row);
    case arrow::Type::INT16:
      return AppendFormatted<arrow::Int16Type>(out, array, row);
    case arrow::Type::INT32:
      return AppendFormatted<arrow::Int32Type>(out, array, row);
    case arrow::Type::INT64:
      return AppendFormatted<arrow::Int64Type>(out, array, row);
    case arrow::Type::UINT64:
      return AppendFormatted<arrow::UInt64Type>(out, array, row);
    case arrow::Type::FLOAT:
      return AppendReal(out, static_cast<const arrow::FloatArray&>(array).Value(row), true);
    case arrow::Type::DOUBLE:
      return AppendReal(out, static_cast<const arrow::DoubleArray&>(array).Value(row), false);
    case arrow::Type::DECIMAL128:
      out += static_cast<const arrow::Decimal128Array&>(array).FormatValue(row);
      return;
    case arrow::Type::STRING:
      AppendJsonString(out, static_cast<const arrow::StringArray&>(array).GetView(row));
      return;
    case arrow::Type::BINARY:
      return quoted(
          [&] { out += EncodeBase64(static_cast<const arrow::BinaryArray&>(array).GetView(row)); });
    case arrow::Type::FIXED_SIZE_BINARY:
      return quoted([&] {
        out += EncodeBase64(static_cast<const arrow::FixedSizeBinaryArray&>(array).GetView(row));
      });
    case arrow::Type::DATE32:
      return quoted([&] { AppendFormatted<arrow::Date32Type>(out, array, row); });
    case arrow::Type::TIMESTAMP:
      return quoted([&] { AppendTimestamp(out, array, row); });
    case arrow::Type::LIST: {
      const auto& list = static_cast<const arrow::ListArray&>(array);
      return AppendJsonItems(out, *list.values(), list.value_offset(row),
                             list.value_offset(row + 1));
    }
    case arrow::Type::MAP:
      return AppendJsonMap(out, static_cast<const arrow::MapArray&>(array), row);
    case arrow::Type::STRUCT: {
      const auto& members = static_cast<const arrow::StructArray&>(array);
      out += '{';
      for (int i = 0; i < members.num_fields(); ++i) {
        if (i > 0) out += ',';
        AppendJsonString(out, array.type()->field(i)->name());
        out += ':';
        AppendJson(out, *members.field(i), row);
      }
      out += '}';
      return;
    }
    default: {
      const auto scalar = array.GetScalar(row);
      AppendJsonString(out, scalar.ok() ? (*scalar)->ToString() : "");
    }
  }
}

class TextWriter : public RowWriter {
 public:
  TextWriter(Schema schema, ByteSink sink) : schema_(std::move(schema)), sink_(std::move(sink)) {}

  Status Write(const Batch& batch) override {
    for (int64_t row = 0; row < batch->num_rows(); ++row) {
      AppendRow(*batch, row);
      if (out_.size() >= kFlushBytes) SLUICE_RETURN_IF_ERROR(Flush());
    }
    return {};
  }
  Status Finish() override { return Flush(); }

 protected:
  virtual void AppendRow(const arrow::RecordBatch& batch, int64_t row) = 0;

  const Schema schema_;
  std::string out_;

 private:
  Status Flush() {
    SLUICE_RETURN_IF_ERROR(sink_(out_));
    out_.clear();
    return {};
  }
  ByteSink sink_;
};

class NdjsonWriter final : public TextWriter {
 public:
  using TextWriter::TextWriter;

 private:
  void AppendRow(const arrow::RecordBatch& batch, int64_t row) override {
    out_ += '{';
    for (int i = 0; i < batch.num_columns(); ++i) {
      if (i > 0) out_ += ',';
      AppendJsonString(out_, schema_->field(i)->name());
      out_ += ':';
      AppendJson(out_, *batch.column(i), row);
    }
    out_ += "}\n";
  }
};

class CsvWriter final : public TextWriter {
 public:
  CsvWriter(const Schema& schema, ByteSink sink) : TextWriter(schema, std::move(sink)) {
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
      const arrow::Array& column = *batch.column(i);
      if (column.IsNull(row)) continue;
      if (column.type_id() == arrow::Type::STRING) {
        AppendCsvField(out_, static_cast<const arrow::StringArray&>(column).GetView(row));
        continue;
      }
      std::string value;
      AppendJson(value, column, row);
      const bool text = value.size() > 1 && value.front() == '"';
      AppendCsvField(out_, text ? std::string_view(value).substr(1, value.size() - 2) : value);
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
