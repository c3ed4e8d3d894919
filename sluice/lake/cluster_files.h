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
  /// needs. Memory is this, and one row group of each new file.
  int64_t chunk_bytes = int64_t{256} << 20;
  /// False: what is clustered by these columns along this curve, as its tags say, is left as it is,
  /// unless there are new files in its partition and it is less than half a chunk: then it is
  /// clustered with those. True: all files are written anew.
  bool full = false;
  /// Over partition columns and statistics: which files are clustered; absent: all.
  std::optional<Expression> where = {};
  std::string zone = "UTC";  ///< As in ScanOptions.
  /// Asked before each chunk; false stops after those that are done.
  std::function<bool()> go_on = {};
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
