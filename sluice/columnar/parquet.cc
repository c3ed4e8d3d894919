#include "sluice/columnar/parquet.h"

#include <arrow/api.h>
#include <arrow/compute/cast.h>
#include <arrow/io/memory.h>
#include <arrow/util/byte_size.h>
#include <parquet/arrow/reader.h>
#include <parquet/exception.h>
#include <parquet/file_reader.h>
#include <parquet/metadata.h>
#include <parquet/properties.h>

#include <utility>

#include "sluice/columnar/arrow_bridge.h"
#include "sluice/columnar/internal/file_seal.h"
#include "sluice/columnar/internal/parquet_encoding.h"
#include "sluice/columnar/internal/string_output.h"
#include "sluice/columnar/internal/table_file.h"

namespace sluice::columnar {

namespace {

// Takes what was counted on the way instead of looking at every value once more.
std::map<std::string, ColumnStatistics> Summarize(const internal::PreparedRows& prepared,
                                                  const parquet::FileMetaData& written) {
  const arrow::Table& table = *prepared.table;
  std::map<std::string, ColumnStatistics> result;
  for (int i = 0; i < table.num_columns(); ++i) {
    ColumnStatistics& statistics = result[table.field(i)->name()];
    statistics.null_count = table.column(i)->null_count();
    if (const auto dictionary = prepared.dictionaries.find(table.field(i)->name());
        dictionary != prepared.dictionaries.end()) {
      internal::Widen(statistics, *dictionary->second);
      continue;
    }
    if (!internal::HasBounds(*table.column(i))) continue;
    const int leaf = written.schema()->ColumnIndex(table.field(i)->name());
    if (leaf < 0) continue;
    for (int group = 0; group < written.num_row_groups(); ++group) {
      if (!internal::Widen(statistics,
                           written.RowGroup(group)->ColumnChunk(leaf)->statistics().get())) {
        statistics.minimum = statistics.maximum = nullptr;
        break;
      }
    }
  }
  return result;
}

// So few bytes compression makes smaller by less than its state for each column costs.
constexpr int64_t kCompressedBytesMin = int64_t{8} << 10;

Result<ParquetFile> Write(const Schema& schema, const std::vector<Batch>& batches,
                          ParquetOptions options) {
  int64_t bytes = 0;
  for (const Batch& batch : batches) {
    bytes += arrow::util::ReferencedBufferSize(*batch).ValueOr(kCompressedBytesMin);
    if (bytes >= kCompressedBytesMin) break;
  }
  if (bytes < kCompressedBytesMin) options.compression = Compression::kNone;
  SLUICE_ASSIGN_OR_RETURN(const internal::PreparedRows prepared,
                          internal::Prepare(schema, batches, options));
  const arrow::Table& table = *prepared.table;
  ParquetFile file;
  file.rows = table.num_rows();
  // More than enough, mostly; what is not used takes no memory.
  int64_t memory = 0;
  for (const Batch& batch : batches) memory += MemoryBytes(*batch);
  file.bytes.reserve(static_cast<size_t>(memory));
  const auto output = std::make_shared<internal::StringOutput>(file.bytes);
  SLUICE_ASSIGN_OR_RETURN(
      const auto writer,
      FromArrow(internal::TableFile::Open(*schema, *table.schema(), output,
                                          internal::MakeProperties(*schema, prepared, options))));
  // No rows are a group, too.
  for (int64_t row = 0; row == 0 || row < table.num_rows(); row += options.row_group_rows_max) {
    SLUICE_RETURN_IF_ERROR(
        FromArrow(writer->WriteGroup(*table.Slice(row, options.row_group_rows_max))));
  }
  SLUICE_RETURN_IF_ERROR(FromArrow(writer->Close(internal::SealEntry())));
  SLUICE_RETURN_IF_ERROR(internal::Seal(file.bytes));
  file.columns = Summarize(prepared, *writer->metadata());
  file.size = static_cast<int64_t>(file.bytes.size());
  return file;
}

std::vector<int> LeavesOf(const parquet::SchemaDescriptor& schema,
                          const std::vector<std::string>& columns) {
  std::vector<int> leaves;
  for (const std::string& name : columns) {
    for (int leaf = 0; leaf < schema.num_columns(); ++leaf) {
      if (schema.GetColumnRoot(leaf)->name() == name) leaves.push_back(leaf);
    }
  }
  return leaves;
}

// Other writers have other units; what is finer than a microsecond is cut off.
Result<Batch> InMicroseconds(const Batch& batch) {
  arrow::FieldVector fields = batch->schema()->fields();
  arrow::ArrayVector columns = batch->columns();
  bool changed = false;
  for (size_t i = 0; i < fields.size(); ++i) {
    if (fields[i]->type()->id() != arrow::Type::TIMESTAMP) continue;
    const auto& type = static_cast<const arrow::TimestampType&>(*fields[i]->type());
    if (type.unit() == arrow::TimeUnit::MICRO) continue;
    fields[i] = fields[i]->WithType(arrow::timestamp(arrow::TimeUnit::MICRO, type.timezone()));
    auto options = arrow::compute::CastOptions::Safe(fields[i]->type());
    options.allow_time_truncate = true;
    SLUICE_ASSIGN_OR_RETURN(const auto cast,
                            FromArrow(arrow::compute::Cast(arrow::Datum(columns[i]), options)));
    columns[i] = cast.make_array();
    changed = true;
  }
  if (!changed) return batch;
  return arrow::RecordBatch::Make(arrow::schema(std::move(fields), batch->schema()->metadata()),
                                  batch->num_rows(), std::move(columns));
}

Status Read(const std::shared_ptr<arrow::io::RandomAccessFile>& file,
            const std::vector<std::string>& columns, const parquet::ReaderProperties& reading,
            const std::function<Status(const Batch&)>& use) {
  parquet::ArrowReaderProperties properties(/*use_threads=*/false);
  properties.set_coerce_int96_timestamp_unit(arrow::TimeUnit::MICRO);
  properties.set_pre_buffer(false);
  parquet::arrow::FileReaderBuilder builder;
  SLUICE_RETURN_IF_ERROR(FromArrow(builder.Open(file, reading)));
  SLUICE_ASSIGN_OR_RETURN(const auto reader, FromArrow(builder.properties(properties)->Build()));
  std::vector<int> leaves;
  const parquet::SchemaDescriptor& schema = *reader->parquet_reader()->metadata()->schema();
  if (columns.empty()) {
    for (int leaf = 0; leaf < schema.num_columns(); ++leaf) leaves.push_back(leaf);
  } else {
    leaves = LeavesOf(schema, columns);
  }
  for (int group = 0; group < reader->num_row_groups(); ++group) {
    SLUICE_ASSIGN_OR_RETURN(const auto batches,
                            FromArrow(reader->GetRecordBatchReader({group}, leaves)));
    while (true) {
      SLUICE_ASSIGN_OR_RETURN(Batch batch, FromArrow(batches->Next()));
      if (batch == nullptr) break;
      SLUICE_ASSIGN_OR_RETURN(batch, InMicroseconds(batch));
      if (!columns.empty()) {
        std::vector<int> order;
        for (const auto& name : columns) {
          const int index = batch->schema()->GetFieldIndex(name);
          if (index >= 0) order.push_back(index);
        }
        SLUICE_ASSIGN_OR_RETURN(batch, FromArrow(batch->SelectColumns(order)));
      }
      SLUICE_RETURN_IF_ERROR(use(batch));
    }
  }
  return {};
}

Error AsDamage(const Error& error) {
  if (error.code() == ErrorCode::kUnsupported) return error;
  return Corrupt("parquet file: {}", error.message());
}

parquet::ReaderProperties CheckedReading() {
  parquet::ReaderProperties reading;
  reading.set_page_checksum_verification(true);
  return reading;
}

}  // namespace

Result<ParquetFile> WriteParquet(const Schema& schema, const std::vector<Batch>& batches,
                                 const ParquetOptions& options) {
  try {
    return Write(schema, batches, options);
  } catch (const std::exception& exception) {
    return Internal("parquet writer: {}", exception.what());
  }
}

Result<std::vector<Batch>> ReadParquet(std::string_view bytes,
                                       const std::vector<std::string>& columns) {
  // A copy, since what is read may be views of it.
  const auto file =
      std::make_shared<arrow::io::BufferReader>(arrow::Buffer::FromString(std::string(bytes)));
  std::vector<Batch> batches;
  const auto keep = [&](const Batch& batch) {
    batches.push_back(batch);
    return Status();
  };
  try {
    if (const Status read = Read(file, columns, CheckedReading(), keep); !read.ok()) {
      return AsDamage(read.error());
    }
    return batches;
  } catch (const std::exception& exception) {
    return Corrupt("parquet file: {}", exception.what());
  }
}

Status ReadParquet(const std::shared_ptr<arrow::io::RandomAccessFile>& file,
                   const std::vector<std::string>& columns, int64_t buffer_bytes,
                   const std::function<Status(const Batch&)>& use) {
  parquet::ReaderProperties reading = CheckedReading();
  reading.enable_buffered_stream();
  reading.set_buffer_size(buffer_bytes);
  Status used;  // Told as it is: what becomes of rows says nothing of the file.
  const auto keep = [&](const Batch& batch) { return used = use(batch); };
  try {
    const Status read = Read(file, columns, reading, keep);
    if (!used.ok()) return used;
    return read.ok() ? Status() : AsDamage(read.error());
  } catch (const std::exception& exception) {
    return Corrupt("parquet file: {}", exception.what());
  }
}

}  // namespace sluice::columnar
