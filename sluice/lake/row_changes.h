#pragma once
/// \file
/// Changing rows of a table: DELETE, UPDATE, and replacing some rows by others.

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>

#include "sluice/columnar/batch.h"
#include "sluice/lake/delta_table.h"
#include "sluice/lake/expression.h"

namespace sluice::lake {

/// How rows leave a file.
enum class RowRemoval : uint8_t {
  kAsTableAsks,  ///< By vectors where `delta.enableDeletionVectors` is true, else by copies.
  kVectors,      ///< The file stays, and a deletion vector marks them.
  kCopies,       ///< Its other rows are written anew.
};

/// Has the commit count the rows that it deletes.
struct RowCounter {
  std::string app_id;  ///< Whose version is raised.
  std::string column;  ///< By the rows that have a value in it.
};

struct ChangeOptions {
  /// For the files that are written, and for the commit; `operation` is that of the change.
  AppendOptions write = {};
  RowRemoval removal = RowRemoval::kAsTableAsks;
  std::optional<RowCounter> count_deleted = {};
  /// So often a change is made again of the newest state when another writer was in its way.
  int conflicts_max = 10;
  std::string zone = "UTC";  ///< As in ScanOptions.
  /// A state to begin with that is not too old: it is brought up to date, instead of all being read
  /// again.
  std::shared_ptr<const Snapshot> since = {};
  /// Rows that commits with a transaction of this application add meanwhile, and nothing else, are
  /// not in the way: the change does not reach them. Empty: all rows are.
  std::string overtaken_by = {};
};

struct ChangeReport {
  std::shared_ptr<const Snapshot> snapshot;  ///< After the change, or as it was: no row matched.
  int64_t rows_deleted = 0;
  int64_t rows_updated = 0;
  int64_t rows_inserted = 0;
  int64_t rows_copied = 0;    ///< Written anew, as they were.
  int64_t files_added = 0;    ///< Without files of changes.
  int64_t files_removed = 0;  ///< No longer in the table.
  int64_t files_marked = 0;   ///< Have another deletion vector.
  int64_t conflicts = 0;      ///< So often it was made again.
};

/// A column and the expression, over the row as it was, for its new value.
struct Assignment {
  std::string column;
  Expression value;
};

/// Deletes the rows for which `condition` is true; all rows without one. Large files are copied by
/// the threads of the options, at most one a processor: memory is that of a row group for each.
///
/// The outcome is that of a change made alone, after the commits of other writers that it met: rows
/// that others have deleted in the same file stay deleted, and where others have added, changed or
/// moved rows that it would touch, it is made again (docs/adr/0013-rows-that-come-meanwhile.md).
/// Where `delta.isolationLevel` is WriteSerializable it passes rows that were appended blindly, as
/// if they had come later. A table with a change feed gets one. kInvalid: no such column, or the
/// condition is none. kUnsupported: the table only appends, or needs a feature that we do not have,
/// by name. kConflict: other writers were in the way more than `conflicts_max` times, or the
/// expectation of the options does not hold; nothing was changed.
///
/// The condition stands nowhere in the log, since it may quote values that are private.
Result<ChangeReport> DeleteRows(DeltaTable& table, const std::optional<Expression>& condition,
                                const ChangeOptions& options = {});

/// Assigns columns of the rows for which `condition` is true; of all rows without one. Constraints
/// are checked, generated columns follow, identity columns stay, and rows keep their row ids. Else
/// as DeleteRows(). kInvalid: also a value that does not fit its column, or breaks a constraint.
Result<ChangeReport> UpdateRows(DeltaTable& table, std::span<const Assignment> assignments,
                                const std::optional<Expression>& condition,
                                const ChangeOptions& options = {});

/// Which rows others take the place of.
struct Replaced {
  enum class Which : uint8_t {
    kAll,
    kMatching,    ///< Those for which `condition` is true, which all new rows must be, too.
    kPartitions,  ///< Those of the partitions that new rows belong to.
  };
  Which which = Which::kAll;
  std::optional<Expression> condition = {};  ///< With kMatching.
};

/// Puts `rows` in the place of others, in one commit. Batches may lack columns that have a default,
/// are generated, give out identities, or may be null. Else as DeleteRows(); kInvalid: also rows
/// that the table does not take, or that are not where they replace.
Result<ChangeReport> ReplaceRows(DeltaTable& table, std::span<const columnar::Batch> rows,
                                 const Replaced& replaced, const ChangeOptions& options = {});

}  // namespace sluice::lake
