#pragma once
/// \file
/// Deleting files that no version of a table needs any more.

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "sluice/lake/delta_table.h"

namespace sluice::lake {

struct VacuumOptions {
  /// Files that left the table, or were written, longer ago are deleted; absent:
  /// `delta.deletedFileRetentionDuration`, 7 days if it does not say.
  std::optional<std::chrono::milliseconds> retention = {};
  /// At least so long, whatever the table says: for who knows how long its readers take.
  std::chrono::milliseconds retention_min{0};
  /// A retention under the table's own: readers of older versions, and writers that are still at
  /// work, lose their files.
  bool allow_short_retention = false;
  /// Files that a commit in the log names, and the newest version does not, are deleted whatever
  /// their age: only for unnamed ones, which may be those of a writer at work, the retention holds.
  bool named_at_any_age = false;
  /// Only say what would go.
  bool dry_run = false;
  /// So many files are deleted at most; what is left is left for the next call.
  int64_t files_max = INT64_MAX;
  /// Paths in the table, as the store spells them, that somebody still reads.
  std::function<bool(std::string_view path)> in_use = {};
  /// Asked for each file, before a few hundred are deleted together; false stops.
  std::function<bool()> go_on = {};
  /// A state that is known already: only commits since then are read.
  std::shared_ptr<const Snapshot> since = {};
};

struct VacuumReport {
  std::shared_ptr<const Snapshot> snapshot;
  int64_t files_deleted = 0;  ///< With `dry_run`: that would be.
  int64_t bytes_deleted = 0;
  int64_t files_kept = 0;  ///< Of the table, or too young.
  int64_t files_in_use = 0;
  bool finished = true;  ///< False: `files_max` or `go_on` ended it.
  /// Of those that were, or would be, deleted: the first 1,000, as the store spells them.
  std::vector<std::string> paths = {};
  /// With `named_at_any_age`, of those that were kept: files that no commit names, the first 1,000.
  std::vector<std::string> unnamed = {};
};

/// Deletes the files in the table's folder that are neither in the newest version nor left it
/// within the retention, nor are younger than that: data files, deletion vectors, files of changes.
/// Those whose time of writing the store does not tell stay, as do those that a copy of
/// `table` began to write within the retention and has not committed. Never those whose name, or
/// folder, begins with `_` or `.` (but `_change_data` and partitions of such a column), and nothing
/// that lies elsewhere. What is deleted stands in the log before and after, as Spark writes it.
///
/// Older versions that need the files can no longer be read. kInvalid: a retention under the
/// table's own, without leave. kUnsupported: the table needs a writer feature that we do not have.
Result<VacuumReport> Vacuum(DeltaTable& table, const VacuumOptions& options = {});

}  // namespace sluice::lake
