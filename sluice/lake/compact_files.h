#pragma once
/// \file
/// Rewriting files without changing rows: fewer and fuller ones, without deleted rows, in an order
/// that queries like.

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "sluice/lake/delta_table.h"
#include "sluice/lake/expression.h"

namespace sluice::lake {

/// What rewriting takes of memory, beside the state of the table.
struct RewriteMemory {
  /// About so much at most, however large rows, row groups and files are, but for single rows and
  /// pages that are larger; then all is done on the caller's thread. 0: row groups of 64 MiB, and
  /// of what is read whole ones. A store that takes objects part by part may hold one of each file.
  int64_t bytes_max = 0;
  /// Told on the caller's thread how much it is, after each part; 0 in the end.
  std::function<void(int64_t bytes)> tell = {};
};

struct CompactOptions {
  /// For the files that are written; `operation` is OPTIMIZE. Columns of the rewritten files that
  /// have no bounds in the log get none, whatever stands here.
  AppendOptions write = {};
  /// Files are filled up to so many bytes; 0: `delta.targetFileSize`, 128 MiB if it does not say.
  int64_t file_bytes = 0;
  /// Files of which more than this part is deleted are rewritten, however large: 0 purges every row
  /// under a deletion vector, 1 none that is not in a small file anyway.
  double deleted_part_max = 0.3;
  /// False: files are rewritten for their deleted rows alone.
  bool small_files = true;
  /// For who compacts again and again while others write. Absent: any two small files become one.
  struct Tiers {
    /// A partition's small files are left alone until there are so many; at least 2.
    int files_min = 8;
    /// Partitions without a file that was written since then have no more to wait for: 2 are
    /// enough, and they come first.
    int64_t quiet_before_ms = 0;
  };
  /// Then a file waits until it can become part of one three times as large (half as large again,
  /// where no more will come), so that each row is written anew a few times only, however small
  /// the files are that come.
  std::optional<Tiers> tiers = {};
  /// Over partition columns and statistics: which files are looked at; absent: all.
  std::optional<Expression> where = {};
  std::string zone = "UTC";  ///< As in ScanOptions.
  /// So much is rewritten at most, in bytes of files; what is left is left for the next call.
  int64_t bytes_max = int64_t{1} << 40;
  /// So much is rewritten in one commit, so that a process that dies loses no more.
  int64_t commit_bytes_max = int64_t{1} << 30;
  /// Asked before files are read for each new one; false stops after what is begun.
  std::function<bool()> go_on = {};
  /// Told of the bytes of files that were read and written, part by part; to keep a pace, it may
  /// wait. False stops at once: what is begun is thrown away.
  std::function<bool(int64_t bytes)> pace = {};
  RewriteMemory memory = {};
  /// A state that is known already: only commits since then are read.
  std::shared_ptr<const Snapshot> since = {};
};

struct CompactReport {
  std::shared_ptr<const Snapshot> snapshot;
  int64_t files_removed = 0;
  int64_t files_added = 0;
  int64_t bytes_removed = 0;
  int64_t bytes_added = 0;
  int64_t rows = 0;         ///< Copied.
  int64_t rows_purged = 0;  ///< That were deleted by vectors, and are now in no file of the table.
  int64_t commits = 0;
  /// Files that other writers changed meanwhile: what was made of them was thrown away.
  int64_t files_lost = 0;
  /// ClusterFiles(): left as they are, because they are clustered already, or because a partition
  /// has only one and that is small.
  int64_t files_skipped = 0;
  int64_t bytes_skipped = 0;
  bool finished = true;  ///< False: `bytes_max`, `go_on` or `pace` ended it.
};

/// Puts the rows of small files, and of files with many deleted rows, into new ones, partition by
/// partition, in the order of the log. Its commits change no rows (`dataChange` false): writers
/// that append never conflict with it, and where others take files away, only those are left out.
/// Files that ClusterFiles() has written are no small files: they are rewritten for their deleted
/// rows alone.
///
/// Memory is as `memory` says. kUnsupported: the table needs a feature that we do not have.
Result<CompactReport> CompactFiles(DeltaTable& table, const CompactOptions& options = {});

}  // namespace sluice::lake
