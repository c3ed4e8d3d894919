#include "sluice/columnar/parquet.h"

#include <arrow/api.h>
#include <arrow/compute/cast.h>
#include <arrow/io/memory.h>
#include <arrow/util/compression.h>
#include <parquet/arrow/reader.h>
#include <parquet/arrow/writer.h>
#include <parquet/exception.h>
#include <parquet/file_reader.h>
#include <parquet/metadata.h>
#include <parquet/properties.h>
#include <parquet/statistics.h>

#include <algorithm>
#include <cmath>
#include <utility>

#include "sluice/columnar/arrow_bridge.h"
#include "sluice/columnar/internal/string_output.h"
#include "sluice/columnar/internal/text_dictionary.h"

namespace sluice::columnar {

namespace {

bool IsInt64Sequence(const arrow::DataType& type) {
  return type.id() == arrow::Type::INT64 || type.id() == arrow::Type::TIMESTAMP;
}

// Types whose order in Parquet's statistics is the order of their values in every engine.
bool HasUsefulOrder(const arrow::DataType& type) {
  switch (type.id()) {
    case arrow::Type::INT8:
    case arrow::Type::INT16:
    case arrow::Type::INT32:
    case arrow::Type::INT64:
    case arrow::Type::UINT8:
    case arrow::Type::UINT16:
    case arrow::Type::UINT32:
    case arrow::Type::UINT64:
    case arrow::Type::FLOAT:
    case arrow::Type::DOUBLE:
    case arrow::Type::DATE32:
    case arrow::Type::TIMESTAMP:
    case arrow::Type::DECIMAL128:
    case arrow::Type::STRING:
    case arrow::Type::LARGE_STRING:
      return true;
    default:
      return false;
  }
}

bool IsNested(const arrow::DataType& type) { return type.num_fields() > 0; }

// The rows as they are written, and what is known of columns beyond what the writer finds out.
struct Prepared {
  std::shared_ptr<arrow::Table> table;
  std::map<std::string, std::shared_ptr<arrow::StringArray>> dictionaries;
};

// A larger dictionary has no bounds in the file's own statistics: for each of its pages the writer
// would sort out which values the page has, which takes longer than all else.
constexpr int64_t kValuesWithBoundsMax = 256;

Result<Prepared> Prepare(const Schema& schema, const std::vector<Batch>& batches,
                         const ParquetOptions& options) {
  Prepared prepared;
  SLUICE_ASSIGN_OR_RETURN(prepared.table,
                          FromArrow(arrow::Table::FromRecordBatches(schema, batches)));
  arrow::FieldVector fields;
  arrow::ChunkedArrayVector columns;
  for (int i = 0; i < schema->num_fields(); ++i) {
    std::shared_ptr<arrow::Field> field = schema->field(i);
    std::shared_ptr<arrow::ChunkedArray> column = prepared.table->column(i);
    const bool is_random =
        std::ranges::find(options.random_columns, field->name()) != options.random_columns.end();
    if (field->type()->id() == arrow::Type::STRING && !is_random) {
      SLUICE_ASSIGN_OR_RETURN(const auto made, internal::MakeDictionary(*column));
      if (made.rows != nullptr) {
        prepared.dictionaries.emplace(field->name(), made.values);
        column = std::make_shared<arrow::ChunkedArray>(made.rows);
        field = field->WithType(made.rows->type());
      }
    }
    // Without nulls in this file, nobody need write and read which rows are null.
    if (!IsNested(*field->type()) && column->null_count() == 0) field = field->WithNullable(false);
    fields.push_back(std::move(field));
    columns.push_back(std::move(column));
  }
  prepared.table = arrow::Table::Make(arrow::schema(std::move(fields)), std::move(columns),
                                      prepared.table->num_rows());
  return prepared;
}

// Appends the paths of the Parquet columns that a field becomes.
void AppendLeaves(const arrow::Field& field, const std::string& path,
                  std::vector<std::shared_ptr<parquet::schema::ColumnPath>>& leaves) {
  const auto& type = *field.type();
  if (type.id() == arrow::Type::LIST) {
    const auto& value = *static_cast<const arrow::ListType&>(type).value_field();
    AppendLeaves(value, path + ".list.element", leaves);
  } else if (IsNested(type)) {
    for (const auto& child : type.fields())
      AppendLeaves(*child, path + "." + child->name(), leaves);
  } else {
    leaves.push_back(parquet::schema::ColumnPath::FromDotString(path));
  }
}

std::vector<std::shared_ptr<parquet::schema::ColumnPath>> LeafPaths(
    const arrow::Schema& schema, const std::vector<std::string>& columns) {
  std::vector<std::shared_ptr<parquet::schema::ColumnPath>> leaves;
  for (const std::string& name : columns) {
    if (const auto field = schema.GetFieldByName(name)) AppendLeaves(*field, name, leaves);
  }
  return leaves;
}

std::shared_ptr<parquet::WriterProperties> MakeProperties(const arrow::Schema& schema,
                                                          const Prepared& prepared,
                                                          const ParquetOptions& options) {
  parquet::WriterProperties::Builder builder;
  builder.created_by("sluice")
      ->version(parquet::ParquetVersion::PARQUET_2_6)
      ->write_batch_size(8192)  // Rows that the writer takes at a time.
      ->max_row_group_length(options.row_group_rows_max)
      ->data_pagesize(int64_t{128} << 10)  // Small pages, so that the page index prunes.
      ->max_rows_per_page(20'000)
      ->enable_write_page_index();
  if (options.compression == Compression::kZstd) {
    builder.compression(parquet::Compression::ZSTD)->compression_level(1);
  }
  for (const auto& field : schema.fields()) {
    const std::string& name = field->name();
    if (IsInt64Sequence(*field->type())) {
      // Offsets, sequences and times: differences are a third of the dictionary's bytes and time.
      builder.disable_dictionary(name)->encoding(name, parquet::Encoding::DELTA_BINARY_PACKED);
    } else if (field->type()->id() == arrow::Type::STRING) {
      const auto dictionary = prepared.dictionaries.find(name);
      if (dictionary == prepared.dictionaries.end()) {
        // Lengths apart from the text: half the time of a dictionary that fills up in vain, and the
        // text compresses better.
        builder.disable_dictionary(name)->encoding(name,
                                                   parquet::Encoding::DELTA_LENGTH_BYTE_ARRAY);
      } else if (dictionary->second->length() > kValuesWithBoundsMax) {
        builder.disable_statistics(name);
      }
    }
  }
  for (const std::string& name : options.incompressible_columns) {
    if (prepared.dictionaries.contains(name)) continue;
    builder.compression(name, parquet::Compression::UNCOMPRESSED)
        ->compression_level(name, arrow::util::kUseDefaultCompressionLevel);
  }
  for (const std::string& name : options.random_columns) {
    builder.disable_dictionary(name)
        ->compression(name, parquet::Compression::UNCOMPRESSED)
        ->compression_level(name, arrow::util::kUseDefaultCompressionLevel)
        ->disable_statistics(name);
  }
  for (const std::string& name : options.bloom_filter_columns) {
    const int64_t rows = prepared.table->num_rows();
    if (rows == 0 || schema.GetFieldIndex(name) < 0) continue;
    builder.enable_bloom_filter(
        name, {.ndv = std::min(rows, options.row_group_rows_max), .fpp = 0.05, .fold = false});
  }
  for (const auto& path : LeafPaths(schema, options.private_columns)) {
    builder.disable_statistics(path)->disable_write_page_index(path);
  }
  return builder.build();
}

// NaN has a different place in each engine's order, and Parquet leaves it out: no bounds then.
template <typename Array>
bool HasNan(const arrow::Array& array) {
  const auto& values = static_cast<const Array&>(array);
  for (int64_t row = 0; row < values.length(); ++row) {
    if (std::isnan(values.Value(row)) && values.IsValid(row)) return true;
  }
  return false;
}

bool HasNan(const arrow::ChunkedArray& column) {
  return std::ranges::any_of(column.chunks(), [](const auto& chunk) {
    switch (chunk->type_id()) {
      case arrow::Type::FLOAT:
        return HasNan<arrow::FloatArray>(*chunk);
      case arrow::Type::DOUBLE:
        return HasNan<arrow::DoubleArray>(*chunk);
      default:
        return false;
    }
  });
}

// Whether a < b, of two scalars of one type that HasUsefulOrder().
bool Less(const arrow::Scalar& a, const arrow::Scalar& b) {
  const auto less = [&]<typename Scalar>(const Scalar& left) {
    return left.value < static_cast<const Scalar&>(b).value;
  };
  switch (a.type->id()) {
    case arrow::Type::INT8:
      return less(static_cast<const arrow::Int8Scalar&>(a));
    case arrow::Type::INT16:
      return less(static_cast<const arrow::Int16Scalar&>(a));
    case arrow::Type::INT32:
      return less(static_cast<const arrow::Int32Scalar&>(a));
    case arrow::Type::INT64:
      return less(static_cast<const arrow::Int64Scalar&>(a));
    case arrow::Type::UINT8:
      return less(static_cast<const arrow::UInt8Scalar&>(a));
    case arrow::Type::UINT16:
      return less(static_cast<const arrow::UInt16Scalar&>(a));
    case arrow::Type::UINT32:
      return less(static_cast<const arrow::UInt32Scalar&>(a));
    case arrow::Type::UINT64:
      return less(static_cast<const arrow::UInt64Scalar&>(a));
    case arrow::Type::FLOAT:
      return less(static_cast<const arrow::FloatScalar&>(a));
    case arrow::Type::DOUBLE:
      return less(static_cast<const arrow::DoubleScalar&>(a));
    case arrow::Type::DATE32:
      return less(static_cast<const arrow::Date32Scalar&>(a));
    case arrow::Type::TIMESTAMP:
      return less(static_cast<const arrow::TimestampScalar&>(a));
    case arrow::Type::DECIMAL128:
      return less(static_cast<const arrow::Decimal128Scalar&>(a));
    default:
      return static_cast<const arrow::BaseBinaryScalar&>(a).view() <
             static_cast<const arrow::BaseBinaryScalar&>(b).view();
  }
}

// Widens `bounds` by the statistics of one row group. False: these say nothing.
bool Widen(ColumnStatistics& bounds, const parquet::Statistics* statistics) {
  if (statistics == nullptr) return false;
  if (!statistics->HasMinMax()) {  // All rows null, or the values were too long to keep.
    return statistics->num_values() == 0;
  }
  std::shared_ptr<arrow::Scalar> low;
  std::shared_ptr<arrow::Scalar> high;
  if (!parquet::arrow::StatisticsAsScalars(*statistics, &low, &high).ok()) return false;
  if (bounds.minimum == nullptr || Less(*low, *bounds.minimum)) bounds.minimum = low;
  if (bounds.maximum == nullptr || Less(*bounds.maximum, *high)) bounds.maximum = high;
  return true;
}

// Every value of the dictionary is in some row.
void SetBounds(ColumnStatistics& bounds, const arrow::StringArray& values) {
  constexpr size_t kTextMax = 4096;  // As the writer's own.
  std::string_view low = values.GetView(0);
  std::string_view high = low;
  for (int64_t i = 1; i < values.length(); ++i) {
    const std::string_view value = values.GetView(i);
    low = std::min(low, value);
    high = std::max(high, value);
  }
  if (std::max(low.size(), high.size()) > kTextMax) return;
  bounds.minimum = std::make_shared<arrow::StringScalar>(std::string(low));
  bounds.maximum = std::make_shared<arrow::StringScalar>(std::string(high));
}

// Takes what was counted on the way instead of looking at every value once more.
std::map<std::string, ColumnStatistics> Summarize(const Prepared& prepared,
                                                  const parquet::FileMetaData& written) {
  const arrow::Table& table = *prepared.table;
  std::map<std::string, ColumnStatistics> result;
  for (int i = 0; i < table.num_columns(); ++i) {
    ColumnStatistics& statistics = result[table.field(i)->name()];
    statistics.null_count = table.column(i)->null_count();
    const arrow::DataType& type = *table.field(i)->type();
    if (const auto dictionary = prepared.dictionaries.find(table.field(i)->name());
        dictionary != prepared.dictionaries.end()) {
      if (dictionary->second->length() > 0) SetBounds(statistics, *dictionary->second);
      continue;
    }
    if (IsNested(type) || !HasUsefulOrder(type) || HasNan(*table.column(i))) continue;
    const int leaf = written.schema()->ColumnIndex(table.field(i)->name());
    if (leaf < 0) continue;
    for (int group = 0; group < written.num_row_groups(); ++group) {
      if (!Widen(statistics, written.RowGroup(group)->ColumnChunk(leaf)->statistics().get())) {
        statistics.minimum = statistics.maximum = nullptr;
        break;
      }
    }
  }
  return result;
}

Result<ParquetFile> Write(const Schema& schema, const std::vector<Batch>& batches,
                          const ParquetOptions& options) {
  SLUICE_ASSIGN_OR_RETURN(const Prepared prepared, Prepare(schema, batches, options));
  const arrow::Table& table = *prepared.table;
  ParquetFile file;
  file.rows = table.num_rows();
  // More than enough, mostly; what is not used takes no memory.
  int64_t memory = 0;
  for (const Batch& batch : batches) memory += MemoryBytes(*batch);
  file.bytes.reserve(static_cast<size_t>(memory));
  const auto output = std::make_shared<internal::StringOutput>(file.bytes);
  const auto arrow_properties = parquet::ArrowWriterProperties::Builder()
                                    .coerce_timestamps(arrow::TimeUnit::MICRO)
                                    ->disallow_truncated_timestamps()
                                    ->build();
  SLUICE_ASSIGN_OR_RETURN(const auto writer,
                          FromArrow(parquet::arrow::FileWriter::Open(
                              *table.schema(), arrow::default_memory_pool(), output,
                              MakeProperties(*schema, prepared, options), arrow_properties)));
  SLUICE_RETURN_IF_ERROR(FromArrow(writer->WriteTable(table, options.row_group_rows_max)));
  SLUICE_RETURN_IF_ERROR(FromArrow(writer->Close()));
  file.columns = Summarize(prepared, *writer->metadata());
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

Result<std::vector<Batch>> Read(std::string_view bytes, const std::vector<std::string>& columns) {
  const auto input =
      std::make_shared<arrow::io::BufferReader>(arrow::Buffer::FromString(std::string(bytes)));
  parquet::ArrowReaderProperties properties(/*use_threads=*/false);
  properties.set_coerce_int96_timestamp_unit(arrow::TimeUnit::MICRO);
  parquet::arrow::FileReaderBuilder builder;
  SLUICE_RETURN_IF_ERROR(FromArrow(builder.Open(input)));
  SLUICE_ASSIGN_OR_RETURN(const auto reader, FromArrow(builder.properties(properties)->Build()));
  std::vector<int> leaves;
  const parquet::SchemaDescriptor& schema = *reader->parquet_reader()->metadata()->schema();
  if (columns.empty()) {
    for (int leaf = 0; leaf < schema.num_columns(); ++leaf) leaves.push_back(leaf);
  } else {
    leaves = LeavesOf(schema, columns);
  }
  std::vector<int> groups(static_cast<size_t>(reader->num_row_groups()));
  for (size_t i = 0; i < groups.size(); ++i) groups[i] = static_cast<int>(i);
  SLUICE_ASSIGN_OR_RETURN(const auto batches,
                          FromArrow(reader->GetRecordBatchReader(groups, leaves)));
  std::vector<Batch> result;
  while (true) {
    SLUICE_ASSIGN_OR_RETURN(Batch batch, FromArrow(batches->Next()));
    if (batch == nullptr) return result;
    SLUICE_ASSIGN_OR_RETURN(batch, InMicroseconds(batch));
    if (!columns.empty()) {
      std::vector<int> order;
      for (const auto& name : columns) {
        const int index = batch->schema()->GetFieldIndex(name);
        if (index >= 0) order.push_back(index);
      }
      SLUICE_ASSIGN_OR_RETURN(batch, FromArrow(batch->SelectColumns(order)));
    }
    result.push_back(std::move(batch));
  }
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
  try {
    auto batches = Read(bytes, columns);
    if (!batches.ok() && batches.error().code() != ErrorCode::kUnsupported) {
      return Corrupt("parquet file: {}", batches.error().message());
    }
    return batches;
  } catch (const std::exception& exception) {
    return Corrupt("parquet file: {}", exception.what());
  }
}

}  // namespace sluice::columnar
