#pragma once
/// \file
/// Changing rows that somebody else has found, such as an engine with a query language of its own.

#include <cstdint>
#include <functional>
#include <memory>
#include <span>

#include "sluice/columnar/batch.h"
#include "sluice/lake/delta_table.h"
#include "sluice/lake/row_changes.h"

namespace sluice::lake {

/// Where a row of a snapshot stands.
struct RowPlace {
  int64_t file = 0;  ///< Index into Snapshot::files().
  int64_t row = 0;   ///< Its position in the file, as Scan's `_file_row`.
};

/// Takes what becomes of rows of one snapshot. Not thread-safe.
///
/// Errors end the change. kInvalid: no such column, a value that the table does not take, or a row
/// that is changed twice. kCorrupt: there is no such row.
class RowEdits {
 public:
  virtual ~RowEdits() = default;
  /// A row may be named again: it is deleted once.
  virtual Status Delete(std::span<const RowPlace> places) = 0;
  /// Assigns all columns of `values`, whose rows are those of `places`. They are held in memory.
  virtual Status Update(std::span<const RowPlace> places, const columnar::Batch& values) = 0;
  /// Writes rows as ReplaceRows() takes them.
  virtual Status Insert(const columnar::Batch& rows) = 0;
  /// Edits depend on more rows of the table than those that are named: any that is added, changed
  /// or deleted meanwhile is in the way. All edits but kInsert depend on those that are added, and
  /// kMerge on all, anyway.
  virtual void LooksAtTable() = 0;
};

/// Which of them a change may ask for; also the operation that its commit names.
enum class EditKind : uint8_t { kDelete, kUpdate, kInsert, kMerge };

/// Finds the rows to change in `snapshot`, and tells `edits`.
using FindEdits =
    std::function<Status(const std::shared_ptr<const Snapshot>& snapshot, RowEdits& edits)>;

/// Makes one commit of all that `find` asks for; `find` is called again, of a newer snapshot, where
/// other writers were in the way. Errors and outcome as UpdateRows(), and those of `find`.
///
/// Holds the new values of updated rows, and 24 bytes for each; a bit for each row of the files
/// that lose some; rows that are inserted are written as they come.
Result<ChangeReport> EditRows(DeltaTable& table, EditKind kind, const FindEdits& find,
                              const ChangeOptions& options = {});

}  // namespace sluice::lake
