#include "sluice/lake/internal/table_log.h"

#include <simdjson.h>

#include <algorithm>
#include <atomic>
#include <map>
#include <optional>
#include <set>
#include <thread>

#include "sluice/base/percent.h"
#include "sluice/lake/internal/log_cleanup.h"
#include "sluice/lake/internal/path_encoding.h"
#include "sluice/lake/internal/store_file.h"
#include "sluice/lake/internal/version_checksum.h"

namespace sluice::lake::internal {

namespace {

constexpr std::string_view kHintName = "_last_checkpoint";
// Another program may clean the log up between our listing and our reading.
constexpr int kLoadAttempts = 3;
// Fewer commits are read before the threads for them have started.
constexpr size_t kCommitsForThreads = 8;
constexpr size_t kThreadsMax = 4;
// So many are followed at a time after a lost race; beyond them the next put tells of more.
constexpr size_t kCommitsAhead = 100;
// Tables want checkpoints this often, if they do not say otherwise.
constexpr Version kCommitsBeforeHint = 10;

// Returns the files of all commits after `base` up to `version`, the newest first; a compacted one
// in the place of several where there is one.
Result<std::vector<std::string>> CommitsAfter(Version base, Version version,
                                              const LogListing& listing,
                                              std::span<const CompactedCommits> compacted) {
  std::map<Version, const CompactedCommits*> by_last;  // The one that goes back furthest.
  for (const CompactedCommits& file : compacted) {
    if (file.first <= base) continue;
    const auto [known, is_new] = by_last.emplace(file.last, &file);
    if (!is_new && file.first < known->second->first) known->second = &file;
  }
  std::vector<std::string> names;
  std::optional<Version> missing;
  for (Version v = version; v > base;) {
    if (const auto found = by_last.find(v); found != by_last.end()) {
      names.push_back(found->second->name);
      v = found->second->first - 1;
      continue;
    }
    if (const auto commit = listing.commits.find(v); commit != listing.commits.end()) {
      names.push_back(commit->second);
    } else {
      missing = v;
    }
    --v;
  }
  if (!missing) return names;
  if (*missing == 0 && !listing.commits.empty()) {
    return NotFound("version {} is no longer there: the log begins at {} without a checkpoint",
                    version, listing.commits.begin()->first);
  }
  return Corrupt("the log has a gap: version {} of {} is missing", *missing, version);
}

/// Returns the newest state, given one that the log no longer has. kConflict: it is older, or the
/// proposal must know what happened in between.
Result<StatePtr> NewestOf(const TableLog& log, const TableState& gone, const Proposal& proposal) {
  SLUICE_ASSIGN_OR_RETURN(StatePtr newest, log.Load(std::nullopt));
  if (newest->version() <= gone.version()) {
    return Conflict(
        "the log has had version {}, and the newest that is there now is {}: was an older copy of "
        "the table put in its place?",
        gone.version(), newest->version());
  }
  if (proposal.lost_to) {
    return Conflict(
        "the log begins behind version {} since; what changed in between cannot be told, so begin "
        "again",
        gone.version());
  }
  return newest;
}

}  // namespace

TableLog::TableLog(store::ObjectStore& store, std::string_view root)
    : store_(store), folder_(root.empty() ? "_delta_log/" : fmt::format("{}/_delta_log/", root)) {}

std::string TableLog::Path(std::string_view name) const { return folder_ + std::string(name); }

Result<LogListing> TableLog::List(std::string_view after) const {
  // All versions begin with a zero; so `_sidecars` and other folders are not walked.
  SLUICE_ASSIGN_OR_RETURN(const auto objects,
                          store_.List(Path("0"), after.empty() ? "" : Path(after)));
  std::vector<std::string> names;
  names.reserve(objects.size());
  for (const auto& object : objects) names.push_back(object.path.substr(folder_.size()));
  return ClassifyLog(names);
}

std::optional<Version> TableLog::ReadHint() const {
  const auto text = store_.Get(Path(kHintName));
  if (!text.ok()) return std::nullopt;  // A hint: whatever is wrong with it, the listing decides.
  simdjson::dom::parser parser;
  Version version = -1;
  if (parser.parse(text->data(), text->size())["version"].get(version) != simdjson::SUCCESS) {
    return std::nullopt;
  }
  return version < 0 ? std::nullopt : std::optional(version);
}

Result<StatePtr> TableLog::Load(std::optional<Version> target) const {
  Result<StatePtr> state = NotFound("there is no table");
  for (int attempt = 0; attempt < kLoadAttempts; ++attempt) {
    const auto hint = ReadHint();
    if (hint && (!target || *hint <= *target)) {
      SLUICE_ASSIGN_OR_RETURN(const LogListing recent, List(VersionName(*hint)));
      if (!recent.checkpoints.empty()) {
        state = Build(recent, target);
        if (state.ok() || state.error().code() == ErrorCode::kUnsupported) return state;
      }
    }
    SLUICE_ASSIGN_OR_RETURN(const LogListing all, List(""));
    if (all.commits.empty() && all.checkpoints.empty()) return NotFound("there is no table");
    state = Build(all, target);
    if (state.ok()) return state;
    // Files were removed since they were listed; or a folder that was listed while commits came had
    // a later one and not yet the one before it. What is really missing is so each time.
    const ErrorCode code = state.error().code();
    if (code != ErrorCode::kNotFound && code != ErrorCode::kCorrupt) return state;
  }
  return state;
}

Result<StatePtr> TableLog::Build(const LogListing& listing, std::optional<Version> target) const {
  Version newest = -1;
  if (!listing.commits.empty()) newest = listing.commits.rbegin()->first;
  if (!listing.checkpoints.empty()) newest = std::max(newest, listing.checkpoints.front().version);
  const Version version = target.value_or(newest);
  if (version < 0 || version > newest) {
    return NotFound("version {} does not exist; the newest is {}", version, newest);
  }
  std::optional<Error> first_error;
  for (const CheckpointFiles& checkpoint : listing.checkpoints) {
    if (checkpoint.version > version) continue;
    auto replay = Gather(listing, &checkpoint, version);
    if (replay.ok()) return replay->Finish(version, checkpoint.version);
    if (replay.error().code() == ErrorCode::kUnavailable) return std::move(replay).error();
    // Damaged, or its log has a gap: an older one, or the commits alone, may still do.
    if (!first_error) first_error = std::move(replay).error();
  }
  auto replay = Gather(listing, nullptr, version);
  if (replay.ok()) return replay->Finish(version, -1);
  return first_error ? *first_error : std::move(replay).error();
}

Result<Replay> TableLog::Gather(const LogListing& listing, const CheckpointFiles* checkpoint,
                                Version version) const {
  const Version base = checkpoint == nullptr ? -1 : checkpoint->version;
  SLUICE_ASSIGN_OR_RETURN(const auto names,
                          CommitsAfter(base, version, listing, listing.compacted));
  Replay replay;
  Status replayed = ReplayFiles(names, replay);
  if (!replayed.ok() && replayed.error().code() != ErrorCode::kUnavailable &&
      !listing.compacted.empty()) {
    // They are a shorter way alone: one that is damaged is as good as absent.
    SLUICE_ASSIGN_OR_RETURN(const auto all, CommitsAfter(base, version, listing, {}));
    replay = Replay();
    replayed = ReplayFiles(all, replay);
  }
  SLUICE_RETURN_IF_ERROR(replayed);
  if (checkpoint != nullptr) {
    SLUICE_RETURN_IF_ERROR(ReadCheckpointFiles(*checkpoint, replay));
  }
  const bool is_read = !names.empty() && names.front() == CommitName(version);
  if (!is_read && listing.commits.contains(version)) {
    // Nothing else has its time, and the next commit must follow it.
    const auto commit = ReadCommit(version);
    if (commit.ok()) replay.NoteCommitTime(commit->commit_ms);
  }
  return replay;
}

Status TableLog::ReadCheckpointFiles(const CheckpointFiles& checkpoint, Replay& replay) const {
  std::vector<std::string> sidecars;
  const auto sink = [&](Actions actions) {
    std::ranges::move(actions.sidecars, std::back_inserter(sidecars));
    replay.AddCheckpoint(std::move(actions));
  };
  for (const std::string& name : checkpoint.names) {
    SLUICE_RETURN_IF_ERROR(ReadPart(name, sink));
  }
  // Whatever its name says, a checkpoint with sidecars has its files there.
  const std::vector<std::string> found = std::move(sidecars);
  sidecars.clear();
  for (const std::string& sidecar : found) {
    SLUICE_RETURN_IF_ERROR(CheckRelativePath(sidecar));
    const std::string name = "_sidecars/" + PercentDecode(sidecar);
    SLUICE_RETURN_IF_ERROR(ReadPart(name, sink));
  }
  return {};
}

Status TableLog::ReadPart(const std::string& name, const std::function<void(Actions)>& sink) const {
  if (name.ends_with(".json")) {
    SLUICE_ASSIGN_OR_RETURN(Actions actions, ReadActions(name));
    sink(std::move(actions));
    return {};
  }
  if (store_.is_remote()) {  // One request, not one for each piece of each column.
    SLUICE_ASSIGN_OR_RETURN(const std::string bytes, store_.Get(Path(name)));
    SLUICE_RETURN_IF_ERROR(ReadCheckpoint(bytes, sink), "{}", name);
    return {};
  }
  SLUICE_ASSIGN_OR_RETURN(const auto info, store_.Head(Path(name)));
  const auto file =
      std::make_shared<StoreFile>(store_, Path(name), static_cast<int64_t>(info.size));
  const Status read = ReadCheckpoint(file, sink);
  if (const auto failure = file->failure()) return *failure;
  SLUICE_RETURN_IF_ERROR(read, "{}", name);
  return {};
}

Result<Actions> TableLog::ReadCommit(Version version) const {
  return ReadActions(CommitName(version));
}

Result<Actions> TableLog::ReadActions(const std::string& name) const {
  SLUICE_ASSIGN_OR_RETURN(const std::string bytes, store_.Get(Path(name)));
  SLUICE_ASSIGN_OR_RETURN(Actions actions, ParseActions(bytes), "{}", name);
  return actions;
}

Status TableLog::ReplayFiles(std::span<const std::string> names, Replay& replay) const {
  const size_t threads =
      names.size() < kCommitsForThreads
          ? 1
          : std::clamp<size_t>(std::thread::hardware_concurrency(), 1, kThreadsMax);
  while (!names.empty()) {
    // Parsing is most of the time, and memory that of the commits that are parsed at once.
    const size_t count = std::min(names.size(), 4 * threads);
    std::vector<std::optional<Result<Actions>>> read(count);
    std::atomic<size_t> taken = 0;
    const auto work = [&] {
      for (size_t i = taken++; i < count; i = taken++) read[i].emplace(ReadActions(names[i]));
    };
    {
      std::vector<std::jthread> others;
      for (size_t i = 1; i < std::min(threads, count); ++i) others.emplace_back(work);
      work();
    }
    for (auto& actions : read) {
      if (!actions->ok()) return std::move(*actions).error();
      replay.AddCommit(std::move(**actions));
    }
    names = names.subspan(count);
  }
  return {};
}

Result<StatePtr> TableLog::Advance(const StatePtr& since) const {
  SLUICE_ASSIGN_OR_RETURN(const LogListing listing, List(CommitName(since->version())));
  if (!listing.checkpoints.empty()) {
    // Written by others; it spares us one.
    since->NoteCheckpoint(listing.checkpoints.front().version);
  }
  if (listing.commits.empty()) return since;
  const Version newest = listing.commits.rbegin()->first;
  const auto names = CommitsAfter(since->version(), newest, listing, {});
  // Those that follow have been cleaned up: only a checkpoint knows them.
  if (!names.ok()) return Load(std::nullopt);
  Replay replay;
  const Status replayed = ReplayFiles(*names, replay);
  if (!replayed.ok() && replayed.error().code() == ErrorCode::kNotFound) return Load(std::nullopt);
  SLUICE_RETURN_IF_ERROR(replayed);
  replay.AddOlder(*since);
  return replay.Finish(newest, -1);
}

Result<StatePtr> TableLog::NewestSince(const std::shared_ptr<const Snapshot>& since) const {
  if (since == nullptr) return Load(std::nullopt);
  auto state = std::dynamic_pointer_cast<const TableState>(since);
  SLUICE_CHECK(state != nullptr);  // Every snapshot comes from this module.
  return Advance(state);
}

Result<StatePtr> TableLog::After(const StatePtr& state, Actions actions) const {
  Replay replay;
  replay.AddCommit(std::move(actions));
  replay.AddOlder(*state);
  return replay.Finish(state->version() + 1, -1);
}

Result<StatePtr> TableLog::Follow(const StatePtr& state, Actions winner,
                                  const Proposal& proposal) const {
  // Where writers race they are a commit or two ahead: to ask for those by name costs less than to
  // list a log, which may be long.
  std::vector<Actions> newer;
  newer.push_back(std::move(winner));
  Version version = state->version() + 1;
  while (newer.size() < kCommitsAhead) {
    auto actions = ReadCommit(version + 1);
    if (!actions.ok() && actions.error().code() == ErrorCode::kNotFound) break;
    if (!actions.ok()) return std::move(actions).error();
    newer.push_back(std::move(*actions));
    ++version;
  }
  if (version - state->checkpointed() >= kCommitsBeforeHint) {
    // Written by others; it spares us one.
    if (const auto hint = ReadHint()) state->NoteCheckpoint(*hint);
  }
  if (proposal.lost_to) {
    for (const Actions& actions : newer) proposal.lost_to(actions);
  }
  Replay replay;
  for (auto actions = newer.rbegin(); actions != newer.rend(); ++actions) {
    replay.AddCommit(std::move(*actions));
  }
  replay.AddOlder(*state);
  return replay.Finish(version, -1);
}

Result<Committed> TableLog::Commit(StatePtr state, const Proposal& proposal) const {
  const auto has_version = [&](Version version) -> Result<bool> {
    const auto commit = store_.Head(Path(CommitName(version)));
    if (commit.ok()) return true;
    if (commit.error().code() != ErrorCode::kNotFound) return commit.error();
    // Some engines leave a checkpoint alone.
    SLUICE_ASSIGN_OR_RETURN(const LogListing listing, List(VersionName(version)));
    return std::ranges::any_of(listing.checkpoints, [&](const CheckpointFiles& checkpoint) {
      return checkpoint.version == version;
    });
  };
  for (int attempt = 0; attempt < proposal.attempts_max; ++attempt) {
    // Where the log was trimmed, as an erasure does it, or put back, the next number is free
    // though versions have had it: a commit there would be part of no state.
    SLUICE_ASSIGN_OR_RETURN(const bool stands, has_version(state->version()));
    if (!stands) {
      SLUICE_ASSIGN_OR_RETURN(state, NewestOf(*this, *state, proposal));
      if (proposal.done && proposal.done(*state)) return Committed{.state = state, .ours = false};
    }
    SLUICE_ASSIGN_OR_RETURN(const std::string bytes, proposal.make(*state));
    const Version version = state->version() + 1;
    const Status put = store_.PutIfAbsent(Path(CommitName(version)), bytes);
    if (put.ok()) {
      // Logs are trimmed from their oldest commit on, so what trimmed this number has taken the one
      // before it. Ours is of no use to anybody then, whether others built on it before or not.
      const auto still_stands = has_version(state->version());
      if (still_stands.ok() && !*still_stands) {
        const Status removed = store_.Delete(Path(CommitName(version)));
        return Unavailable("commit {} may have landed: the log was trimmed meanwhile{}{}", version,
                           removed.ok() ? "" : ", and it cannot be removed: ",
                           removed.ok() ? "" : removed.error().message());
      }
      SLUICE_ASSIGN_OR_RETURN(Actions ours, ParseActions(bytes));
      SLUICE_ASSIGN_OR_RETURN(StatePtr next, After(state, std::move(ours)));
      return Committed{.state = std::move(next)};
    }
    if (put.error().code() != ErrorCode::kConflict &&
        put.error().code() != ErrorCode::kUnavailable) {
      return Error(put.error()).Wrap(fmt::format("commit {}", version));
    }

    // Also a lost race may be our own commit: a store's client that tried again after a lost answer
    // meets what its first try has written. So look who has won before anything else.
    auto winner = ReadCommit(version);
    if (!winner.ok() && winner.error().code() == ErrorCode::kNotFound) continue;  // Not written.
    if (!winner.ok()) {
      return Unavailable("commit {} may have landed: {}; it cannot be read back: {}", version,
                         put.error().message(), winner.error().message());
    }
    if (winner->commit_id == proposal.id) {
      SLUICE_ASSIGN_OR_RETURN(StatePtr next, After(state, std::move(*winner)));
      return Committed{.state = std::move(next)};
    }
    SLUICE_ASSIGN_OR_RETURN(state, Follow(state, std::move(*winner), proposal),
                            "after losing the race for version {}", version);
    if (proposal.done && proposal.done(*state)) return Committed{.state = state, .ours = false};
  }
  return Unavailable("all {} tries to commit failed or lost their race", proposal.attempts_max);
}

Result<StatePtr> TableLog::Create(const std::string& id, std::string_view bytes) const {
  SLUICE_ASSIGN_OR_RETURN(const LogListing listing, List(""));
  if (!listing.commits.empty() || !listing.checkpoints.empty()) {
    return Conflict("there is a table already");
  }
  const Status put = store_.PutIfAbsent(Path(CommitName(0)), bytes);
  if (!put.ok()) {
    if (put.error().code() != ErrorCode::kConflict &&
        put.error().code() != ErrorCode::kUnavailable) {
      return put;
    }
    const auto winner = ReadCommit(0);
    if (!winner.ok()) return put;
    if (winner->commit_id != id) return Conflict("there is a table already");
  }
  return Load(0);
}

Result<CheckpointBytes> TableLog::PutCheckpointWithSidecar(const TableState& state, int64_t now_ms,
                                                           const std::string& unique) const {
  // In this order: nothing names what is not there yet.
  SLUICE_ASSIGN_OR_RETURN(const CheckpointBytes files, WriteSidecar(state, now_ms));
  const Sidecar sidecar{.name = unique + ".parquet",
                        .size = static_cast<int64_t>(files.bytes.size()),
                        .modified_ms = now_ms};
  SLUICE_RETURN_IF_ERROR(store_.Put(Path("_sidecars/" + sidecar.name), files.bytes));
  SLUICE_ASSIGN_OR_RETURN(CheckpointBytes rest, WriteCheckpointOf(sidecar, state, now_ms));
  SLUICE_RETURN_IF_ERROR(store_.Put(
      Path(fmt::format("{}.checkpoint.{}.parquet", VersionName(state.version()), unique)),
      rest.bytes));
  rest.actions += files.actions;
  return rest;
}

Status TableLog::WriteCheckpoint(const TableState& state, int64_t now_ms,
                                 const std::string& unique) const {
  CheckpointBytes checkpoint;
  if (WantsSidecars(state)) {
    SLUICE_ASSIGN_OR_RETURN(checkpoint, PutCheckpointWithSidecar(state, now_ms, unique));
  } else {
    SLUICE_ASSIGN_OR_RETURN(checkpoint, internal::WriteCheckpoint(state, now_ms));
    // Never over another's: readers that have listed it read it by the size it had.
    const Status put = store_.PutIfAbsent(Path(CheckpointName(state.version())), checkpoint.bytes);
    if (!put.ok() && put.error().code() == ErrorCode::kConflict) {
      state.NoteCheckpoint(state.version());
      return {};
    }
    SLUICE_RETURN_IF_ERROR(put);
  }
  state.NoteCheckpoint(state.version());
  // One that is there already is another writer's, and as good; never replaced.
  const Status checksum =
      store_.PutIfAbsent(Path(VersionName(state.version()) + ".crc"), VersionChecksum(state));
  if (!checksum.ok() && checksum.error().code() != ErrorCode::kConflict) return checksum;
  if (const auto hint = ReadHint(); hint && *hint > state.version()) return {};
  return store_.Put(Path(kHintName),
                    fmt::format(R"({{"version":{},"size":{},"sizeInBytes":{},"numOfAddFiles":{}}})",
                                state.version(), checkpoint.actions, checkpoint.bytes.size(),
                                state.files().size()));
}

Status TableLog::Compact(Version first, Version last) const {
  std::vector<std::string> names;
  for (Version v = last; v >= first; --v) names.push_back(CommitName(v));
  Replay replay;
  SLUICE_RETURN_IF_ERROR(ReplayFiles(names, replay));
  const Status put = store_.PutIfAbsent(Path(CompactedName(first, last)), replay.Lines());
  if (!put.ok() && put.error().code() == ErrorCode::kConflict) return {};
  return put;
}

Result<int64_t> TableLog::CleanUp(const TableState& state, int64_t now_ms,
                                  const std::function<Status(Version first)>& before) const {
  SLUICE_ASSIGN_OR_RETURN(auto log, store_.List(Path("0")));
  for (auto& object : log) object.path = object.path.substr(folder_.size());
  const ExpiredLog expired = ExpiredLogFiles(state, log, now_ms);
  if (expired.names.empty()) return 0;
  if (before) SLUICE_RETURN_IF_ERROR(before(expired.first));
  return DeleteFiles(expired.names, [now_ms](const auto& sidecars, const auto& used) {
    return ExpiredSidecars(sidecars, used, now_ms);
  });
}

Result<int64_t> TableLog::Trim(Version first) const {
  SLUICE_ASSIGN_OR_RETURN(const auto log, store_.List(Path("0")));
  std::vector<std::string> names;
  for (const auto& object : log) names.push_back(object.path.substr(folder_.size()));
  const LogListing listing = ClassifyLog(names);
  const auto checkpoint = std::ranges::find(listing.checkpoints, first, &CheckpointFiles::version);
  if (checkpoint == listing.checkpoints.end() || !listing.commits.contains(first)) {
    return Corrupt("version {} has no checkpoint to begin the log with", first);
  }
  // Read back before all else goes: from then on there is nothing but it.
  SLUICE_ASSIGN_OR_RETURN(Replay replay, Gather(listing, &*checkpoint, first));
  SLUICE_RETURN_IF_ERROR(replay.Finish(first, first), "the checkpoint of version {}", first);
  return DeleteFiles(LogFilesBefore(first, names), [](const auto& sidecars, const auto& used) {
    std::vector<std::string> unused;
    for (const auto& sidecar : sidecars) {
      if (!used.contains(sidecar.path)) unused.push_back(sidecar.path);
    }
    return unused;
  });
}

Result<int64_t> TableLog::DeleteFiles(const std::vector<std::string>& names,
                                      const ExpiredOf& expired) const {
  for (const std::string& name : names) {
    SLUICE_RETURN_IF_ERROR(store_.Delete(Path(name)), "clean up the log");
  }
  auto deleted = static_cast<int64_t>(names.size());

  // Sidecars that no checkpoint names any more. One that cannot be read may name any of them.
  SLUICE_ASSIGN_OR_RETURN(auto sidecars, store_.List(Path("_sidecars/")));
  if (sidecars.empty()) return deleted;
  SLUICE_ASSIGN_OR_RETURN(const LogListing rest, List(""));
  std::set<std::string> used;
  for (const CheckpointFiles& checkpoint : rest.checkpoints) {
    const auto note = [&](Actions actions) {
      for (const std::string& sidecar : actions.sidecars) used.insert(PercentDecode(sidecar));
    };
    for (const std::string& name : checkpoint.names) {
      SLUICE_RETURN_IF_ERROR(ReadPart(name, note));
    }
  }
  const std::string prefix = Path("_sidecars/");
  for (auto& sidecar : sidecars) sidecar.path = sidecar.path.substr(prefix.size());
  for (const std::string& name : expired(sidecars, used)) {
    SLUICE_RETURN_IF_ERROR(store_.Delete(prefix + name), "clean up the log");
    ++deleted;
  }
  return deleted;
}

}  // namespace sluice::lake::internal
