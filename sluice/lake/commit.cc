#include "sluice/lake/commit.h"

#include <simdjson.h>

#include "sluice/lake/internal/actions.h"
#include "sluice/lake/internal/commit_times.h"
#include "sluice/lake/internal/log_names.h"

namespace sluice::lake {

namespace {

void TakeText(simdjson::dom::element info, std::string_view name, std::string& into) {
  std::string_view text;
  if (info[name].get(text) == simdjson::SUCCESS) into = text;
}

void TakeInfo(const std::string& json, Commit& commit) {
  simdjson::dom::parser parser;
  simdjson::dom::element info;
  if (parser.parse(json).get(info) != simdjson::SUCCESS) return;
  TakeText(info, "operation", commit.operation);
  TakeText(info, "clientVersion", commit.engine);
  TakeText(info, "engineInfo", commit.engine);
  int64_t at = 0;
  if (info["timestamp"].get(at) == simdjson::SUCCESS) commit.timestamp_ms = at;
}

}  // namespace

Result<Commit> ReadCommit(const DeltaTable& table, Version version) {
  SLUICE_ASSIGN_OR_RETURN(
      const std::string text,
      table.store().Get(internal::LogFolder(table.root()) + internal::CommitName(version)),
      "commit {} of table '{}'", version, table.name());
  SLUICE_ASSIGN_OR_RETURN(internal::Actions actions, internal::ParseActions(text),
                          "commit {} of table '{}'", version, table.name());
  Commit commit;
  commit.version = version;
  TakeInfo(internal::FindCommitInfo(text), commit);
  for (internal::Add& add : actions.adds) {
    commit.data_change |= add.data_change;
    commit.added.push_back(std::move(add.file));
  }
  for (internal::Remove& remove : actions.removes) {
    commit.data_change |= remove.data_change;
    commit.removed.push_back(internal::FileOf(remove));
  }
  commit.transactions = std::move(actions.transactions);
  return commit;
}

bool IsNewest(const DeltaTable& table, const Snapshot& snapshot) {
  const auto look = [&](Version version) {
    return table.store().Head(internal::LogFolder(table.root()) + internal::CommitName(version));
  };
  const auto next = look(snapshot.version() + 1);
  return !next.ok() && next.error().code() == ErrorCode::kNotFound && look(snapshot.version()).ok();
}

Result<Version> OldestCommit(const DeltaTable& table) {
  SLUICE_ASSIGN_OR_RETURN(const auto times, internal::CommitTimes::List(table));
  return times.versions().front();
}

}  // namespace sluice::lake
