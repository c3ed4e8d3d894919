#pragma once
/// \file
/// Bringing a table back to an older version of itself.

#include <cstdint>
#include <memory>

#include "sluice/lake/delta_table.h"

namespace sluice::lake {

struct RestoreOptions {
  int attempts_max = 20;  ///< Commits that lose their race.
};

struct RestoreReport {
  std::shared_ptr<const Snapshot> snapshot;  ///< After the restore, or as it was: nothing differs.
  int64_t files_restored = 0;
  int64_t files_removed = 0;
};

/// Makes one commit after which the table has the rows, the columns and the properties that it had
/// at `target` (VersionAt() finds that of a time). Later versions stay in the log, and can be
/// restored in turn; rows that other writers add before the commit go, too.
///
/// What never goes back: the protocol, whether and how rows are tracked and commits have times,
/// column ids, how far identity columns have come, and transactions of applications: who counts
/// what it has written by those must look at what went. Rows keep their ids.
///
/// kNotFound: the log no longer has that version; or files of it are gone, with their number and
/// the first one's name: a vacuum has deleted them. kUnsupported: the table only appends, or needs
/// a feature that we do not have, by name. Nothing was changed then.
Result<RestoreReport> RestoreTable(DeltaTable& table, Version target,
                                   const RestoreOptions& options = {});

}  // namespace sluice::lake
