#pragma once
/// \file
/// A new table that begins as another one is.

#include <cstdint>
#include <memory>

#include "sluice/lake/delta_table.h"

namespace sluice::lake {

enum class CloneKind : uint8_t {
  /// The new log names the files where they lie. A vacuum of the source takes from the clone what
  /// the source no longer has.
  kShallow,
  /// Files are copied, some MiB of them in memory at a time.
  kDeep,
};

struct CloneReport {
  std::shared_ptr<const Snapshot> snapshot;  ///< Of the clone.
  int64_t files = 0;
  int64_t files_copied = 0;  ///< Those that a call before had not copied yet.
  int64_t bytes_copied = 0;
};

/// Makes `target` the table that `snapshot` of `source` is: its rows, columns, properties, features
/// and row ids, under an id of its own; without its history and its transactions. One commit.
///
/// A deep clone that was broken off goes on where it was when it is made again. kConflict: there is
/// a table already. kNotFound: a file of the source is gone, by name. kUnsupported: the source
/// needs a feature that we do not have, by name.
Result<CloneReport> CloneTable(const DeltaTable& source, const Snapshot& snapshot,
                               DeltaTable& target, CloneKind kind);

}  // namespace sluice::lake
