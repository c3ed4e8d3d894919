#include "sluice/lake/internal/change_log.h"

#include <map>

#include "sluice/base/ascii.h"
#include "sluice/lake/internal/log_names.h"
#include "sluice/lake/internal/path_encoding.h"
#include "sluice/lake/internal/schema_json.h"
#include "sluice/lake/internal/table_features.h"

namespace sluice::lake::internal {

namespace {

bool HasFeed(const std::map<std::string, std::string>& properties) {
  return IsOn(properties, "delta.enableChangeDataFeed");
}

// A commit without files of changes: they follow from its adds and removes.
std::vector<ChangePiece> InferPieces(Actions& actions) {
  std::map<std::string, const Remove*> removes;
  for (const auto& remove : actions.removes) {
    if (remove.data_change) removes.emplace(CanonicalPath(remove.path), &remove);
  }
  std::vector<ChangePiece> pieces;
  for (auto& add : actions.adds) {
    if (!add.data_change) continue;
    const auto before = removes.find(CanonicalPath(add.file.path));
    if (before == removes.end()) {
      pieces.push_back({std::move(add.file), {.change_type = "insert"}});
      continue;
    }
    // The same rows under another vector: those it marks newly, and those it no longer marks.
    const auto old_vector = before->second->vector;
    const auto new_vector = add.file.deletion_vector;
    pieces.push_back(
        {add.file,
         {.all = false, .in = new_vector, .without = old_vector, .change_type = "delete"}});
    pieces.push_back(
        {std::move(add.file),
         {.all = false, .in = old_vector, .without = new_vector, .change_type = "insert"}});
    removes.erase(before);
  }
  for (const auto& [path, remove] : removes) {
    pieces.push_back({FileOf(*remove), {.change_type = "delete"}});
  }
  return pieces;
}

Error OffAt(Version version) {
  return Unsupported(
      "the change feed was off at version {}: 'delta.enableChangeDataFeed' must be true", version);
}

}  // namespace

Result<ChangeLog> ChangeLog::Open(const DeltaTable& table, Version from,
                                  std::optional<Version> to) {
  SLUICE_ASSIGN_OR_RETURN(const auto last, to ? table.LoadAt(*to) : table.Load());
  if (from < 0 || from > last->version()) {
    return Invalid("changes from version {} to {}", from, last->version());
  }
  SLUICE_ASSIGN_OR_RETURN(const auto first, table.LoadAt(from));
  if (!HasFeed(first->properties())) return OffAt(from);
  auto state = std::dynamic_pointer_cast<const TableState>(last);
  SLUICE_CHECK(state != nullptr);
  SLUICE_ASSIGN_OR_RETURN(auto times, CommitTimes::List(table));
  return ChangeLog(table, from, std::move(state), std::move(times));
}

Result<CommitChanges> ChangeLog::Read(Version version) {
  SLUICE_ASSIGN_OR_RETURN(const std::string text,
                          table_->store().Get(LogFolder(table_->root()) + CommitName(version)));
  SLUICE_ASSIGN_OR_RETURN(Actions actions, ParseActions(text));
  if (actions.metadata && !HasFeed(actions.metadata->configuration)) return OffAt(version);
  CommitChanges changes;
  SLUICE_ASSIGN_OR_RETURN(changes.commit_ms, times_.At(version));
  if (actions.changes.empty()) {
    changes.pieces = InferPieces(actions);
  } else {
    for (ChangeFile& change : actions.changes) {
      changes.pieces.push_back({.file = {.path = std::move(change.path),
                                         .partition_values = std::move(change.partition_values),
                                         .size = change.size,
                                         .stats = {},
                                         .rows = {}},
                                .rows = {}});
    }
  }
  for (const ChangePiece& piece : changes.pieces) {
    if (!last_->partition_columns().empty() && piece.file.partition_values.empty()) {
      return Unsupported("the log does not keep the partition values of file '{}', removed here",
                         piece.file.path);
    }
  }
  return changes;
}

}  // namespace sluice::lake::internal
