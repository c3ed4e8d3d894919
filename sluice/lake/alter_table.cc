#include "sluice/lake/alter_table.h"

#include <arrow/api.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <set>

#include "sluice/base/ascii.h"
#include "sluice/columnar/arrow_bridge.h"
#include "sluice/lake/internal/commit_lines.h"
#include "sluice/lake/internal/commit_times.h"
#include "sluice/lake/internal/data_file_reader.h"
#include "sluice/lake/internal/file_places.h"
#include "sluice/lake/internal/known_engines.h"
#include "sluice/lake/internal/read_plan.h"
#include "sluice/lake/internal/schema_json.h"
#include "sluice/lake/internal/table_editor.h"
#include "sluice/lake/internal/table_features.h"
#include "sluice/lake/internal/table_log.h"
#include "sluice/lake/stored_files.h"

namespace sluice::lake {

namespace {

using internal::Actions;
using internal::Committed;
using internal::Proposal;
using internal::RowCondition;
using internal::StatePtr;
using internal::TableEdit;
using internal::TableEditor;
using internal::TableLog;
using internal::TableState;

Result<TableEdit> MakeEdit(const TableState& state, std::span<const TableAlteration> changes,
                           os::Random& random) {
  SLUICE_ASSIGN_OR_RETURN(TableEditor editor, TableEditor::Of(state, random));
  for (const TableAlteration& change : changes) SLUICE_RETURN_IF_ERROR(editor.Apply(change));
  return editor.Finish();
}

// What Spark calls these in its history; in the order of the variant.
std::string OperationOf(std::span<const TableAlteration> changes) {
  constexpr std::array<const char*, std::variant_size_v<TableAlteration>> kNames = {
      "ADD COLUMNS",     "RENAME COLUMN",     "DROP COLUMNS",        "CHANGE COLUMN",
      "CHANGE COLUMN",   "CHANGE COLUMN",     "CHANGE COLUMN",       "CHANGE COLUMN",
      "CHANGE COLUMN",   "SET TBLPROPERTIES", "UNSET TBLPROPERTIES", "ADD CONSTRAINT",
      "DROP CONSTRAINT", "CLUSTER BY"};
  std::set<std::string> names;
  for (const TableAlteration& change : changes) names.insert(kNames[change.index()]);
  return names.size() == 1 ? *names.begin() : "ALTER TABLE";
}

int64_t FilesWithoutIds(const Snapshot& state) {
  int64_t count = 0;
  for (const DataFile& file : state.files()) count += file.base_row_id ? 0 : 1;
  return count;
}

Result<StatePtr> StateToChange(const DeltaTable& table,
                               const std::shared_ptr<const Snapshot>& base) {
  std::shared_ptr<const Snapshot> snapshot = base;
  if (snapshot == nullptr) {
    SLUICE_ASSIGN_OR_RETURN(snapshot, table.Load());
  }
  auto state = std::dynamic_pointer_cast<const TableState>(snapshot);
  SLUICE_CHECK(state != nullptr);  // Every snapshot comes from this module.
  return state;
}

/// Looks whether the rows of a table meet what a change asks of them.
///
/// Not thread-safe.
class RowCheck {
 public:
  /// `table` and `edit` must outlive the check.
  RowCheck(const DeltaTable& table, const TableEdit& edit)
      : edit_(edit), places_(table.store(), table.root(), table.foreign()) {}

  /// `base` is the state that was edited.
  Status Prepare(const TableState& base) {
    Actions changed{.protocol = edit_.protocol, .metadata = edit_.metadata};
    internal::Replay replay;
    replay.AddCommit(std::move(changed));
    replay.AddOlder(base);
    SLUICE_ASSIGN_OR_RETURN(changed_, replay.Finish(base.version() + 1, -1));
    return changed_->CheckWritable();
  }

  /// Reads the files that it has not read yet. kInvalid: naming what rows do not meet.
  Status Check(const TableState& now) {
    if (edit_.conditions.empty()) return {};
    for (const DataFile& file : now.files()) {
      if (!checked_.insert(internal::FileKey(file)).second) {
        continue;
      }
      for (const RowCondition& condition : edit_.conditions) {
        SLUICE_RETURN_IF_ERROR(CheckFile(file, condition));
      }
    }
    if (broken_.empty()) return {};
    const auto& [name, rows] = *broken_.begin();
    return Invalid("{} rows of the table do not meet {}: change or delete them first", rows, name);
  }

 private:
  Status CheckFile(const DataFile& file, const RowCondition& condition) {
    const std::string& column = condition.not_null_column;
    if (!column.empty() && NullsOf(file, NameInLog(*changed_, column)) == 0) return {};
    const auto names = condition.expression.columns();
    ScanOptions options{.columns = std::vector<std::string>(names.begin(), names.end())};
    SLUICE_ASSIGN_OR_RETURN(const auto plan, internal::MakeReadPlan(*changed_, options));
    SLUICE_ASSIGN_OR_RETURN(const auto reader, internal::DataFileReader::Open(places_, file, plan));
    while (true) {
      SLUICE_ASSIGN_OR_RETURN(const columnar::Batch rows, reader->Next());
      if (rows == nullptr) return {};
      SLUICE_ASSIGN_OR_RETURN(const auto held, condition.expression.Evaluate(*rows), "{}",
                              condition.name);
      const int64_t met = static_cast<const arrow::BooleanArray&>(*held).true_count();
      if (met < rows->num_rows()) broken_[condition.name] += rows->num_rows() - met;
    }
  }

  const TableEdit& edit_;
  const internal::FilePlaces places_;
  StatePtr changed_;               // As the table will be.
  std::set<std::string> checked_;  // Keys of files.
  std::map<std::string, int64_t> broken_;
};

/// Puts the commits of one change into the log. Not thread-safe.
class AlterCommits {
 public:
  AlterCommits(const DeltaTable& table, StatePtr state, const AlterOptions& options)
      : table_(table),
        options_(options),
        log_(table.store(), table.root()),
        state_(std::move(state)) {}

  const StatePtr& state() const { return state_; }

  /// Lets the table track rows, without its readers relying on it yet.
  Status AddRowTracking() {
    const internal::Protocol protocol =
        internal::WithFeatures(state_->protocol(), {"rowTracking", "domainMetadata"});
    if (protocol == state_->protocol()) return {};
    return Commit("UPGRADE PROTOCOL", {}, [&](const TableState&, std::string& lines) -> Status {
      internal::AppendProtocol(lines, protocol);
      return {};
    });
  }

  /// Gives ids to the rows of files that have none.
  Status NumberRows() {
    constexpr size_t kFilesMax = 20'000;  // In one commit.
    const internal::FilePlaces places(table_.store(), table_.root(), table_.foreign());
    while (FilesWithoutIds(*state_) > 0) {
      const auto write = [&](const TableState& now, std::string& lines) -> Status {
        std::vector<DataFile> files;
        for (DataFile file : now.files()) {
          if (file.base_row_id || files.size() == kFilesMax) continue;
          if (!file.rows) {
            SLUICE_ASSIGN_OR_RETURN(file.rows, internal::CountRows(places, file));
          }
          files.push_back(std::move(file));
        }
        SLUICE_RETURN_IF_ERROR(internal::AssignRowIds(lines, now, files));
        for (const DataFile& file : files) {
          if (!file.base_row_id) return Unsupported("the table has row tracking suspended");
          internal::AppendAdd(lines, file, /*data_change=*/false);
        }
        return {};
      };
      SLUICE_RETURN_IF_ERROR(Commit("ROW TRACKING BACKFILL", {}, write));
    }
    return {};
  }

  Status CommitEdit(const TableEdit& edit, const std::string& operation, RowCheck& check) {
    const auto write = [&](const TableState& now, std::string& lines) -> Status {
      if (edit.begins_row_tracking && FilesWithoutIds(now) > 0) {
        return Conflict("another writer has added files whose rows have no ids");
      }
      SLUICE_RETURN_IF_ERROR(check.Check(now));
      if (!(edit.protocol == now.protocol())) internal::AppendProtocol(lines, edit.protocol);
      internal::Metadata metadata = edit.metadata;
      if (in_commit_ms_ && edit.begins_commit_times) {
        metadata.configuration["delta.inCommitTimestampEnablementVersion"] =
            std::to_string(now.version() + 1);
        metadata.configuration["delta.inCommitTimestampEnablementTimestamp"] =
            std::to_string(*in_commit_ms_);
      }
      if (!(metadata == now.metadata())) internal::AppendMetadata(lines, metadata);
      for (const internal::Domain& domain : edit.domains) internal::AppendDomain(lines, domain);
      return {};
    };
    return Commit(operation, edit, write);
  }

 private:
  using Write = std::function<Status(const TableState& now, std::string& lines)>;

  // The first in-commit timestamp must be later than what the commits before count as.
  Result<std::optional<int64_t>> CommitTime(const TableState& now, const TableEdit& edit) {
    if (!edit.begins_commit_times) return internal::NextCommitTime(now, internal::StampMs(table_));
    SLUICE_ASSIGN_OR_RETURN(auto times, internal::CommitTimes::List(table_));
    SLUICE_ASSIGN_OR_RETURN(const int64_t before, times.At(now.version()));
    return std::optional(std::max(internal::StampMs(table_), before + 1));
  }

  Status Commit(const std::string& operation, const TableEdit& edit, const Write& write) {
    Proposal proposal{.id = table_.random().Uuid(), .make = {}};
    proposal.attempts_max = options_.attempts_max;
    std::string in_the_way;
    proposal.lost_to = [&](const Actions& winner) {
      if (winner.protocol) in_the_way = "the table's protocol";
      if (winner.metadata) in_the_way = "the table's metadata";
      for (const internal::Domain& theirs : winner.domains) {
        for (const internal::Domain& ours : edit.domains) {
          if (ours.name == theirs.name) in_the_way = ours.name;
        }
      }
    };
    proposal.make = [&](const TableState& now) -> Result<std::string> {
      if (!in_the_way.empty()) {
        return Conflict("{} was changed by another writer: look again", in_the_way);
      }
      SLUICE_ASSIGN_OR_RETURN(in_commit_ms_, CommitTime(now, edit));
      std::string lines;
      internal::AppendCommitInfo(lines, {.id = proposal.id,
                                         .at_ms = internal::StampMs(table_),
                                         .operation = operation,
                                         .read_version = now.version(),
                                         .in_commit_ms = in_commit_ms_});
      SLUICE_RETURN_IF_ERROR(write(now, lines));
      return lines;
    };
    SLUICE_ASSIGN_OR_RETURN(Committed committed, log_.Commit(state_, proposal));
    state_ = std::move(committed.state);
    return {};
  }

  const DeltaTable& table_;
  const AlterOptions& options_;
  const TableLog log_;
  StatePtr state_;
  std::optional<int64_t> in_commit_ms_;  // Of the commit that is being made.
};

Result<StatePtr> Alter(const DeltaTable& table, const StatePtr& base,
                       std::span<const TableAlteration> changes, const AlterOptions& options) {
  SLUICE_ASSIGN_OR_RETURN(TableEdit edit, MakeEdit(*base, changes, table.random()));
  if (!edit.Changes(*base)) return base;
  AlterCommits commits(table, base, options);
  RowCheck check(table, edit);
  SLUICE_RETURN_IF_ERROR(check.Prepare(*base));
  SLUICE_RETURN_IF_ERROR(check.Check(*base));
  if (edit.begins_row_tracking && FilesWithoutIds(*base) > 0) {
    SLUICE_RETURN_IF_ERROR(commits.AddRowTracking());
    SLUICE_RETURN_IF_ERROR(commits.NumberRows());
  }
  SLUICE_RETURN_IF_ERROR(commits.CommitEdit(edit, OperationOf(changes), check));
  return commits.state();
}

}  // namespace

Result<std::shared_ptr<arrow::DataType>> TypeByName(std::string_view name) {
  static constexpr std::pair<std::string_view, std::string_view> kNamesInSql[] = {
      {"bigint", "long"}, {"int", "integer"}, {"smallint", "short"}, {"tinyint", "byte"}};
  std::string wanted = LowerCase(name);
  for (const auto& [in_sql, in_delta] : kNamesInSql) {
    if (wanted == in_sql) wanted = in_delta;
  }
  auto type = internal::ParseTypeName(wanted);
  if (type.ok()) return type;
  return Invalid(
      "there is no type '{}': they are long, integer, short, byte, float, double, decimal(P,S), "
      "string, binary, boolean, date, timestamp and timestamp_ntz",
      name);
}

Result<AlterPlan> PlanAlter(const DeltaTable& table, const std::shared_ptr<const Snapshot>& base,
                            std::span<const TableAlteration> changes) {
  const std::string context = fmt::format("table '{}'", table.root());
  SLUICE_ASSIGN_OR_RETURN(const StatePtr state, StateToChange(table, base), "{}", context);
  SLUICE_ASSIGN_OR_RETURN(const TableEdit edit, MakeEdit(*state, changes, table.random()), "{}",
                          context);
  AlterPlan plan{.changes_anything = edit.Changes(*state),
                 .reader_version = edit.protocol.reader,
                 .writer_version = edit.protocol.writer,
                 .reader_features = internal::ReaderFeatures(edit.protocol),
                 .writer_features = internal::WriterFeatures(edit.protocol),
                 .new_features = {},
                 .locked_out = internal::FindLockedOut(state->protocol(), edit.protocol),
                 .reads_rows = !edit.conditions.empty() && !state->files().empty()};
  const std::vector<std::string> had = internal::WriterFeatures(state->protocol());
  for (const std::string& feature : plan.writer_features) {
    if (std::ranges::find(had, feature) == had.end()) plan.new_features.push_back(feature);
  }
  if (edit.begins_row_tracking) plan.files_to_number = FilesWithoutIds(*state);
  return plan;
}

Result<std::shared_ptr<const Snapshot>> AlterTable(DeltaTable& table,
                                                   const std::shared_ptr<const Snapshot>& base,
                                                   std::span<const TableAlteration> changes,
                                                   const AlterOptions& options) {
  const std::string context = fmt::format("table '{}'", table.root());
  SLUICE_ASSIGN_OR_RETURN(const StatePtr state, StateToChange(table, base), "{}", context);
  SLUICE_ASSIGN_OR_RETURN(StatePtr altered, Alter(table, state, changes, options), "{}", context);
  return std::shared_ptr<const Snapshot>(std::move(altered));
}

}  // namespace sluice::lake
