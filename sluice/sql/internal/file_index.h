#pragma once
/// \file
/// What a table's log says of its files, for queries that need only some of them.

#include <memory>
#include <mutex>
#include <vector>

#include "sluice/columnar/batch.h"
#include "sluice/lake/delta_table.h"

namespace sluice::sql::internal {

/// Returns duck::Relation::indexed_files for the files of `snapshot`, which lie at `locations` in
/// the same order: bounds from partition values and statistics, for the columns of `schema` that
/// have an order there.
Result<columnar::Batch> IndexFiles(const lake::Snapshot& snapshot,
                                   const std::vector<std::string>& locations,
                                   const columnar::Schema& schema);

/// Keeps the indexes of the snapshots asked for last: reading the statistics of ten thousand files
/// takes tens of milliseconds.
///
/// Thread-safe.
class FileIndexes {
 public:
  Result<columnar::Batch> Get(const std::shared_ptr<const lake::Snapshot>& snapshot,
                              const std::vector<std::string>& locations,
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
