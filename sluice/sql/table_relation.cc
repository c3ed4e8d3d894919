#include "sluice/sql/table_relation.h"

#include <arrow/array/builder_primitive.h>
#include <arrow/record_batch.h>
#include <arrow/type.h>

#include "sluice/columnar/arrow_bridge.h"
#include "sluice/duck/change_plan.h"
#include "sluice/lake/stored_files.h"
#include "sluice/sql/internal/file_index.h"

namespace sluice::sql {

namespace {

constexpr size_t kIndexedFilesMin = 8;  // Fewer are opened as fast as their statistics are read.
constexpr size_t kChangedFilesMax = 100'000;

void SetStored(const lake::Snapshot& snapshot, duck::Relation& relation) {
  lake::StoredColumns stored = lake::StoredAs(snapshot, *relation.schema);
  relation.stored_schema = std::move(stored.schema);
  relation.match_field_ids = stored.match_field_ids;
}

}  // namespace

Status AddFiles(const lake::DeltaTable& table,
                const std::shared_ptr<const lake::Snapshot>& snapshot,
                internal::FileIndexes* indexes, duck::Relation& relation) {
  SetStored(*snapshot, relation);
  for (const lake::DataFile& file : snapshot->files()) {
    relation.file_rows += file.rows.value_or(0);
    if (file.deletion_vector) relation.file_rows -= file.deletion_vector->cardinality;
  }
  if (snapshot->files().size() >= kIndexedFilesMin || internal::NeedsIndex(*snapshot)) {
    SLUICE_ASSIGN_OR_RETURN(relation.indexed_files,
                            indexes != nullptr
                                ? indexes->Get(table, snapshot, relation.schema)
                                : internal::IndexFiles(table, *snapshot, relation.schema));
    return {};
  }
  for (const lake::DataFile& file : snapshot->files()) {
    relation.files.push_back(table.Location(file));
  }
  return {};
}

Status AddFilesToChange(const lake::DeltaTable& table,
                        const std::shared_ptr<const lake::Snapshot>& snapshot,
                        internal::FileIndexes* indexes, duck::Relation& relation) {
  SLUICE_RETURN_IF_ERROR(AddFiles(table, snapshot, indexes, relation));
  if (relation.indexed_files == nullptr) {
    relation.files.clear();
    SLUICE_ASSIGN_OR_RETURN(relation.indexed_files,
                            internal::IndexFiles(table, *snapshot, relation.schema));
  }
  const columnar::Batch& index = relation.indexed_files;
  arrow::Int32Builder numbers;
  for (int64_t i = 0; i < index->num_rows(); ++i) {
    SLUICE_RETURN_IF_ERROR(columnar::FromArrow(numbers.Append(static_cast<int32_t>(i))));
  }
  SLUICE_ASSIGN_OR_RETURN(auto column, columnar::FromArrow(numbers.Finish()));
  SLUICE_ASSIGN_OR_RETURN(
      relation.indexed_files,
      columnar::FromArrow(index->AddColumn(
          index->num_columns(), "value:" + std::string(duck::kFileColumn), std::move(column))));
  const auto field = arrow::field(duck::kFileColumn, arrow::int32());
  for (columnar::Schema* schema : {&relation.schema, &relation.stored_schema}) {
    if (*schema == nullptr) continue;
    SLUICE_ASSIGN_OR_RETURN(
        *schema, columnar::FromArrow((*schema)->AddField((*schema)->num_fields(), field)));
  }
  return {};
}

Result<duck::Relation> ChangesRelation(const lake::DeltaTable& table, lake::Version from,
                                       std::optional<lake::Version> to) {
  SLUICE_ASSIGN_OR_RETURN(const lake::ChangedFiles changes,
                          lake::ListChanges(table, from, to, kChangedFilesMax));
  duck::Relation relation;
  arrow::FieldVector fields = changes.last->schema()->fields();
  fields.push_back(arrow::field("_change_type", arrow::utf8()));
  fields.push_back(arrow::field("_commit_version", arrow::int64()));
  fields.push_back(
      arrow::field("_commit_timestamp", arrow::timestamp(arrow::TimeUnit::MICRO, "UTC")));
  relation.schema = arrow::schema(std::move(fields));
  SetStored(*changes.last, relation);
  std::vector<lake::DataFile> files;
  for (const lake::ChangedFile& changed : changes.files) {
    relation.file_rows += changed.file.rows.value_or(0);
    files.push_back(changed.file);
  }
  SLUICE_RETURN_IF_ERROR(table.MakeLocal(files));
  SLUICE_ASSIGN_OR_RETURN(relation.indexed_files,
                          internal::IndexChanges(table, changes, relation.schema));
  return relation;
}

}  // namespace sluice::sql
