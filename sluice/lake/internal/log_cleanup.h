#pragma once
/// \file
/// Which files of a log are no longer needed.

#include <cstdint>
#include <set>
#include <string>
#include <vector>

#include "sluice/lake/internal/table_state.h"
#include "sluice/store/object_store.h"

namespace sluice::lake::internal {

struct ExpiredLog {
  std::vector<std::string> names;  ///< To delete, in this order.
  Version first = 0;               ///< With which the log begins then.
};

/// Returns the names to delete: commits first, so that a crash leaves nothing but what a later
/// clean-up takes. `log` is all of `_delta_log`, names relative to it. Empty where the table does
/// not want it, where no checkpoint is old enough, and where the store does not say how old its
/// objects are.
///
/// Kept are: the newest complete checkpoint that is not newer than the newest commit before the
/// retention, its commit, and all that follows.
ExpiredLog ExpiredLogFiles(const TableState& state, const std::vector<store::ObjectInfo>& log,
                           int64_t now_ms);

/// Returns the names, as above, of all that only versions before `first` need: where there is a
/// checkpoint of that version.
std::vector<std::string> LogFilesBefore(Version first, const std::vector<std::string>& names);

/// Returns those of `sidecars` (names in `_sidecars`) that are older than a day and not in `used`.
std::vector<std::string> ExpiredSidecars(const std::vector<store::ObjectInfo>& sidecars,
                                         const std::set<std::string>& used, int64_t now_ms);

}  // namespace sluice::lake::internal
