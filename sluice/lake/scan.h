#pragma once
/// \file
/// Reading the rows of a table.

#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "sluice/columnar/batch.h"
#include "sluice/lake/delta_table.h"
#include "sluice/lake/expression.h"

namespace sluice::lake {

struct ScanOptions {
  /// In this order; absent: all columns of the table. Names are matched without regard to case.
  std::optional<std::vector<std::string>> columns = {};
  /// Rows for which it is not true are left out, files that cannot have others are not read.
  std::optional<Expression> filter = {};
  /// Only leave out files; rows are the caller's business.
  bool filter_files_only = false;
  /// Reads those of the snapshot's files alone; absent: all. By their path in the log.
  std::optional<std::set<std::string>> files = {};
  /// Adds `_row_id` and `_row_commit_version`: kUnsupported where the table does not track rows.
  bool row_ids = false;
  /// Adds `_file` (the path in the log) and `_file_row` (the position in it).
  bool positions = false;
  int64_t batch_rows = 64 * 1024;  ///< At most so many rows in a batch.
  int threads = 1;                 ///< Files that are read at the same time.
  /// The zone of timestamp partition values that do not name one: Delta does not say.
  std::string zone = "UTC";
};

/// The rows of one snapshot, batch by batch, as the protocol has them: deletion vectors applied,
/// columns mapped, partition values and missing columns filled in, types widened.
///
/// With one thread, rows come in the order of files and rows. Holds as many batches as twice the
/// threads, and the columns of one row group for each thread. Not thread-safe.
class Scan {
 public:
  /// kInvalid: there is no such column. `table` must outlive the scan.
  static Result<std::unique_ptr<Scan>> Open(const DeltaTable& table,
                                            std::shared_ptr<const Snapshot> snapshot,
                                            ScanOptions options = {});
  virtual ~Scan() = default;

  virtual const columnar::Schema& schema() const = 0;
  /// Returns the next rows, at least one; null at the end. kNotFound, kCorrupt, kUnsupported:
  /// naming the file.
  virtual Result<columnar::Batch> Next() = 0;
  /// Files of the snapshot, and those that the filter has left.
  virtual int64_t files_total() const = 0;
  virtual int64_t files_read() const = 0;
};

/// Returns the files of a snapshot that may have rows for which `filter` is true, by partition
/// values and statistics.
std::vector<DataFile> SelectFiles(const Snapshot& snapshot, const Expression& filter,
                                  const std::string& zone = "UTC");

}  // namespace sluice::lake
