#include "sluice/lake/erase_rows.h"

#include <arrow/api.h>

#include <algorithm>

#include "sluice/columnar/arrow_bridge.h"
#include "sluice/lake/commit.h"
#include "sluice/lake/compact_files.h"
#include "sluice/lake/internal/commit_lines.h"
#include "sluice/lake/internal/table_change.h"
#include "sluice/lake/merge_rows.h"
#include "sluice/lake/vacuum.h"

namespace sluice::lake {

namespace {

using internal::StatePtr;

// Other writers may mark rows while files are written anew, and take some away before the log is
// trimmed.
constexpr int kPurgesMax = 5;
constexpr int kTrimsMax = 5;

constexpr const char* kValue = "value";

Result<std::vector<columnar::Batch>> SourceOf(std::span<const std::string> values) {
  arrow::StringBuilder builder;
  for (const std::string& value : values) {
    SLUICE_RETURN_IF_ERROR(columnar::FromArrow(builder.Append(value)));
  }
  SLUICE_ASSIGN_OR_RETURN(auto column, columnar::FromArrow(builder.Finish()));
  const auto schema = arrow::schema({arrow::field(kValue, arrow::utf8())});
  const auto rows = static_cast<int64_t>(values.size());
  return std::vector<columnar::Batch>{arrow::RecordBatch::Make(schema, rows, {std::move(column)})};
}

bool HasDeletedRows(const Snapshot& snapshot) {
  return std::ranges::any_of(snapshot.files(),
                             [](const DataFile& file) { return file.deletion_vector != nullptr; });
}

/// One call. Not thread-safe.
class Erasure {
 public:
  Erasure(DeltaTable& table, const ErasedRows& rows, const EraseOptions& options)
      : table_(table), rows_(rows), options_(options), log_(table.store(), table.root()) {}

  Result<EraseReport> Run() {
    report_.request = options_.request;
    report_.began_ms = internal::StampMs(table_);
    SLUICE_ASSIGN_OR_RETURN(report_.snapshot, table_.Load());
    report_.version_before = report_.snapshot->version();
    SLUICE_RETURN_IF_ERROR(CheckAllowed());
    SLUICE_RETURN_IF_ERROR(CountObjects(report_.files_before, report_.bytes_before));
    SLUICE_RETURN_IF_ERROR(Delete());
    SLUICE_RETURN_IF_ERROR(Purge());
    SLUICE_RETURN_IF_ERROR(DeleteOldFiles());
    SLUICE_RETURN_IF_ERROR(TrimLog());
    report_.gone_ms = internal::StampMs(table_);
    SLUICE_RETURN_IF_ERROR(CountObjects(report_.files_after, report_.bytes_after));
    return report_;
  }

 private:
  Status CheckAllowed() const {
    SLUICE_RETURN_IF_ERROR(report_.snapshot->CheckWritable());
    const auto features = report_.snapshot->writer_features();
    if (std::ranges::find(features, "checkpointProtection") == features.end()) return {};
    return Unsupported(
        "the table protects its checkpoints (feature 'checkpointProtection'), so its log cannot be "
        "trimmed, and old statistics would stay in it; drop the feature first");
  }

  Status CountObjects(int64_t& files, int64_t& bytes) const {
    SLUICE_ASSIGN_OR_RETURN(const auto objects, table_.store().List(table_.InRoot("")));
    files = static_cast<int64_t>(objects.size());
    bytes = 0;
    for (const auto& object : objects) bytes += static_cast<int64_t>(object.size);
    return {};
  }

  Status Delete() {
    // By copies: what a vector marks would have to be written anew right after.
    const ChangeOptions change{.write = options_.write,
                               .removal = RowRemoval::kCopies,
                               .count_deleted = options_.count_deleted,
                               .zone = options_.zone};
    ChangeReport deleted;
    if (rows_.condition) {
      SLUICE_ASSIGN_OR_RETURN(deleted, DeleteRows(table_, rows_.condition, change));
    } else if (!rows_.values.empty()) {
      SLUICE_ASSIGN_OR_RETURN(const std::vector<columnar::Batch> source, SourceOf(rows_.values));
      const std::vector<MergeKey> keys = {{.target = rows_.column, .source = kValue}};
      const std::vector<MergeClause> clauses = {
          {.when = MergeClause::When::kMatched, .action = MergeClause::Action::kDelete}};
      SLUICE_ASSIGN_OR_RETURN(deleted, MergeRows(table_, source, keys, clauses, change));
    } else {
      return {};
    }
    report_.rows_erased = deleted.rows_deleted;
    report_.rows_copied = deleted.rows_copied;
    report_.snapshot = deleted.snapshot;
    return {};
  }

  Status Purge() {
    for (int tries = 0; tries < kPurgesMax; ++tries) {
      if (!HasDeletedRows(*report_.snapshot)) return {};
      SLUICE_ASSIGN_OR_RETURN(const CompactReport purged,
                              CompactFiles(table_, {.write = options_.write,
                                                    .deleted_part_max = 0,
                                                    .small_files = false,
                                                    .zone = options_.zone,
                                                    .since = report_.snapshot}));
      report_.rows_purged += purged.rows_purged;
      report_.rows_copied += purged.rows;
      report_.snapshot = purged.snapshot;
    }
    return Conflict("other writers go on marking rows as deleted: try again when they are done");
  }

  Status DeleteOldFiles() {
    SLUICE_ASSIGN_OR_RETURN(VacuumReport vacuumed,
                            Vacuum(table_, {.retention = options_.unnamed_age,
                                            .allow_short_retention = true,
                                            .named_at_any_age = true,
                                            .since = report_.snapshot}));
    report_.data_files_deleted = vacuumed.files_deleted;
    report_.files_left = std::move(vacuumed.unnamed);
    report_.snapshot = vacuumed.snapshot;
    return {};
  }

  Status TrimLog() {
    SLUICE_ASSIGN_OR_RETURN(const StatePtr state, CommitNote());
    SLUICE_RETURN_IF_ERROR(
        log_.WriteCheckpoint(*state, internal::ExpiryMs(table_), table_.random().Uuid()));
    SLUICE_ASSIGN_OR_RETURN(report_.log_files_deleted, log_.Trim(state->version()));
    report_.oldest_version = state->version();
    report_.snapshot = state;
    return {};
  }

  // A commit of its own to begin the log with: none of what others wrote into theirs.
  Result<StatePtr> CommitNote() {
    const internal::TableChange note{
        .operation = "ERASE",
        .parameters = {{"request", options_.request}},
        .metrics = {{"numDeletedRows", std::to_string(report_.rows_erased)},
                    {"numPurgedRows", std::to_string(report_.rows_purged)}},
        .data_change = false};
    SLUICE_ASSIGN_OR_RETURN(StatePtr state, log_.NewestSince(report_.snapshot));
    for (int tries = 0; tries < kTrimsMax; ++tries) {
      AppendOptions options;
      if (options_.carry_over) {
        SLUICE_ASSIGN_OR_RETURN(options.transactions, options_.carry_over(state));
      }
      SLUICE_ASSIGN_OR_RETURN(const auto committed,
                              internal::CommitChange(table_, state, note, options));
      const Version known = state->version();
      state = committed.state;
      if (!options_.carry_over) return state;
      SLUICE_ASSIGN_OR_RETURN(const bool rows_went, TookRowsAway(known + 1, state->version()));
      if (!rows_went) return state;
    }
    return Conflict("other writers go on taking rows away: try again when they are done");
  }

  /// Whether one of the commits [begin, end) took files away.
  Result<bool> TookRowsAway(Version begin, Version end) const {
    for (Version version = begin; version < end; ++version) {
      SLUICE_ASSIGN_OR_RETURN(const Commit commit, ReadCommit(table_, version));
      if (!commit.removed.empty()) return true;
    }
    return false;
  }

  DeltaTable& table_;
  const ErasedRows& rows_;
  const EraseOptions& options_;
  const internal::TableLog log_;
  EraseReport report_;
};

}  // namespace

Result<EraseReport> EraseRows(DeltaTable& table, const ErasedRows& rows,
                              const EraseOptions& options) {
  auto report = Erasure(table, rows, options).Run();
  if (!report.ok() && !report.error().message().starts_with("table '")) {
    return std::move(report).error().Wrap(fmt::format("table '{}'", table.name()));
  }
  return report;
}

}  // namespace sluice::lake
