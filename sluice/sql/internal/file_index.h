#pragma once
/// \file
/// What a table's log says of its files, for queries that need only some of them, or some of their
/// rows.

#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "sluice/columnar/batch.h"
#include "sluice/lake/delta_table.h"
#include "sluice/lake/stored_files.h"

namespace sluice::sql::internal {

/// Returns duck::Relation::indexed_files for all files of `snapshot`, in its order: bounds from
/// partition values and statistics for the columns of `schema` that have an order there, partition
/// values, deleted rows. Reads the deletion vectors.
Result<columnar::Batch> IndexFiles(const lake::DeltaTable& table, const lake::Snapshot& snapshot,
                                   const columnar::Schema& schema);

/// The same for files of changes: with `_change_type`, `_commit_version` and `_commit_timestamp`.
Result<columnar::Batch> IndexChanges(const lake::DeltaTable& table,
                                     const lake::ChangedFiles& changes,
                                     const columnar::Schema& schema);

/// Whether the files of a snapshot, read as they are, are not the table.
bool NeedsIndex(const lake::Snapshot& snapshot);

/// Keeps the indexes of the snapshots asked for last: reading the statistics of ten thousand files
/// takes tens of milliseconds.
///
/// Thread-safe.
class FileIndexes {
 public:
  Result<columnar::Batch> Get(const lake::DeltaTable& table,
                              const std::shared_ptr<const lake::Snapshot>& snapshot,
                              const columnar::Schema& schema);

 private:
  struct Kept {
    std::weak_ptr<const lake::Snapshot> snapshot;
    columnar::Batch index;
  };
  std::mutex mutex_;  // Guards kept_; not held while an index is made.
  std::vector<Kept> kept_;
};

}  // namespace sluice::sql::internal
