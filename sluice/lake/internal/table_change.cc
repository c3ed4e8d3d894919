#include "sluice/lake/internal/table_change.h"

#include <algorithm>
#include <chrono>
#include <set>
#include <unordered_map>

#include "sluice/base/ascii.h"
#include "sluice/base/percent.h"
#include "sluice/lake/internal/commit_checks.h"
#include "sluice/lake/internal/commit_lines.h"
#include "sluice/lake/internal/data_file_reader.h"
#include "sluice/lake/internal/deletion_vector_writer.h"
#include "sluice/lake/internal/file_places.h"
#include "sluice/lake/internal/files_in_writing.h"
#include "sluice/lake/internal/path_encoding.h"
#include "sluice/lake/internal/skipping.h"
#include "sluice/lake/internal/statistics.h"
#include "sluice/lake/internal/table_features.h"

namespace sluice::lake::internal {

namespace {

/// One change on its way into the log. Not thread-safe.
class ChangeCommit {
 public:
  ChangeCommit(const DeltaTable& table, const StatePtr& state, const TableChange& change,
               const AppendOptions& options)
      : table_(table),
        state_(state),
        change_(change),
        options_(options),
        id_(table.random().Uuid()),
        places_(table.store(), table.root(), table.foreign()),
        appends_may_pass_(LowerCase(Property(state->properties(), "delta.isolationLevel", "")) ==
                          "writeserializable") {
    for (const DataFile& file : change.removed) removed_.insert(FileKey(file));
    for (const MarkedFile& marked : change.marked) {
      marked_.emplace(CanonicalPath(marked.file.path), &marked);
    }
    for (const ReliedOn& relied : change.relied_on) {
      relied_on_.emplace(CanonicalPath(relied.file.path), &relied);
    }
    if (change.condition) {
      skipper_.emplace(*change.condition, *state->annotated_schema(), state->partition_columns(),
                       MappingOf(state->metadata()), change.zone);
    }
  }

  Result<Committed> Run() {
    Proposal proposal{.id = id_, .make = {}};
    proposal.attempts_max = options_.attempts_max;
    proposal.done = [&](const TableState& now) { return Judge(now, options_) == Standing::kDone; };
    proposal.lost_to = [&](const Actions& winner) {
      LookAtRemoved(winner);
      LookAtAdded(winner);
    };
    proposal.make = [&](const TableState& now) { return Make(now); };
    auto committed = TableLog(table_.store(), table_.root()).Commit(state_, proposal);
    if (committed.ok()) EndWriting();
    return committed;
  }

 private:
  // The log names them now.
  void EndWriting() {
    FilesInWriting& writing = table_.writing();
    for (const DataFile& file : change_.added) writing.End(table_.StorePath(file));
    for (const ChangeFile& file : change_.changes) {
      writing.End(table_.InRoot(PercentDecode(file.path)));
    }
    for (const std::string& path : vectors_) writing.End(path);
  }

  // Notes where the rows that the change relied on may be deleted, and where they are then.
  void LookAtRemoved(const Actions& winner) {
    bool moves = false;
    for (const Remove& remove : winner.removes) {
      if (change_.relies_on_all && remove.data_change) lost_in_ = remove.path;
      const std::string path = CanonicalPath(remove.path);
      const auto add = std::ranges::find_if(
          winner.adds, [&](const Add& one) { return CanonicalPath(one.file.path) == path; });
      if (const auto relied = relied_on_.find(path); relied != relied_on_.end()) {
        if (add != winner.adds.end()) {
          marked_meanwhile_.emplace_back(relied->second, add->file);
        } else if (remove.data_change) {
          lost_in_ = remove.path;
        } else {
          moves = true;
        }
      } else if (moved_to_.contains(path)) {
        // Which of its rows they are is not known.
        if (remove.data_change) lost_in_ = remove.path;
        moves = true;
      }
    }
    if (!moves) return;
    for (const Add& add : winner.adds) {
      if (!add.data_change) moved_to_.insert(CanonicalPath(add.file.path));
    }
  }

  // kConflict: others have deleted or changed rows that the change relied on.
  Status CheckReliedOn() {
    if (lost_in_) {
      return Conflict("another writer has deleted or changed rows that it relied on: '{}'",
                      *lost_in_);
    }
    for (; !marked_meanwhile_.empty(); marked_meanwhile_.pop_back()) {
      const auto& [relied, file] = marked_meanwhile_.back();
      SLUICE_ASSIGN_OR_RETURN(const RowSet deleted,
                              ReadRowSet(places_, file, {}, relied->physical));
      for (const auto& run : relied->rows.runs()) {
        for (int64_t row = run.first; row < run.first + run.count; ++row) {
          if (!deleted.Contains(row)) continue;
          return Conflict("another writer has deleted rows that it relied on: '{}'", file.path);
        }
      }
    }
    return {};
  }

  // Notes files of rows that others have added, where the change would have looked at them.
  void LookAtAdded(const Actions& winner) {
    if (change_.read == TableChange::Read::kNothing) return;
    if (winner.blind_append && winner.removes.empty() && appends_may_pass_) return;
    const bool overtakes =
        std::ranges::any_of(winner.transactions, [this](const Transaction& transaction) {
          return !change_.overtaken_by.empty() && transaction.app_id == change_.overtaken_by;
        });
    if (overtakes && winner.removes.empty()) return;
    std::set<std::string> replaced;  // The same file under another vector: no new rows.
    for (const Remove& remove : winner.removes) replaced.insert(CanonicalPath(remove.path));
    for (const Add& add : winner.adds) {
      if (!add.data_change || replaced.contains(CanonicalPath(add.file.path))) continue;
      if (change_.read == TableChange::Read::kMatching && !skipper_->MayMatch(add.file)) continue;
      added_meanwhile_.push_back(add.file);
    }
  }

  // kConflict: among the rows that others have added are some that the change would have touched.
  // Each file is looked at once: what no longer stands in the table has moved with its rows.
  Status CheckAdded() {
    for (; !added_meanwhile_.empty(); added_meanwhile_.pop_back()) {
      const DataFile& file = added_meanwhile_.back();
      bool reached = true;
      if (change_.reaches) {
        SLUICE_ASSIGN_OR_RETURN(reached, change_.reaches(file));
      }
      if (reached) {
        return Conflict("another writer has added rows that it would have looked at: '{}'",
                        file.path);
      }
    }
    return {};
  }

  Result<std::string> Make(const TableState& now) {
    if (Judge(now, options_) != Standing::kFree) return BrokenExpectation(now, *options_.expect);
    SLUICE_RETURN_IF_ERROR(CheckStillFits(*state_, now, options_));
    // What changes rows may owe others more now, such as a change feed; copies of rows do not.
    if (change_.data_change &&
        (now.metadata() != state_->metadata() || now.protocol() != state_->protocol())) {
      return Conflict("the table itself was changed by another writer");
    }
    SLUICE_RETURN_IF_ERROR(CheckReliedOn());
    SLUICE_RETURN_IF_ERROR(CheckAdded());
    SLUICE_ASSIGN_OR_RETURN(const auto files, FindFiles(now));
    const int64_t now_ms = StampMs(table_);
    SLUICE_ASSIGN_OR_RETURN(const auto in_commit_ms, NextCommitTime(now, now_ms));
    std::string lines;
    AppendCommitInfo(lines, {.id = id_,
                             .at_ms = now_ms,
                             .operation = change_.operation,
                             .parameters = change_.parameters,
                             .metrics = change_.metrics,
                             .read_version = now.version(),
                             .in_commit_ms = in_commit_ms});
    for (const Transaction& transaction : options_.transactions) {
      AppendTransaction(lines, transaction);
    }
    if (change_.raise && change_.raise->by > 0) {
      const std::string& app = change_.raise->app_id;
      AppendTransaction(lines,
                        {.app_id = app,
                         .version = now.TransactionVersion(app).value_or(0) + change_.raise->by,
                         .last_updated_ms = now_ms});
    }
    SLUICE_RETURN_IF_ERROR(AppendIdentities(lines, now, change_.identities));
    for (const DataFile& file : change_.removed) {
      AppendRemove(lines, RemoveOf(file, now_ms, change_.data_change));
    }
    SLUICE_RETURN_IF_ERROR(AppendMarked(lines, files, now_ms));
    std::vector<DataFile> added = change_.added;
    SLUICE_RETURN_IF_ERROR(AssignRowIds(lines, now, added));
    for (const DataFile& file : added) AppendAdd(lines, file, change_.data_change);
    for (const ChangeFile& file : change_.changes) AppendChange(lines, file);
    return lines;
  }

  // Returns the marked files as they stand in `now`. kConflict: one, or a removed one, is gone.
  Result<std::vector<std::pair<const MarkedFile*, DataFile>>> FindFiles(
      const TableState& now) const {
    std::vector<std::pair<const MarkedFile*, DataFile>> found;
    if (removed_.empty() && marked_.empty()) return found;
    size_t removed = 0;
    for (const DataFile& file : now.files()) {
      removed += removed_.contains(FileKey(file)) ? 1 : 0;
      if (const auto marked = marked_.find(CanonicalPath(file.path)); marked != marked_.end()) {
        found.emplace_back(marked->second, file);
      }
    }
    if (removed < removed_.size() || found.size() < marked_.size()) {
      return Conflict("another writer has rewritten or removed files that it would change");
    }
    return found;
  }

  Status AppendMarked(std::string& lines,
                      const std::vector<std::pair<const MarkedFile*, DataFile>>& files,
                      int64_t now_ms) {
    if (files.empty()) return {};
    DeletionVectorFile vectors(table_.random().Uuid());
    for (const auto& [marked, file] : files) {
      SLUICE_ASSIGN_OR_RETURN(const RowSet rows, Union(*marked, file));
      AppendRemove(lines, RemoveOf(file, now_ms, change_.data_change));
      if (rows.count() == marked->physical) continue;  // Together we have deleted all.
      DataFile now = file;
      SLUICE_ASSIGN_OR_RETURN(now.deletion_vector, vectors.Add(rows));
      SLUICE_ASSIGN_OR_RETURN(now.stats, WithLooseBounds(file.stats, marked->physical));
      AppendAdd(lines, now, change_.data_change);
    }
    vectors_.push_back(table_.InRoot(vectors.path()));
    table_.writing().Begin(vectors_.back(), table_.clock().Steady());
    return table_.store().Put(vectors_.back(), vectors.bytes());
  }

  // The rows that are deleted with ours. kConflict: another writer has deleted some of ours, or
  // brought rows back.
  Result<RowSet> Union(const MarkedFile& marked, const DataFile& now) const {
    SLUICE_ASSIGN_OR_RETURN(RowSet rows, ReadRowSet(places_, now, {}, marked.physical));
    if (FileKey(now) != FileKey(marked.file)) {
      SLUICE_ASSIGN_OR_RETURN(const RowSet before,
                              ReadRowSet(places_, marked.file, {}, marked.physical));
      if (before.Without(rows).count() > 0 || rows.Meets(marked.rows)) {
        return Conflict("another writer has deleted or restored some of its rows, in '{}'",
                        now.path);
      }
    }
    rows.InsertAll(marked.rows);
    return rows;
  }

  const DeltaTable& table_;
  const StatePtr state_;
  const TableChange& change_;
  const AppendOptions& options_;
  const std::string id_;
  const FilePlaces places_;
  std::set<std::string> removed_;                              // By FileKey().
  std::unordered_map<std::string, const MarkedFile*> marked_;  // By canonical path.
  // By canonical path.
  std::unordered_map<std::string, const ReliedOn*> relied_on_;
  std::vector<std::pair<const ReliedOn*, DataFile>> marked_meanwhile_;  // And not looked at yet.
  std::set<std::string> moved_to_;      // Where compactions have put rows that were relied on.
  std::optional<std::string> lost_in_;  // A file of which some are deleted or changed.
  std::optional<FileSkipper> skipper_;
  const bool appends_may_pass_;            // That read nothing: the table asks for no more.
  std::vector<DataFile> added_meanwhile_;  // And not looked at yet.
  // Files of vectors, of each try, as the store spells them.
  std::vector<std::string> vectors_;
};

}  // namespace

Result<Committed> CommitChange(const DeltaTable& table, const StatePtr& state,
                               const TableChange& change, const AppendOptions& options) {
  return ChangeCommit(table, state, change, options).Run();
}

}  // namespace sluice::lake::internal
