#include "sluice/lake/row_changes.h"

#include <arrow/api.h>

#include "sluice/lake/internal/read_plan.h"
#include "sluice/lake/internal/row_change.h"

namespace sluice::lake {

namespace {

using internal::RowChange;
using internal::TableChange;

// Returns the files that may have rows for the condition, and notes what the change has looked at.
std::vector<DataFile> Candidates(RowChange& change, const std::optional<Expression>& condition,
                                 const ChangeOptions& options) {
  change.change().read = condition ? TableChange::Read::kMatching : TableChange::Read::kEverything;
  change.change().condition = condition;
  if (!condition) return {change.state().files().begin(), change.state().files().end()};
  return SelectFiles(change.state(), *condition, options.zone);
}

}  // namespace

Result<ChangeReport> DeleteRows(DeltaTable& table, const std::optional<Expression>& condition,
                                const ChangeOptions& options) {
  return internal::MakeChange(table, options, "DELETE", [&](RowChange& change) -> Status {
    RowChange::Use note;
    // Readers of the feed see for themselves which rows a vector newly marks, and which files went.
    if (change.has_change_feed() && condition && !change.marks()) {
      note = [&](const columnar::Batch& rows) { return change.NoteChange(rows, "delete"); };
    }
    for (const DataFile& file : Candidates(change, condition, options)) {
      SLUICE_ASSIGN_OR_RETURN(auto found, change.FindRows(file, condition));
      change.report().rows_deleted += found.rows.count();
      SLUICE_RETURN_IF_ERROR(change.TakeOut(file, std::move(found), note));
    }
    return {};
  });
}

Result<ChangeReport> UpdateRows(DeltaTable& table, std::span<const Assignment> assignments,
                                const std::optional<Expression>& condition,
                                const ChangeOptions& options) {
  if (assignments.empty()) return Invalid("an update assigns no column");
  return internal::MakeChange(table, options, "UPDATE", [&](RowChange& change) -> Status {
    const auto update = [&](const columnar::Batch& before) -> Status {
      SLUICE_ASSIGN_OR_RETURN(const columnar::Batch assigned,
                              change.rules().Assign(*before, *before, assignments));
      SLUICE_ASSIGN_OR_RETURN(const columnar::Batch after, change.rules().Check(*assigned));
      change.report().rows_updated += after->num_rows();
      SLUICE_RETURN_IF_ERROR(change.NoteChange(before, "update_preimage"));
      SLUICE_RETURN_IF_ERROR(change.NoteChange(after, "update_postimage"));
      return change.WriteChanged(after, before);
    };
    for (const DataFile& file : Candidates(change, condition, options)) {
      SLUICE_ASSIGN_OR_RETURN(auto found, change.FindRows(file, condition));
      SLUICE_RETURN_IF_ERROR(change.TakeOut(file, std::move(found), update));
    }
    return {};
  });
}

}  // namespace sluice::lake
