#include "sluice/ledger/carried_over.h"

#include <algorithm>
#include <set>

#include "sluice/lake/commit.h"
#include "sluice/ledger/entries.h"
#include "sluice/ledger/internal/oldest_state.h"
#include "sluice/ledger/proof.h"

namespace sluice::ledger {

namespace {

using internal::SnapshotPtr;
using lake::Transaction;
using lake::Version;

/// `removed`: how many rows of all landings the table counts then. Those of landings before, which
/// this one took over, count theirs on.
std::vector<Transaction> CountersFor(const lake::Snapshot& newest, const std::string& app_id,
                                     int64_t removed, Version until) {
  const std::string counter = app_id + std::string(kRemovedCounter);
  const int64_t own = newest.TransactionVersion(counter).value_or(0);
  const int64_t others = SumOfCounter(newest, kRemovedCounter) - own;
  return {{.app_id = counter, .version = std::max<int64_t>(0, removed - others)},
          {.app_id = app_id + std::string(kRemovedUntil), .version = until}};
}

/// Those of the commits (begin, end] that changed rows and landed none: what they took away, or put
/// back, may be more than nothing.
Result<std::set<Version>> Changes(const lake::DeltaTable& table, Version begin, Version end) {
  std::set<Version> changes;
  for (Version version = begin + 1; version <= end; ++version) {
    SLUICE_ASSIGN_OR_RETURN(const lake::Commit commit, lake::ReadCommit(table, version));
    const bool lands = std::ranges::any_of(
        commit.transactions, [](const Transaction& one) { return IsLanding(one.app_id); });
    if (commit.data_change && !lands) changes.insert(version);
  }
  return changes;
}

}  // namespace

std::optional<Version> RemovedCountedUntil(const lake::Snapshot& snapshot) {
  std::optional<Version> until;
  for (const auto& [app, transaction] : snapshot.transactions()) {
    if (!app.starts_with(kAppPrefix) || !app.ends_with(kRemovedUntil)) continue;
    until = std::max(until.value_or(0), transaction.version);
  }
  return until;
}

Result<std::vector<Transaction>> CarryOverRemoved(const lake::DeltaTable& table,
                                                  const SnapshotPtr& newest,
                                                  const std::string& app_id) {
  SLUICE_ASSIGN_OR_RETURN(const Proof proof, Prove(table, newest));
  int64_t removed = 0;
  for (const Removal& removal : proof.removals) {
    if (removal.cause == Cause::kRemoved) removed += removal.rows;
  }
  return CountersFor(*newest, app_id, removed, newest->version());
}

Result<std::vector<Transaction>> CarryOverRemovedUntil(const lake::DeltaTable& table,
                                                       const SnapshotPtr& newest, Version first,
                                                       const std::string& app_id) {
  SLUICE_ASSIGN_OR_RETURN(const Version oldest, lake::OldestCommit(table));
  const Version known = std::max(oldest, RemovedCountedUntil(*newest).value_or(0));
  if (known >= first) return std::vector<Transaction>();
  SLUICE_ASSIGN_OR_RETURN(const SnapshotPtr begin, internal::OldestState(table, known, newest));
  if (begin->version() > first) return NotFound("version {} cannot be read", first);
  SLUICE_ASSIGN_OR_RETURN(const std::set<Version> changes, Changes(table, begin->version(), first));
  if (changes.empty()) return std::vector<Transaction>();
  SLUICE_ASSIGN_OR_RETURN(const SnapshotPtr end, table.LoadAt(first));
  Entries entries;
  entries.Begin(*begin);
  SLUICE_RETURN_IF_ERROR(entries.Extend(table, *end));
  int64_t removed = 0;
  for (const Entry& entry : entries.entries()) {
    // What a landing lacks nobody took away, nor who only moves rows: that is a gap.
    if (entry.version && changes.contains(*entry.version)) removed += entry.removed;
  }
  if (removed == 0) return std::vector<Transaction>();
  return CountersFor(*newest, app_id, SumOfCounter(*newest, kRemovedCounter) + removed, first);
}

}  // namespace sluice::ledger
