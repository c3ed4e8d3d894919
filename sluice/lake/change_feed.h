#pragma once
/// \file
/// What changed in a table from one version to another, row by row.

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "sluice/columnar/batch.h"
#include "sluice/lake/delta_table.h"

namespace sluice::lake {

struct ChangeFeedOptions {
  Version from = 0;                ///< The first version whose changes are read.
  std::optional<Version> to = {};  ///< The last one; absent: the newest.
  std::optional<std::vector<std::string>> columns = {};  ///< Absent: all.
  int64_t batch_rows = 64 * 1024;
  std::string zone = "UTC";  ///< As in ScanOptions.
};

/// The changes of a table that has `delta.enableChangeDataFeed`, in the order of versions.
///
/// Rows have the columns of the newest of the versions, then `_change_type` (`insert`, `delete`,
/// `update_preimage`, `update_postimage`), `_commit_version` and `_commit_timestamp`. Where a
/// commit has no files of changes, they follow from the files it adds and removes, and from their
/// deletion vectors. Not thread-safe.
class ChangeFeed {
 public:
  /// kInvalid: no such column, or `to` before `from`. kNotFound: a version is not, or no longer,
  /// there. kUnsupported: the feed was off at a version, which is named. `table` must outlive it.
  static Result<std::unique_ptr<ChangeFeed>> Open(const DeltaTable& table,
                                                  ChangeFeedOptions options);
  virtual ~ChangeFeed() = default;

  virtual const columnar::Schema& schema() const = 0;
  /// Returns the next changes; null at the end.
  virtual Result<columnar::Batch> Next() = 0;
};

}  // namespace sluice::lake
