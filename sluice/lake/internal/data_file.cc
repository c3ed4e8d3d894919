#include "sluice/lake/internal/data_file.h"

#include <arrow/api.h>
#include <arrow/util/key_value_metadata.h>

#include <algorithm>
#include <set>

#include "sluice/base/ascii.h"
#include "sluice/columnar/parquet_writer.h"
#include "sluice/lake/internal/commit_lines.h"
#include "sluice/lake/internal/files_in_writing.h"
#include "sluice/lake/internal/path_encoding.h"
#include "sluice/lake/internal/schema_json.h"
#include "sluice/lake/internal/statistics.h"
#include "sluice/lake/internal/table_features.h"

namespace sluice::lake::internal {

namespace {

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

/// How rows of a table stand in a file.
struct FileLayout {
  columnar::Schema schema;   // Of the file.
  std::vector<int> columns;  // Where its columns are among those of the rows.
  bool relabel = false;      // Whether columns have other names in the file.
  columnar::ParquetOptions parquet;
  std::set<std::string> without_statistics;  // By the table's names.

  columnar::Batch ToFile(const arrow::RecordBatch& rows) const {
    arrow::ArrayVector arrays;
    for (size_t i = 0; i < columns.size(); ++i) {
      const auto column = rows.column(columns[i]);
      const auto& type = schema->field(static_cast<int>(i))->type();
      arrays.push_back(relabel ? Relabel(column, type) : column);
    }
    return arrow::RecordBatch::Make(schema, rows.num_rows(), std::move(arrays));
  }
};

/// Rows have all columns of the table and then `extra`; those in `absent` are not written, since
/// readers fill them up.
Result<FileLayout> LayoutOf(const TableState& table, const AppendOptions& options,
                            const std::set<std::string>& absent,
                            const arrow::FieldVector& extra = {}) {
  FileLayout layout;
  arrow::FieldVector fields;
  const ColumnMapping mapping = MappingOf(table.metadata());
  for (int i = 0; i < table.schema()->num_fields(); ++i) {
    const auto& field = table.annotated_schema()->field(i);
    if (IsPartitionColumn(table, field->name()) || absent.contains(field->name())) continue;
    if (field->type()->id() == arrow::Type::NA) continue;
    if (HoldsVoid(*field->type())) {
      return Unsupported("column '{}' has members of type void, which no file can have",
                         field->name());
    }
    fields.push_back(PhysicalField(*field, mapping));
    layout.columns.push_back(i);
  }
  for (const auto& field : extra) {
    layout.columns.push_back(table.schema()->num_fields() +
                             static_cast<int>(&field - extra.data()));
    layout.without_statistics.insert(field->name());
    fields.push_back(field);
  }
  layout.schema = arrow::schema(std::move(fields));
  layout.relabel = mapping != ColumnMapping::kNone;
  layout.parquet = options.parquet;
  std::set<std::string>& left_out = layout.without_statistics;
  for (std::string& name : layout.parquet.random_columns) {
    left_out.insert(name);
    name = PhysicalName(table, name);
  }
  for (std::string& name : layout.parquet.incompressible_columns) {
    name = PhysicalName(table, name);
  }
  for (std::string& name : layout.parquet.private_columns) {
    left_out.insert(name);
    name = PhysicalName(table, name);
  }
  left_out.insert(options.columns_without_statistics.begin(),
                  options.columns_without_statistics.end());
  left_out.insert(table.partition_columns().begin(), table.partition_columns().end());
  return layout;
}

// Brings rows to the table's columns; those that none of the batches has go into `absent`.
Result<std::vector<columnar::Batch>> Complete(const RowRules& rules, const NewFile& file,
                                              std::map<std::string, Identity>& identities,
                                              std::set<std::string>& absent) {
  std::vector<columnar::Batch> full;
  std::map<std::string, size_t> absences;
  for (const columnar::Batch& batch : file.batches) {
    std::vector<std::string> missing;
    SLUICE_ASSIGN_OR_RETURN(columnar::Batch rows,
                            rules.Apply(*batch, file.partition_values, identities, missing));
    for (const std::string& name : missing) ++absences[name];
    full.push_back(std::move(rows));
  }
  for (const auto& [name, count] : absences) {
    if (count == full.size()) absent.insert(name);
  }
  return full;
}

}  // namespace

PartitionValues InLog(const TableState& table, const PartitionValues& values) {
  PartitionValues in_log;
  for (const auto& [name, value] : values) {
    in_log.emplace(PhysicalName(table, name), value && value->empty() ? std::nullopt : value);
  }
  return in_log;
}

namespace {

// What the log says of a file of `table` that was written.
DataFile EntryOf(const TableState& table, const FileLayout& layout, const std::string& store_path,
                 const PartitionValues& partition_values, const columnar::ParquetFile& parquet,
                 int64_t now_ms) {
  DataFile entry{.path = UriEncode(store_path),
                 .partition_values = {},
                 .size = parquet.size,
                 .modified_ms = now_ms,
                 .stats = MakeStatistics(*table.annotated_schema(), *StatisticsSchema(table),
                                         parquet, table.properties(), layout.without_statistics),
                 .rows = parquet.rows};
  entry.partition_values = InLog(table, partition_values);
  return entry;
}

}  // namespace

Result<std::string> NewFilePath(const TableState& table, const PartitionValues& partition_values,
                                std::string_view uuid) {
  std::string path;
  if (partition_values.size() != table.partition_columns().size()) {
    return Invalid("a file has {} partition values, but the table {} partition columns",
                   partition_values.size(), table.partition_columns().size());
  }
  for (const std::string& column : table.partition_columns()) {
    const auto found = partition_values.find(column);
    if (found == partition_values.end()) {
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
  const bool random = MappingOf(table.metadata()) != ColumnMapping::kNone ||
                      IsOn(table.properties(), "delta.randomizeFilePrefixes");
  if (random) path = fmt::format("{}/", uuid.substr(0, 2));
  return path + fmt::format("part-{}.parquet", uuid);
}

Result<EncodedFile> EncodeFile(const TableState& table, const RowRules& rules, const NewFile& file,
                               const AppendOptions& options, std::string_view uuid, int64_t now_ms,
                               std::map<std::string, Identity>& identities) {
  EncodedFile encoded;
  SLUICE_ASSIGN_OR_RETURN(encoded.store_path, NewFilePath(table, file.partition_values, uuid));
  std::set<std::string> absent;
  SLUICE_ASSIGN_OR_RETURN(std::vector<columnar::Batch> batches,
                          Complete(rules, file, identities, absent));
  SLUICE_ASSIGN_OR_RETURN(const FileLayout layout, LayoutOf(table, options, absent));
  for (columnar::Batch& batch : batches) batch = layout.ToFile(*batch);
  SLUICE_ASSIGN_OR_RETURN(columnar::ParquetFile parquet,
                          columnar::WriteParquet(layout.schema, batches, layout.parquet));
  encoded.entry =
      EntryOf(table, layout, encoded.store_path, file.partition_values, parquet, now_ms);
  encoded.bytes = std::move(parquet.bytes);
  return encoded;
}

namespace {

// What a store may hold of an object that is written part by part.
constexpr int64_t kPartBytes = int64_t{16} << 20;

class StreamedFile final : public DataFileWriter {
 public:
  StreamedFile(const DeltaTable& table, const TableState& state, FileLayout layout,
               std::string store_path, PartitionValues partition_values)
      : table_(table),
        state_(state),
        layout_(std::move(layout)),
        store_path_(std::move(store_path)),
        partition_values_(std::move(partition_values)) {}

  Status Open() {
    table_.writing().Begin(table_.InRoot(store_path_), table_.clock().Steady());
    SLUICE_ASSIGN_OR_RETURN(object_, table_.store().StartPut(table_.InRoot(store_path_)));
    SLUICE_ASSIGN_OR_RETURN(parquet_, columnar::ParquetWriter::Open(layout_.schema, layout_.parquet,
                                                                    [this](std::string_view bytes) {
                                                                      return object_->Write(bytes);
                                                                    }));
    return {};
  }

  Status Write(const arrow::RecordBatch& rows) override {
    return parquet_->Write(layout_.ToFile(rows));
  }
  const std::string& store_path() const override { return store_path_; }
  int64_t bytes() const override { return parquet_->encoded_bytes() + parquet_->waiting_bytes(); }
  int64_t waiting_bytes() const override { return parquet_->waiting_bytes(); }
  int64_t memory_bytes() const override {
    return std::min(parquet_->encoded_bytes(), kPartBytes) + parquet_->waiting_bytes();
  }

  Result<DataFile> Finish() override {
    SLUICE_ASSIGN_OR_RETURN(const columnar::ParquetFile parquet, parquet_->Finish());
    const int64_t now_ms = StampMs(table_);
    SLUICE_RETURN_IF_ERROR(object_->Finish());
    return EntryOf(state_, layout_, store_path_, partition_values_, parquet, now_ms);
  }

 private:
  const DeltaTable& table_;
  const TableState& state_;
  const FileLayout layout_;
  const std::string store_path_;
  const PartitionValues partition_values_;
  std::unique_ptr<store::ObjectWriter> object_;
  std::unique_ptr<columnar::ParquetWriter> parquet_;  // Last: it may write to the one above.
};

}  // namespace

Result<std::unique_ptr<DataFileWriter>> DataFileWriter::Open(
    const DeltaTable& table, const TableState& state, const PartitionValues& partition_values,
    const AppendOptions& options, const arrow::FieldVector& extra, std::string_view uuid,
    std::string_view folder) {
  SLUICE_ASSIGN_OR_RETURN(const std::string path, NewFilePath(state, partition_values, uuid));
  SLUICE_ASSIGN_OR_RETURN(FileLayout layout, LayoutOf(state, options, {}, extra));
  auto file = std::make_unique<StreamedFile>(table, state, std::move(layout),
                                             std::string(folder) + path, partition_values);
  SLUICE_RETURN_IF_ERROR(file->Open());
  return std::unique_ptr<DataFileWriter>(std::move(file));
}

}  // namespace sluice::lake::internal
