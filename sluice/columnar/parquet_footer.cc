#include "sluice/columnar/parquet_footer.h"

#include <arrow/api.h>
#include <arrow/io/interfaces.h>
#include <arrow/util/key_value_metadata.h>
#include <parquet/arrow/schema.h>
#include <parquet/exception.h>
#include <parquet/file_reader.h>
#include <parquet/metadata.h>
#include <parquet/properties.h>

#include <optional>
#include <utility>

#include "sluice/columnar/arrow_bridge.h"
#include "sluice/columnar/internal/parquet_encoding.h"

namespace sluice::columnar {

namespace {

using FieldPtr = std::shared_ptr<arrow::Field>;

FieldPtr FieldOf(const parquet::arrow::SchemaField& from, const parquet::SchemaDescriptor& schema) {
  const FieldPtr field = from.field->RemoveMetadata();
  if (from.is_leaf()) {
    const bool old_time = schema.Column(from.column_index)->physical_type() == parquet::Type::INT96;
    return old_time ? field->WithType(arrow::timestamp(arrow::TimeUnit::MICRO, "UTC")) : field;
  }
  arrow::FieldVector children;
  for (const auto& child : from.children) children.push_back(FieldOf(child, schema));
  switch (field->type()->id()) {
    case arrow::Type::STRUCT:
      return field->WithType(arrow::struct_(std::move(children)));
    case arrow::Type::LIST:
      return field->WithType(arrow::list(children.at(0)));
    case arrow::Type::MAP: {
      const arrow::DataType& entry = *children.at(0)->type();
      return field->WithType(std::make_shared<arrow::MapType>(entry.field(0), entry.field(1)));
    }
    default:
      return field;
  }
}

// Whether the bounds of a column of this type are those of all its values.
bool HasTrueBounds(const arrow::DataType& type, bool julian_days) {
  if (!internal::HasUsefulOrder(type) || arrow::is_floating(type.id())) return false;
  const bool of_calendar = type.id() == arrow::Type::DATE32 || type.id() == arrow::Type::TIMESTAMP;
  return !of_calendar || !julian_days;
}

// Nothing: some row group does not tell how many values are null.
std::optional<ColumnStatistics> StatisticsOf(const parquet::FileMetaData& file, int leaf,
                                             bool has_bounds) {
  ColumnStatistics column;
  const bool required = file.schema()->Column(leaf)->max_definition_level() == 0;
  for (int group = 0; group < file.num_row_groups(); ++group) {
    const auto rows = file.RowGroup(group);
    if (rows->num_rows() == 0) continue;
    const auto statistics = rows->ColumnChunk(leaf)->statistics();
    if (!required) {
      if (statistics == nullptr || !statistics->HasNullCount()) return std::nullopt;
      column.null_count += statistics->null_count();
      if (statistics->null_count() == rows->num_rows()) continue;
    }
    has_bounds = has_bounds && statistics != nullptr && statistics->HasMinMax() &&
                 internal::Widen(column, statistics.get());
  }
  if (!has_bounds) column.minimum = column.maximum = nullptr;
  return column;
}

Result<ParquetFooter> FooterOf(const parquet::FileMetaData& file) {
  parquet::ArrowReaderProperties properties(/*use_threads=*/false);
  properties.set_coerce_int96_timestamp_unit(arrow::TimeUnit::MICRO);
  parquet::arrow::SchemaManifest manifest;
  SLUICE_RETURN_IF_ERROR(FromArrow(
      parquet::arrow::SchemaManifest::Make(file.schema(), nullptr, properties, &manifest)));
  const auto notes = file.key_value_metadata();
  const bool julian_days = notes != nullptr && notes->Contains("org.apache.spark.legacyDateTime");
  ParquetFooter footer{.schema = nullptr, .rows = file.num_rows(), .columns = {}};
  arrow::FieldVector fields;
  for (const auto& column : manifest.schema_fields) {
    fields.push_back(FieldOf(column, *file.schema()));
    if (!column.is_leaf()) continue;
    auto statistics =
        StatisticsOf(file, column.column_index, HasTrueBounds(*fields.back()->type(), julian_days));
    if (!statistics) continue;
    // Those of some texts, such as JSON, come as bytes.
    for (const auto& bound : {statistics->minimum, statistics->maximum}) {
      if (bound == nullptr || bound->type->Equals(*fields.back()->type())) continue;
      statistics->minimum = statistics->maximum = nullptr;
    }
    footer.columns.emplace(fields.back()->name(), std::move(*statistics));
  }
  footer.schema = arrow::schema(std::move(fields));
  return footer;
}

}  // namespace

Result<ParquetFooter> ReadParquetFooter(std::shared_ptr<arrow::io::RandomAccessFile> file) {
  try {
    const auto reader = parquet::ParquetFileReader::Open(std::move(file));
    return FooterOf(*reader->metadata());
  } catch (const parquet::ParquetStatusException& exception) {
    return FromArrow(exception.status()).error();
  } catch (const std::exception& exception) {
    return Invalid("{}", exception.what());
  }
}

}  // namespace sluice::columnar
