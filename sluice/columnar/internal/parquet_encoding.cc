#include "sluice/columnar/internal/parquet_encoding.h"

#include <arrow/api.h>
#include <arrow/type_traits.h>
#include <arrow/util/byte_size.h>
#include <arrow/util/compression.h>
#include <parquet/arrow/reader.h>
#include <parquet/schema.h>
#include <parquet/types.h>

#include <algorithm>
#include <cmath>

#include "sluice/columnar/arrow_bridge.h"
#include "sluice/columnar/internal/number_trial.h"
#include "sluice/columnar/internal/text_dictionary.h"

namespace sluice::columnar::internal {

namespace {

bool IsInt64Sequence(const arrow::DataType& type) {
  return type.id() == arrow::Type::INT64 || type.id() == arrow::Type::TIMESTAMP;
}

// Types whose order in Parquet's statistics is the order of their values in every engine.
bool IsNested(const arrow::DataType& type) { return type.num_fields() > 0; }

// A larger dictionary has no bounds in the file's own statistics: for each of its pages the writer
// would sort out which values the page has, which takes longer than all else.
constexpr int64_t kValuesWithBoundsMax = 256;

// A page is ended only between batches of the writer: rows that are large make large pages, and
// whoever reads one has it in memory.
constexpr int64_t kBatchRows = 8192;
constexpr int64_t kBatchBytes = int64_t{512} << 10;

// The library's own count sorts out which buffers overlap, which is slow for columns of many
// pieces.
int64_t BytesOf(const arrow::Array& array) {
  const arrow::DataType& type = *array.type();
  if (type.id() == arrow::Type::STRING || type.id() == arrow::Type::BINARY) {
    const auto& texts = static_cast<const arrow::BinaryArray&>(array);
    return texts.length() * int64_t{sizeof(int32_t)} + texts.total_values_length();
  }
  if (arrow::is_fixed_width(type.id())) return array.length() * type.bit_width() / 8;
  return arrow::util::ReferencedBufferSize(array).ValueOr(0);
}

int64_t BatchRows(const arrow::Table& table) {
  if (table.num_rows() == 0) return kBatchRows;
  int64_t bytes = 0;
  for (const auto& column : table.columns()) {
    for (const auto& chunk : column->chunks()) bytes += BytesOf(*chunk);
  }
  bytes /= table.num_rows();
  return std::clamp<int64_t>(kBatchBytes / std::max<int64_t>(bytes, 1), 1, kBatchRows);
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

}  // namespace

Result<PreparedRows> Prepare(const Schema& schema, const std::vector<Batch>& batches,
                             const ParquetOptions& options) {
  PreparedRows prepared;
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
      SLUICE_ASSIGN_OR_RETURN(const auto made, MakeDictionary(*column));
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

std::shared_ptr<parquet::WriterProperties> MakeProperties(const arrow::Schema& schema,
                                                          const PreparedRows& prepared,
                                                          const ParquetOptions& options) {
  parquet::WriterProperties::Builder builder;
  builder.created_by("sluice")
      ->version(parquet::ParquetVersion::PARQUET_2_6)
      ->write_batch_size(BatchRows(*prepared.table))
      ->max_row_group_length(options.row_group_rows_max)
      ->data_pagesize(int64_t{128} << 10)  // Small pages, so that the page index prunes.
      ->max_rows_per_page(20'000)
      ->enable_write_page_index()
      ->enable_page_checksum();
  if (options.compression == Compression::kZstd) {
    builder.compression(parquet::Compression::ZSTD)->compression_level(1);
  }
  const auto leave_uncompressed = [&builder](const std::string& name) {
    builder.compression(name, parquet::Compression::UNCOMPRESSED)
        ->compression_level(name, arrow::util::kUseDefaultCompressionLevel);
  };
  for (const auto& field : schema.fields()) {
    const std::string& name = field->name();
    if (arrow::is_floating(field->type()->id())) {
      const NumberTrial trial = TryNumbers(*prepared.table->GetColumnByName(name));
      // What measures something is often all noise: a dictionary would fill up in vain.
      if (!trial.repeats) builder.disable_dictionary(name);
      if (!trial.repeats && !trial.compresses) leave_uncompressed(name);
    }
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
    if (!prepared.dictionaries.contains(name)) leave_uncompressed(name);
  }
  for (const std::string& name : options.random_columns) {
    builder.disable_dictionary(name)->disable_statistics(name);
    leave_uncompressed(name);
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

bool HasBounds(const arrow::ChunkedArray& column) {
  const arrow::DataType& type = *column.type();
  return !IsNested(type) && HasUsefulOrder(type) && !HasNan(column);
}

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

bool Widen(ColumnStatistics& bounds, const arrow::StringArray& values) {
  if (values.length() == 0) return true;
  constexpr size_t kTextMax = 4096;  // As the writer's own.
  std::string_view low = values.GetView(0);
  std::string_view high = low;
  for (int64_t i = 1; i < values.length(); ++i) {
    const std::string_view value = values.GetView(i);
    low = std::min(low, value);
    high = std::max(high, value);
  }
  if (std::max(low.size(), high.size()) > kTextMax) return false;
  const arrow::StringScalar lowest{std::string(low)};
  const arrow::StringScalar highest{std::string(high)};
  if (bounds.minimum == nullptr || Less(lowest, *bounds.minimum)) {
    bounds.minimum = std::make_shared<arrow::StringScalar>(lowest);
  }
  if (bounds.maximum == nullptr || Less(*bounds.maximum, highest)) {
    bounds.maximum = std::make_shared<arrow::StringScalar>(highest);
  }
  return true;
}

}  // namespace sluice::columnar::internal
