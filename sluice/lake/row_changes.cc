#include "sluice/lake/row_changes.h"

#include <arrow/api.h>

#include <set>

#include "sluice/lake/internal/read_plan.h"
#include "sluice/lake/internal/row_change.h"

namespace sluice::lake {

namespace {

using internal::RowChange;
using internal::RowMover;

// Deletes rows; `notes` says whether the change feed needs each of them.
Status Delete(RowChange& change, const std::vector<DataFile>& files,
              const std::optional<Expression>& condition, bool notes) {
  return change.MoveRows(files, [&](RowMover& mover, size_t i) -> Status {
    RowMover::Use note;
    if (notes) note = [&](const columnar::Batch& rows) { return mover.NoteChange(rows, "delete"); };
    SLUICE_ASSIGN_OR_RETURN(auto found, change.FindRows(files[i], condition));
    mover.report().rows_deleted += found.rows.count();
    return mover.TakeOut(files[i], std::move(found), note);
  });
}

// The files of the partitions that `rows` belong to. Those of others are not in the way.
Result<std::vector<DataFile>> FilesOfPartitions(RowChange& change,
                                                std::span<const columnar::Batch> rows) {
  std::set<PartitionValues> partitions;
  for (const columnar::Batch& batch : rows) {
    SLUICE_ASSIGN_OR_RETURN(const auto parts, internal::SplitByPartition(change.state(), batch));
    for (const auto& part : parts) {
      partitions.insert(internal::InLog(change.state(), part.values));
    }
  }
  std::vector<DataFile> files;
  for (const DataFile& file : change.state().files()) {
    if (partitions.contains(file.partition_values)) files.push_back(file);
  }
  change.change().reaches = [partitions](const DataFile& file) -> Result<bool> {
    return partitions.contains(file.partition_values);
  };
  return files;
}

// Readers of the feed see for themselves which rows a vector newly marks, and which files come and
// go; rows that leave a file by a copy must be told, and then all others, too.
bool NeedsNotes(const RowChange& change, const std::optional<Expression>& condition) {
  return change.has_change_feed() && condition && !change.marks();
}

}  // namespace

Result<ChangeReport> DeleteRows(DeltaTable& table, const std::optional<Expression>& condition,
                                const ChangeOptions& options) {
  return internal::MakeChange(table, options, "DELETE", [&](RowChange& change) -> Status {
    const auto files = change.Candidates(condition);
    return Delete(change, files, condition, NeedsNotes(change, condition));
  });
}

Result<ChangeReport> UpdateRows(DeltaTable& table, std::span<const Assignment> assignments,
                                const std::optional<Expression>& condition,
                                const ChangeOptions& options) {
  if (assignments.empty()) return Invalid("an update assigns no column");
  return internal::MakeChange(table, options, "UPDATE", [&](RowChange& change) -> Status {
    const auto files = change.Candidates(condition);
    return change.MoveRows(files, [&](RowMover& mover, size_t i) -> Status {
      SLUICE_ASSIGN_OR_RETURN(auto found, change.FindRows(files[i], condition));
      return mover.TakeOut(
          files[i], std::move(found), [&](const columnar::Batch& before) -> Status {
            SLUICE_ASSIGN_OR_RETURN(const columnar::Batch assigned,
                                    change.rules().Assign(*before, *before, assignments));
            SLUICE_ASSIGN_OR_RETURN(const columnar::Batch after, change.rules().Check(*assigned));
            mover.report().rows_updated += after->num_rows();
            SLUICE_RETURN_IF_ERROR(mover.NoteChange(before, "update_preimage"));
            SLUICE_RETURN_IF_ERROR(mover.NoteChange(after, "update_postimage"));
            return mover.WriteChanged(after, before);
          });
    });
  });
}

Result<ChangeReport> ReplaceRows(DeltaTable& table, std::span<const columnar::Batch> rows,
                                 const Replaced& replaced, const ChangeOptions& options) {
  using Which = Replaced::Which;
  if ((replaced.which == Which::kMatching) != replaced.condition.has_value()) {
    return Invalid("a condition is given with rows that replace what matches it, and only then");
  }
  return internal::MakeChange(table, options, "WRITE", [&](RowChange& change) -> Status {
    change.change().parameters = {{"mode", "Overwrite"}};
    std::vector<columnar::Batch> full;
    change.change().identities = change.rules().identities();
    for (const columnar::Batch& batch : rows) {
      std::vector<std::string> absent;
      SLUICE_ASSIGN_OR_RETURN(full.emplace_back(),
                              change.rules().Complete(*batch, change.change().identities, absent));
      if (!replaced.condition) continue;
      SLUICE_ASSIGN_OR_RETURN(const auto matching, replaced.condition->Filter(full.back()));
      if (matching->num_rows() < full.back()->num_rows()) {
        return Invalid("{} of the new rows do not match the condition of those they replace",
                       full.back()->num_rows() - matching->num_rows());
      }
    }
    std::vector<DataFile> files = change.Candidates(replaced.condition);
    if (replaced.which == Which::kPartitions) {
      SLUICE_ASSIGN_OR_RETURN(files, FilesOfPartitions(change, full));
    }
    const bool notes = NeedsNotes(change, replaced.condition);
    SLUICE_RETURN_IF_ERROR(Delete(change, files, replaced.condition, notes));
    RowMover& mover = change.mover();
    for (const columnar::Batch& batch : full) {
      mover.report().rows_inserted += batch->num_rows();
      if (notes) SLUICE_RETURN_IF_ERROR(mover.NoteChange(batch, "insert"));
      SLUICE_RETURN_IF_ERROR(mover.WriteNew(batch));
    }
    return {};
  });
}

}  // namespace sluice::lake
