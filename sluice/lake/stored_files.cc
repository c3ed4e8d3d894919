#include "sluice/lake/stored_files.h"

#include <arrow/type.h>
#include <arrow/util/key_value_metadata.h>

#include <algorithm>

#include "sluice/base/ascii.h"
#include "sluice/lake/internal/change_log.h"
#include "sluice/lake/internal/partition_value.h"
#include "sluice/lake/internal/schema_json.h"
#include "sluice/lake/internal/table_features.h"
#include "sluice/lake/internal/table_state.h"

namespace sluice::lake {

namespace {

using internal::TableState;

const TableState& StateOf(const Snapshot& snapshot) {
  const auto* state = dynamic_cast<const TableState*>(&snapshot);
  SLUICE_CHECK(state != nullptr);
  return *state;
}

const std::shared_ptr<arrow::Field>* FindByName(const arrow::FieldVector& fields,
                                                std::string_view name) {
  const auto found = std::ranges::find_if(
      fields, [&](const auto& field) { return LowerCase(field->name()) == LowerCase(name); });
  return found == fields.end() ? nullptr : &*found;
}

// The type `wanted` with the stored names of what it has in it; `annotated` is the table's.
std::shared_ptr<arrow::DataType> StoredType(const std::shared_ptr<arrow::DataType>& wanted,
                                            const arrow::DataType& annotated);

std::shared_ptr<arrow::Field> StoredField(const std::shared_ptr<arrow::Field>& wanted,
                                          const arrow::Field& annotated) {
  const std::string name = internal::Annotation(annotated, "delta.columnMapping.physicalName");
  const std::string id = internal::Annotation(annotated, "delta.columnMapping.id");
  auto field = wanted->WithType(StoredType(wanted->type(), *annotated.type()))
                   ->WithName(name.empty() ? wanted->name() : name)
                   ->RemoveMetadata();
  if (!id.empty()) {
    field = field->WithMetadata(arrow::key_value_metadata({"PARQUET:field_id"}, {id}));
  }
  return field;
}

std::shared_ptr<arrow::DataType> StoredType(const std::shared_ptr<arrow::DataType>& wanted,
                                            const arrow::DataType& annotated) {
  if (wanted->id() != annotated.id()) return wanted;
  if (wanted->id() == arrow::Type::STRUCT) {
    arrow::FieldVector fields;
    for (const auto& field : wanted->fields()) {
      const auto* found = FindByName(annotated.fields(), field->name());
      fields.push_back(found == nullptr ? field : StoredField(field, **found));
    }
    return arrow::struct_(std::move(fields));
  }
  if (wanted->id() == arrow::Type::LIST) {
    const auto& element = wanted->field(0);
    return arrow::list(element->WithType(StoredType(element->type(), *annotated.field(0)->type())));
  }
  if (wanted->id() == arrow::Type::MAP) {
    const auto& map = static_cast<const arrow::MapType&>(*wanted);
    const auto& stored = static_cast<const arrow::MapType&>(annotated);
    return arrow::map(StoredType(map.key_type(), *stored.key_type()),
                      map.item_field()->WithType(StoredType(map.item_type(), *stored.item_type())));
  }
  return wanted;
}

Result<int64_t> RowsOf(const internal::FilePlaces& places, const DataFile& file) {
  if (file.rows) return *file.rows;
  return internal::CountRows(places, file);
}

}  // namespace

StoredColumns StoredAs(const Snapshot& snapshot, const arrow::Schema& wanted) {
  const TableState& state = StateOf(snapshot);
  const internal::ColumnMapping mapping = internal::MappingOf(state.metadata());
  if (mapping == internal::ColumnMapping::kNone) return {};
  arrow::FieldVector fields;
  for (const auto& field : wanted.fields()) {
    const auto* found = FindByName(state.annotated_schema()->fields(), field->name());
    fields.push_back(found == nullptr ? field : StoredField(field, **found));
  }
  return {.schema = arrow::schema(std::move(fields)),
          .match_field_ids = mapping == internal::ColumnMapping::kId};
}

std::string NameInLog(const Snapshot& snapshot, std::string_view column) {
  const TableState& state = StateOf(snapshot);
  if (internal::MappingOf(state.metadata()) != internal::ColumnMapping::kNone) {
    const auto* field = FindByName(state.annotated_schema()->fields(), column);
    const std::string name =
        field == nullptr ? "" : internal::Annotation(**field, "delta.columnMapping.physicalName");
    if (!name.empty()) return name;
  }
  return std::string(column);
}

Result<std::shared_ptr<arrow::Scalar>> PartitionValueOf(const Snapshot& snapshot,
                                                        const DataFile& file,
                                                        std::string_view column,
                                                        const std::string& zone) {
  const auto* field = FindByName(snapshot.schema()->fields(), column);
  if (field == nullptr) return Invalid("the table has no column '{}'", column);
  return internal::PartitionValueOf(file, NameInLog(snapshot, column), (*field)->type(), zone);
}

Result<columnar::RowRuns> DeletedRows(const DeltaTable& table, const DataFile& file) {
  if (file.deletion_vector == nullptr) return columnar::RowRuns();
  const internal::FilePlaces places(table.store(), table.root(), table.foreign());
  SLUICE_ASSIGN_OR_RETURN(const int64_t rows, RowsOf(places, file));
  SLUICE_ASSIGN_OR_RETURN(const internal::RowSet set, internal::ReadRowSet(places, file, {}, rows),
                          "file '{}'", file.path);
  return set.Runs();
}

Result<ChangedFiles> ListChanges(const DeltaTable& table, Version from, std::optional<Version> to,
                                 size_t files_max) {
  SLUICE_ASSIGN_OR_RETURN(auto log, internal::ChangeLog::Open(table, from, to), "table '{}'",
                          table.name());
  const internal::FilePlaces places(table.store(), table.root(), table.foreign());
  ChangedFiles changed{.last = log.last(), .files = {}};
  for (Version version = log.from(); version <= log.to(); ++version) {
    SLUICE_ASSIGN_OR_RETURN(internal::CommitChanges changes, log.Read(version),
                            "table '{}', version {}", table.name(), version);
    for (internal::ChangePiece& piece : changes.pieces) {
      if (changed.files.size() == files_max) {
        return Unsupported("the changes from version {} to {} have more than {} files", from,
                           log.to(), files_max);
      }
      ChangedFile file{.file = std::move(piece.file),
                       .change_type = piece.rows.change_type,
                       .deleted = {},
                       .version = version,
                       .commit_ms = changes.commit_ms};
      if (!piece.rows.all) {
        SLUICE_ASSIGN_OR_RETURN(const int64_t rows, RowsOf(places, file.file));
        SLUICE_ASSIGN_OR_RETURN(const internal::RowSet wanted,
                                internal::ReadRowSet(places, file.file, piece.rows, rows),
                                "file '{}'", file.file.path);
        file.deleted = wanted.Runs().Others(rows);
      } else {
        SLUICE_ASSIGN_OR_RETURN(file.deleted, DeletedRows(table, file.file));
      }
      changed.files.push_back(std::move(file));
    }
  }
  return changed;
}

}  // namespace sluice::lake
