#include "sluice/ledger/internal/oldest_state.h"

namespace sluice::ledger::internal {

Result<SnapshotPtr> OldestState(const lake::DeltaTable& table, lake::Version oldest,
                                const SnapshotPtr& newest) {
  auto state = table.LoadAt(oldest);
  if (state.ok() || state.error().code() != ErrorCode::kNotFound) return state;
  lake::Version before = oldest;
  SnapshotPtr begin = newest;
  while (begin->version() - before > 1) {
    const lake::Version middle = before + (begin->version() - before) / 2;
    state = table.LoadAt(middle);
    if (state.ok()) {
      begin = *state;
    } else if (state.error().code() == ErrorCode::kNotFound) {
      before = middle;
    } else {
      return state;
    }
  }
  return begin;
}

}  // namespace sluice::ledger::internal
