#pragma once
/// \file
/// Reads the offsets that stand in a table's files.

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <set>
#include <string>

#include "sluice/base/error.h"
#include "sluice/lake/delta_table.h"

namespace sluice::ledger::internal {

using SnapshotPtr = std::shared_ptr<const lake::Snapshot>;

/// Calls `visit` with the offset of each row of the named files, all if absent; with nothing for
/// rows without one. kInvalid: the table has no such column.
Status VisitOffsets(const lake::DeltaTable& table, const SnapshotPtr& snapshot, int threads,
                    const std::optional<std::set<std::string>>& files,
                    const std::function<void(std::optional<int64_t>)>& visit);

}  // namespace sluice::ledger::internal
