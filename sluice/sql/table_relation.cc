#include "sluice/sql/table_relation.h"

#include <arrow/type.h>

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
