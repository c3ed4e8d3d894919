#pragma once
/// \file
/// Clustering: rows that are near each other in several columns come into the same files, so that
/// a question about any of these columns leaves most files out.

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "sluice/lake/compact_files.h"
#include "sluice/lake/delta_table.h"
#include "sluice/lake/expression.h"

namespace sluice::lake {

enum class Curve : uint8_t {
  kHilbert,  ///< Keeps neighbours together best.
  kZOrder,   ///< Simpler, and a little worse.
};

struct ClusterOptions {
  /// For the files that are written, and the commits.
  AppendOptions write = {};
  /// One to four top-level columns with an order and statistics, none that partitions the table.
  /// Empty: those that the table itself is clustered by.
  std::vector<std::string> columns = {};
  Curve curve = Curve::kHilbert;
  /// Files are filled up to so many bytes; 0: a sixteenth of `chunk_bytes`, or as
  /// `delta.targetFileSize` says if that is less.
  int64_t file_bytes = 0;
  /// Files of so many bytes are clustered with one another; the more, the fewer files a question
  /// needs. Without a limit, memory is one row group of each new file.
  int64_t chunk_bytes = int64_t{256} << 20;
  /// False: what is clustered by these columns along this curve, as its tags say, is left as it is,
  /// unless there are new files in its partition and it is less than half a chunk: then it is
  /// clustered with those. True: all files are written anew.
  bool full = false;
  /// For who clusters again and again while others write; absent: all that is new is clustered now.
  struct Due {
    /// A partition waits until it has so many bytes of files that are not clustered,
    int64_t bytes_min = 0;
    /// or none of them was written since then.
    int64_t quiet_before_ms = 0;
  };
  /// Then new files are not clustered with more than three times as many bytes that are clustered
  /// already, so that each row is written anew a few times only.
  std::optional<Due> due = {};
  /// Over partition columns and statistics: which files are clustered; absent: all.
  std::optional<Expression> where = {};
  std::string zone = "UTC";  ///< As in ScanOptions.
  /// So much is rewritten at most, in bytes of files, but one chunk is; the rest is left for the
  /// next call.
  int64_t bytes_max = int64_t{1} << 40;
  /// Asked before each chunk; false stops after those that are done.
  std::function<bool()> go_on = {};
  /// As CompactOptions::pace.
  std::function<bool(int64_t bytes)> pace = {};
  /// The less it is, the smaller the row groups of the new files are.
  RewriteMemory memory = {};
  /// A state that is known already: only commits since then are read.
  std::shared_ptr<const Snapshot> since = {};
};

/// Writes rows of files that are not clustered yet anew along a curve through the ranks of their
/// values, partition by partition, a commit for each chunk. It changes no rows and gives way to
/// other writers, as CompactFiles() does.
///
/// kInvalid: no such column, one without statistics, or none at all. kUnsupported: a column without
/// an order, or inside of a struct; or the table needs a feature that we do not have.
Result<CompactReport> ClusterFiles(DeltaTable& table, const ClusterOptions& options = {});

}  // namespace sluice::lake
