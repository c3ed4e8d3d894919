#pragma once
/// \file
/// The log of one table in its store: loading states, and putting commits on top of them.

#include <functional>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "sluice/lake/internal/checkpoint.h"
#include "sluice/lake/internal/log_names.h"
#include "sluice/lake/internal/table_state.h"
#include "sluice/store/object_store.h"

namespace sluice::lake::internal {

/// What to commit.
struct Proposal {
  /// The unique commitInfo.txnId in all that `make` returns: tells our commit from another's.
  std::string id;
  /// Returns the commit's bytes for the version after `state`; called again for each state that
  /// other writers make. Its error ends the try.
  std::function<Result<std::string>(const TableState& state)> make;
  /// Looked at after each race that was lost, before `make`: true ends the try as a success, with
  /// nothing of this proposal committed.
  std::function<bool(const TableState& state)> done = {};
  /// Told of each commit that other writers put in between, the oldest first.
  std::function<void(const Actions& winner)> lost_to = {};
  int attempts_max = 20;
};

struct Committed {
  StatePtr state;
  bool ours = true;  ///< False: `done` said so.
};

/// Thread-safe.
class TableLog {
 public:
  /// `store` must outlive the log.
  TableLog(store::ObjectStore& store, std::string_view root);

  /// Returns the newest state, or that at `target`. kNotFound: there is none.
  Result<StatePtr> Load(std::optional<Version> target) const;
  /// Returns the newest state, given an older one.
  Result<StatePtr> Advance(const StatePtr& since) const;
  /// Returns the newest state; only commits since a state of ours are read, if there is one.
  Result<StatePtr> NewestSince(const std::shared_ptr<const Snapshot>& since) const;

  /// Puts the proposal on top of `state`, or of what other writers put there meanwhile.
  /// kConflict: from `make` alone. kUnavailable: the outcome may be unknown.
  Result<Committed> Commit(StatePtr state, const Proposal& proposal) const;

  /// Writes the table's first commit. kConflict: there is a log already.
  Result<StatePtr> Create(const std::string& id, std::string_view bytes) const;

  /// Writes the kind of checkpoint that the table asks for. `unique`, a UUID, names its files where
  /// the version alone does not.
  Status WriteCheckpoint(const TableState& state, int64_t now_ms, const std::string& unique) const;

  /// Writes one file that stands for all commits from `first` to `last`, unless there is one.
  Status Compact(Version first, Version last) const;

  /// Deletes what ExpiredLogFiles() and ExpiredSidecars() name; returns how many. `before`: as
  /// DeltaTable::CleanUpLog() has it.
  Result<int64_t> CleanUp(const TableState& state, int64_t now_ms,
                          const std::function<Status(Version first)>& before) const;

  /// Deletes all that only versions before `first` need, whatever its age; returns how many.
  /// kCorrupt: `first` has no checkpoint that can be read, so nothing was deleted.
  Result<int64_t> Trim(Version first) const;

 private:
  std::string Path(std::string_view name) const;
  Result<LogListing> List(std::string_view after) const;
  Result<StatePtr> Build(const LogListing& listing, std::optional<Version> target) const;
  /// Reads what makes up a version, from a checkpoint or the beginning.
  Result<Replay> Gather(const LogListing& listing, const CheckpointFiles* checkpoint,
                        Version version) const;
  Status ReadCheckpointFiles(const CheckpointFiles& checkpoint, Replay& replay) const;
  /// Reads one of them, or a sidecar.
  Status ReadPart(const std::string& name, const std::function<void(Actions)>& sink) const;
  Result<Actions> ReadCommit(Version version) const;
  Result<Actions> ReadActions(const std::string& name) const;
  /// Replays commits, given the newest first.
  Status ReplayFiles(std::span<const std::string> names, Replay& replay) const;
  Result<CheckpointBytes> PutCheckpointWithSidecar(const TableState& state, int64_t now_ms,
                                                   const std::string& unique) const;
  std::optional<Version> ReadHint() const;
  /// Deletes files of the log, in this order, then sidecars that no checkpoint names any more and
  /// that `expired` chooses, given those that are named.
  using ExpiredOf = std::function<std::vector<std::string>(
      const std::vector<store::ObjectInfo>& sidecars, const std::set<std::string>& used)>;
  Result<int64_t> DeleteFiles(const std::vector<std::string>& names,
                              const ExpiredOf& expired) const;
  Result<StatePtr> After(const StatePtr& state, Actions actions) const;
  /// Returns the newest state, given the commit right after an older one.
  Result<StatePtr> Follow(const StatePtr& state, Actions winner, const Proposal& proposal) const;

  store::ObjectStore& store_;
  const std::string folder_;  // With its final '/'.
};

}  // namespace sluice::lake::internal
