#pragma once
/// \file
/// Erasure: rows leave a table so that none of their values is left in its folder.

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "sluice/lake/delta_table.h"
#include "sluice/lake/expression.h"
#include "sluice/lake/find_values.h"
#include "sluice/lake/row_changes.h"

namespace sluice::lake {

/// Which rows: those for which a condition is true, or that have one of the values in a column.
/// Neither: none, and what an erasure before did not get to is done.
struct ErasedRows {
  std::optional<Expression> condition = {};
  std::string column = {};
  /// As texts, which are cast to the column's type; each once.
  std::span<const std::string> values = {};
};

struct EraseOptions {
  /// For the files that are written, and the commits.
  AppendOptions write = {};
  std::string request;  ///< Names the request in the log and in the report: never a value.
  std::optional<RowCounter> count_deleted = {};
  /// Asked, before the log is trimmed, for what must outlive it: returns transactions for the
  /// commit that the log begins with then. Asked again when other writers take rows away meanwhile.
  std::function<Result<std::vector<Transaction>>(const std::shared_ptr<const Snapshot>& newest)>
      carry_over = {};
  /// Files that no commit names may be those of a writer that is about to: younger ones stay, and
  /// are reported. 0: nobody else writes.
  std::chrono::milliseconds unnamed_age = std::chrono::hours(24);
  std::string zone = "UTC";  ///< As in ScanOptions.
};

struct EraseReport {
  std::shared_ptr<const Snapshot> snapshot;
  std::string request;
  int64_t rows_erased = 0;
  int64_t rows_purged = 0;   ///< Deleted before, but still in files: gone, too.
  int64_t rows_copied = 0;   ///< The others of the files that were written anew.
  int64_t files_before = 0;  ///< Objects in the folder, of the log and all else.
  int64_t files_after = 0;
  int64_t bytes_before = 0;
  int64_t bytes_after = 0;
  int64_t data_files_deleted = 0;  ///< And deletion vectors, and files of changes.
  int64_t log_files_deleted = 0;
  Version version_before = 0;  ///< The newest when it began.
  /// The oldest version that can still be read; those before are gone since `gone_ms`.
  Version oldest_version = 0;
  int64_t began_ms = 0;
  int64_t gone_ms = 0;
  /// Files that no commit names and that are too young to be deleted: the first 1,000.
  std::vector<std::string> files_left = {};
};

/// Deletes rows, writes every file anew that still holds deleted ones, deletes all files that the
/// newest version does not need (data, deletion vectors, files of changes), writes a checkpoint of
/// what is left, and trims the log to it, since commits keep the smallest and largest values of
/// files. Then no version from before can be read, and none of the values is left in the folder;
/// but in names of folders, if they partition the table. FindValues() proves it.
///
/// May be made again at any time, and then does what a crash has left undone. Readers of older
/// versions lose their files, writers that have begun on an older version may have to begin again.
/// Memory as DeleteRows(), MergeRows() and CompactFiles(). kUnsupported: the table only appends, or
/// protects its log; else errors as DeleteRows().
Result<EraseReport> EraseRows(DeltaTable& table, const ErasedRows& rows,
                              const EraseOptions& options);

}  // namespace sluice::lake
