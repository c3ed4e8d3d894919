#include "sluice/lake/internal/data_file.h"

#include <arrow/api.h>
#include <arrow/util/key_value_metadata.h>

#include <algorithm>
#include <set>

#include "sluice/base/ascii.h"
#include "sluice/columnar/arrow_bridge.h"
#include "sluice/lake/internal/path_encoding.h"
#include "sluice/lake/internal/schema_json.h"
#include "sluice/lake/internal/statistics.h"
#include "sluice/lake/internal/table_features.h"

namespace sluice::lake::internal {

namespace {

using columnar::FromArrow;

bool IsPartitionColumn(const Snapshot& table, const std::string& name) {
  return std::ranges::find(table.partition_columns(), name) != table.partition_columns().end();
}

bool HoldsVoid(const arrow::DataType& type) {
  return type.id() == arrow::Type::NA || std::ranges::any_of(type.fields(), [](const auto& field) {
           return HoldsVoid(*field->type());
         });
}

// Returns the field as it stands in a file: under its physical name and with its id, where the
// table maps columns.
std::shared_ptr<arrow::Field> PhysicalField(const arrow::Field& field, ColumnMapping mapping) {
  if (mapping == ColumnMapping::kNone) return WithoutAnnotations(field);
  auto type = WithChildren(
      field.type(), [mapping](const arrow::Field& child) { return PhysicalField(child, mapping); });
  const std::string name = Annotation(field, "delta.columnMapping.physicalName");
  const std::string id = Annotation(field, "delta.columnMapping.id");
  const auto metadata =
      id.empty() ? nullptr : arrow::key_value_metadata({"PARQUET:field_id"}, {id});
  return arrow::field(name.empty() ? field.name() : name, std::move(type), field.nullable(),
                      metadata);
}

// The same values under the names of another type of the same shape.
std::shared_ptr<arrow::Array> Relabel(const std::shared_ptr<arrow::Array>& array,
                                      const std::shared_ptr<arrow::DataType>& type) {
  const auto relabel =
      [](auto&& self, const std::shared_ptr<arrow::ArrayData>& data,
         const std::shared_ptr<arrow::DataType>& to) -> std::shared_ptr<arrow::ArrayData> {
    auto copy = data->Copy();
    copy->type = to;
    for (size_t i = 0; i < copy->child_data.size(); ++i) {
      copy->child_data[i] = self(self, copy->child_data[i], to->field(static_cast<int>(i))->type());
    }
    return copy;
  };
  return arrow::MakeArray(relabel(relabel, array->data(), type));
}

/// Rows as they stand in a file, and their columns under the names of the table.
struct FileRows {
  columnar::Schema schema;
  std::vector<columnar::Batch> batches;
};

Result<FileRows> ToFileRows(const TableState& table, const RowRules& rules, const NewFile& file,
                            std::map<std::string, Identity>& identities) {
  std::vector<columnar::Batch> full;
  std::map<std::string, size_t> absences;
  for (const columnar::Batch& batch : file.batches) {
    std::vector<std::string> absent;
    SLUICE_ASSIGN_OR_RETURN(columnar::Batch rows,
                            rules.Apply(*batch, file.partition_values, identities, absent));
    for (const std::string& name : absent) ++absences[name];
    full.push_back(std::move(rows));
  }
  // Columns that no batch has are not written: readers fill them up.
  arrow::FieldVector fields;
  std::vector<int> indexes;
  const ColumnMapping mapping = MappingOf(table.metadata());
  for (int i = 0; i < table.schema()->num_fields(); ++i) {
    const auto& field = table.annotated_schema()->field(i);
    if (IsPartitionColumn(table, field->name())) continue;
    const auto absence = absences.find(field->name());
    if (absence != absences.end() && absence->second == full.size()) continue;
    if (field->type()->id() == arrow::Type::NA) continue;
    if (HoldsVoid(*field->type())) {
      return Unsupported("column '{}' has members of type void, which no file can have",
                         field->name());
    }
    fields.push_back(PhysicalField(*field, mapping));
    indexes.push_back(i);
  }
  FileRows rows;
  rows.schema = arrow::schema(std::move(fields));
  for (const columnar::Batch& batch : full) {
    arrow::ArrayVector columns;
    for (size_t i = 0; i < indexes.size(); ++i) {
      const auto column = batch->column(indexes[i]);
      columns.push_back(mapping == ColumnMapping::kNone
                            ? column
                            : Relabel(column, rows.schema->field(static_cast<int>(i))->type()));
    }
    rows.batches.push_back(
        arrow::RecordBatch::Make(rows.schema, batch->num_rows(), std::move(columns)));
  }
  return rows;
}

std::string PhysicalName(const TableState& table, const std::string& name) {
  if (MappingOf(table.metadata()) == ColumnMapping::kNone) return name;
  const auto field = table.annotated_schema()->GetFieldByName(name);
  const std::string physical =
      field == nullptr ? "" : Annotation(*field, "delta.columnMapping.physicalName");
  return physical.empty() ? name : physical;
}

// The table's columns under the names that statistics use.
columnar::Schema StatisticsSchema(const TableState& table) {
  const ColumnMapping mapping = MappingOf(table.metadata());
  arrow::FieldVector fields;
  for (const auto& field : table.annotated_schema()->fields()) {
    fields.push_back(PhysicalField(*field, mapping));
  }
  return arrow::schema(std::move(fields));
}

}  // namespace

Result<std::string> NewFilePath(const TableState& table, const NewFile& file,
                                std::string_view uuid) {
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
  const bool random =
      MappingOf(table.metadata()) != ColumnMapping::kNone ||
      LowerCase(Property(table.properties(), "delta.randomizeFilePrefixes", "false")) == "true";
  if (random) path = fmt::format("{}/", uuid.substr(0, 2));
  return path + fmt::format("part-{}.parquet", uuid);
}

Result<EncodedFile> EncodeFile(const TableState& table, const RowRules& rules, const NewFile& file,
                               const AppendOptions& options, std::string_view uuid, int64_t now_ms,
                               std::map<std::string, Identity>& identities) {
  EncodedFile encoded;
  SLUICE_ASSIGN_OR_RETURN(encoded.store_path, NewFilePath(table, file, uuid));
  SLUICE_ASSIGN_OR_RETURN(const FileRows rows, ToFileRows(table, rules, file, identities));
  columnar::ParquetOptions parquet_options = options.parquet;
  std::set<std::string> left_out;
  for (std::string& name : parquet_options.random_columns) {
    name = PhysicalName(table, name);
    left_out.insert(name);
  }
  for (std::string& name : parquet_options.incompressible_columns) {
    name = PhysicalName(table, name);
  }
  for (std::string& name : parquet_options.private_columns) {
    name = PhysicalName(table, name);
    left_out.insert(name);
  }
  for (const std::string& name : options.columns_without_statistics) {
    left_out.insert(PhysicalName(table, name));
  }
  SLUICE_ASSIGN_OR_RETURN(columnar::ParquetFile parquet,
                          columnar::WriteParquet(rows.schema, rows.batches, parquet_options));
  for (const std::string& name : table.partition_columns()) {
    left_out.insert(PhysicalName(table, name));
  }
  encoded.entry = {
      .path = UriEncode(encoded.store_path),
      .partition_values = {},
      .size = static_cast<int64_t>(parquet.bytes.size()),
      .modified_ms = now_ms,
      .stats = MakeStatistics(*StatisticsSchema(table), parquet, table.properties(), left_out),
      .rows = parquet.rows};
  for (const auto& [name, value] : file.partition_values) {
    encoded.entry.partition_values.emplace(PhysicalName(table, name),
                                           value && value->empty() ? std::nullopt : value);
  }
  encoded.bytes = std::move(parquet.bytes);
  return encoded;
}

}  // namespace sluice::lake::internal
