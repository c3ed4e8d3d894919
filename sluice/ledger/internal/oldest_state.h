#pragma once
/// \file
/// The state with which what a log tells begins.

#include "sluice/base/error.h"
#include "sluice/lake/delta_table.h"
#include "sluice/ledger/internal/offset_reader.h"

namespace sluice::ledger::internal {

/// Returns the oldest state that can be read, from version `oldest` on, or `newest` if none before
/// it can: who was killed while it trimmed the log has left commits without the state before them.
Result<SnapshotPtr> OldestState(const lake::DeltaTable& table, lake::Version oldest,
                                const SnapshotPtr& newest);

}  // namespace sluice::ledger::internal
