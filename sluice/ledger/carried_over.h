#pragma once
/// \file
/// What commits that leave the log said of rows that are gone.

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "sluice/base/error.h"
#include "sluice/lake/delta_table.h"

namespace sluice::ledger {

/// The version that `#removed_until` of the snapshot says; absent: it says none.
std::optional<lake::Version> RemovedCountedUntil(const lake::Snapshot& snapshot);

/// Returns `#removed` and `#removed_until` of landing `app_id` for a commit that stands when all
/// those up to `newest` leave the log: all that Prove() finds taken away and not counted otherwise.
/// What no commit explains is not in it: it stays a gap. Errors as Prove().
Result<std::vector<lake::Transaction>> CarryOverRemoved(
    const lake::DeltaTable& table, const std::shared_ptr<const lake::Snapshot>& newest,
    const std::string& app_id);

/// Likewise before the log begins with version `first`, by the log alone: no data file is read, and
/// those that are gone meanwhile need not be there. Nothing is returned where nobody took rows away
/// since what is counted.
Result<std::vector<lake::Transaction>> CarryOverRemovedUntil(
    const lake::DeltaTable& table, const std::shared_ptr<const lake::Snapshot>& newest,
    lake::Version first, const std::string& app_id);

}  // namespace sluice::ledger
