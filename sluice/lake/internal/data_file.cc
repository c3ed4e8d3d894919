#include "sluice/lake/internal/data_file.h"

#include <arrow/api.h>
#include <arrow/compute/cast.h>
#include <arrow/compute/initialize.h>

#include <algorithm>
#include <set>

#include "sluice/columnar/arrow_bridge.h"
#include "sluice/lake/internal/path_encoding.h"
#include "sluice/lake/internal/schema_json.h"
#include "sluice/lake/internal/statistics.h"

namespace sluice::lake::internal {

namespace {

using columnar::FromArrow;

bool IsPartitionColumn(const Snapshot& table, const std::string& name) {
  return std::ranges::find(table.partition_columns(), name) != table.partition_columns().end();
}

// Returns the table's columns that at least one batch has.
Result<columnar::Schema> FileSchema(const Snapshot& table,
                                    const std::vector<columnar::Batch>& batches) {
  std::set<std::string> present;
  for (const auto& batch : batches) {
    for (const auto& field : batch->schema()->fields()) {
      if (table.schema()->GetFieldByName(field->name()) == nullptr) {
        return Invalid("the table has no column '{}'", field->name());
      }
      if (!present.insert(field->name()).second &&
          batch->schema()->GetAllFieldIndices(field->name()).size() > 1) {
        return Invalid("column '{}' is there twice", field->name());
      }
    }
  }
  arrow::FieldVector fields;
  for (const auto& field : table.schema()->fields()) {
    if (IsPartitionColumn(table, field->name())) continue;
    if (present.contains(field->name())) {
      if (field->type()->id() != arrow::Type::NA) fields.push_back(field);
    } else if (!field->nullable()) {
      return Invalid("column '{}' must not be null, but is missing", field->name());
    }
  }
  return arrow::schema(std::move(fields));
}

Result<std::shared_ptr<arrow::Array>> ToColumn(const arrow::RecordBatch& batch,
                                               const arrow::Field& field) {
  auto column = batch.GetColumnByName(field.name());
  if (column == nullptr) {
    SLUICE_ASSIGN_OR_RETURN(column,
                            FromArrow(arrow::MakeArrayOfNull(field.type(), batch.num_rows())));
  }
  if (!field.nullable() && column->null_count() > 0) {
    return Invalid("column '{}' must not be null, but is in {} rows", field.name(),
                   column->null_count());
  }
  if (column->type()->Equals(*field.type())) return column;
  const auto wanted = TableType(*column->type());
  if (!wanted.ok() || !(*wanted)->Equals(*field.type())) {
    return Invalid("column '{}' is {}, but {} in the table", field.name(),
                   column->type()->ToString(), field.type()->ToString());
  }
  static const arrow::Status initialized = arrow::compute::Initialize();
  SLUICE_RETURN_IF_ERROR(FromArrow(initialized));
  SLUICE_ASSIGN_OR_RETURN(column, FromArrow(arrow::compute::Cast(*column, field.type())),
                          "column '{}'", field.name());
  return column;
}

}  // namespace

Result<FileRows> ToTableRows(const Snapshot& table, const std::vector<columnar::Batch>& batches) {
  FileRows file;
  SLUICE_ASSIGN_OR_RETURN(file.schema, FileSchema(table, batches));
  for (const auto& batch : batches) {
    arrow::ArrayVector columns;
    for (const auto& field : file.schema->fields()) {
      SLUICE_ASSIGN_OR_RETURN(auto column, ToColumn(*batch, *field));
      columns.push_back(std::move(column));
    }
    file.rows += batch->num_rows();
    file.batches.push_back(
        arrow::RecordBatch::Make(file.schema, batch->num_rows(), std::move(columns)));
  }
  return file;
}

Result<std::string> NewFilePath(const Snapshot& table, const NewFile& file, std::string_view uuid) {
  std::string path;
  if (file.partition_values.size() != table.partition_columns().size()) {
    return Invalid("a file has {} partition values, but the table {} partition columns",
                   file.partition_values.size(), table.partition_columns().size());
  }
  for (const std::string& column : table.partition_columns()) {
    const auto found = file.partition_values.find(column);
    if (found == file.partition_values.end()) {
      return Invalid("a file has no value of the partition column '{}'", column);
    }
    const std::optional<std::string>& value = found->second;
    const bool is_null = !value || value->empty();
    if (is_null && !table.schema()->GetFieldByName(column)->nullable()) {
      return Invalid("partition column '{}' must not be null", column);
    }
    path += HiveEscape(column) + '=' +
            (is_null ? "__HIVE_DEFAULT_PARTITION__" : HiveEscape(*value)) + '/';
  }
  return path + fmt::format("part-{}.parquet", uuid);
}

Result<EncodedFile> EncodeFile(const Snapshot& table, const NewFile& file,
                               const columnar::ParquetOptions& options, std::string_view uuid,
                               int64_t now_ms) {
  EncodedFile encoded;
  SLUICE_ASSIGN_OR_RETURN(encoded.store_path, NewFilePath(table, file, uuid));
  SLUICE_ASSIGN_OR_RETURN(const FileRows rows, ToTableRows(table, file.batches));
  SLUICE_ASSIGN_OR_RETURN(columnar::ParquetFile parquet,
                          columnar::WriteParquet(rows.schema, rows.batches, options));
  std::set<std::string> left_out(options.random_columns.begin(), options.random_columns.end());
  left_out.insert(table.partition_columns().begin(), table.partition_columns().end());
  encoded.entry = {.path = UriEncode(encoded.store_path),
                   .partition_values = file.partition_values,
                   .size = static_cast<int64_t>(parquet.bytes.size()),
                   .modified_ms = now_ms,
                   .stats = MakeStatistics(*table.schema(), parquet, table.properties(), left_out),
                   .rows = parquet.rows};
  for (auto& [name, value] : encoded.entry.partition_values) {
    if (value && value->empty()) value.reset();
  }
  encoded.bytes = std::move(parquet.bytes);
  return encoded;
}

}  // namespace sluice::lake::internal
