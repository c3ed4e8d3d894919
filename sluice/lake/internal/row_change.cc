#include "sluice/lake/internal/row_change.h"

#include <arrow/api.h>
#include <arrow/compute/api.h>

#include <algorithm>

#include "sluice/base/ascii.h"
#include "sluice/columnar/arrow_bridge.h"
#include "sluice/lake/internal/commit_checks.h"
#include "sluice/lake/internal/read_plan.h"
#include "sluice/lake/internal/row_copy.h"
#include "sluice/lake/internal/table_features.h"
#include "sluice/lake/scan.h"

namespace sluice::lake::internal {

namespace {

using columnar::FromArrow;

constexpr size_t kFilesLookedAt = 100;
constexpr const char* kChangeFolder = "_change_data/";

// Returns the rows of `batch` at positions that are in `rows`, or are not; `positions` is its last
// column, and is left out.
Result<columnar::Batch> Pick(const columnar::Batch& batch, const RowSet& rows, bool in) {
  const int last = batch->num_columns() - 1;
  const auto& positions = static_cast<const arrow::Int64Array&>(*batch->column(last));
  std::vector<int64_t> chosen;
  arrow::BooleanBuilder flags;
  SLUICE_RETURN_IF_ERROR(FromArrow(flags.Reserve(batch->num_rows())));
  for (int64_t row = 0; row < batch->num_rows(); ++row) {
    const bool choose = rows.Contains(positions.Value(row)) == in;
    if (choose) chosen.push_back(row);
    flags.UnsafeAppend(choose);
  }
  SLUICE_ASSIGN_OR_RETURN(const columnar::Batch rest, FromArrow(batch->RemoveColumn(last)));
  if (chosen.size() == static_cast<size_t>(batch->num_rows())) return rest;
  // Of most rows, whole runs are copied; of few, each by itself.
  if (chosen.size() < static_cast<size_t>(batch->num_rows()) / 8) {
    return columnar::Take(*rest, chosen);
  }
  SLUICE_ASSIGN_OR_RETURN(const auto mask, FromArrow(flags.Finish()));
  SLUICE_ASSIGN_OR_RETURN(const arrow::Datum filtered,
                          FromArrow(arrow::compute::Filter(rest, mask)));
  return filtered.record_batch();
}

}  // namespace

RowChange::RowChange(DeltaTable& table, StatePtr state, const ChangeOptions& options)
    : table_(table),
      state_(std::move(state)),
      options_(options),
      places_(table.store(), table.root(), table.foreign()) {}

RowChange::~RowChange() {
  if (committed_) return;
  if (files_ != nullptr) files_->Discard();
  if (change_files_ != nullptr) change_files_->Discard();
}

Result<std::unique_ptr<RowChange>> RowChange::Begin(DeltaTable& table, StatePtr state,
                                                    const ChangeOptions& options,
                                                    std::string operation) {
  std::unique_ptr<RowChange> change(new RowChange(table, std::move(state), options));
  SLUICE_RETURN_IF_ERROR(change->Prepare(std::move(operation)));
  return change;
}

Status RowChange::Prepare(std::string operation) {
  SLUICE_RETURN_IF_ERROR(CheckOptions(options_.write));
  SLUICE_RETURN_IF_ERROR(state_->CheckWritable());
  const auto features = state_->writer_features();
  const bool may_mark = std::ranges::find(features, "deletionVectors") != features.end();
  if (options_.removal == RowRemoval::kVectors && !may_mark) {
    return Unsupported("the table does not have the feature 'deletionVectors'");
  }
  marks_ = may_mark && (options_.removal == RowRemoval::kVectors ||
                        (options_.removal == RowRemoval::kAsTableAsks &&
                         IsOn(state_->properties(), "delta.enableDeletionVectors")));
  SLUICE_ASSIGN_OR_RETURN(rules_, RowRules::Of(*state_));
  tracks_rows_ = IsOn(state_->properties(), "delta.enableRowTracking");
  change_.operation = std::move(operation);
  change_.zone = options_.zone;
  change_.overtaken_by = options_.overtaken_by;

  SLUICE_ASSIGN_OR_RETURN(RowCopy copy, RowCopy::Of(table_, *state_, options_.zone));
  RowFiles::Options files{.write = options_.write, .extra = copy.extra()};
  // Rows that move take along that somebody wants no bounds of a column.
  std::vector<DataFile> sample;
  const size_t step = state_->files().size() / kFilesLookedAt + 1;
  for (size_t i = 0; i < state_->files().size(); i += step) sample.push_back(state_->files()[i]);
  if (!sample.empty()) {
    std::ranges::move(ColumnsWithoutBounds(*state_, sample),
                      std::back_inserter(files.write.parquet.private_columns));
  }
  rows_plan_ = copy.WithPositions();
  files_ = std::make_unique<RowFiles>(table_, *state_, files);
  if (IsOn(state_->properties(), "delta.enableChangeDataFeed")) {
    change_files_ = std::make_unique<RowFiles>(
        table_, *state_,
        RowFiles::Options{.write = std::move(files.write),
                          .extra = {arrow::field("_change_type", arrow::utf8())},
                          .folder = kChangeFolder});
  }
  return {};
}

std::vector<DataFile> RowChange::Candidates(const std::optional<Expression>& condition) {
  change_.read = condition ? TableChange::Read::kMatching : TableChange::Read::kEverything;
  change_.condition = condition;
  change_.reaches = [this](const DataFile& file) -> Result<bool> {
    SLUICE_ASSIGN_OR_RETURN(const Found found, FindRows(file, change_.condition));
    return found.rows.count() > 0;
  };
  if (condition) return SelectFiles(*state_, *condition, options_.zone);
  return {state_->files().begin(), state_->files().end()};
}

Result<ReadPlan> RowChange::PositionsPlan(const std::vector<std::string>& columns) const {
  SLUICE_ASSIGN_OR_RETURN(ReadPlan plan,
                          MakeReadPlan(*state_, {.columns = columns, .zone = options_.zone}));
  AddPositions(plan);
  return plan;
}

Result<std::unique_ptr<DataFileReader>> RowChange::OpenFile(const DataFile& file,
                                                            const ReadPlan& plan) const {
  return DataFileReader::Open(places_, file, plan);
}

Result<RowChange::Found> RowChange::NoRows(const DataFile& file) const {
  Found found{.rows = RowSet(0)};
  if (file.rows) {
    found.physical = *file.rows;
  } else {
    SLUICE_ASSIGN_OR_RETURN(found.physical, CountRows(places_, file));
  }
  found.rows = RowSet(found.physical);
  found.live =
      found.physical - (file.deletion_vector == nullptr ? 0 : file.deletion_vector->cardinality);
  return found;
}

Status RowChange::Mark(const DataFile& file, int64_t position, Found& found) {
  if (position >= found.physical) {
    return Corrupt("file '{}' has more rows than the {} of its statistics", file.path,
                   found.physical);
  }
  found.rows.Insert(position);
  return {};
}

Result<RowChange::Found> RowChange::FindRows(const DataFile& file,
                                             const std::optional<Expression>& condition) {
  SLUICE_ASSIGN_OR_RETURN(Found found, NoRows(file));
  if (!condition) {
    SLUICE_ASSIGN_OR_RETURN(const RowSet deleted, ReadRowSet(places_, file, {}, found.physical));
    for (int64_t row = 0; row < found.physical; ++row) {
      if (!deleted.Contains(row)) found.rows.Insert(row);
    }
    return found;
  }
  const auto names = condition->columns();
  SLUICE_ASSIGN_OR_RETURN(const ReadPlan plan, PositionsPlan({names.begin(), names.end()}));
  SLUICE_ASSIGN_OR_RETURN(const auto reader, OpenFile(file, plan));
  while (true) {
    SLUICE_ASSIGN_OR_RETURN(const columnar::Batch batch, reader->Next());
    if (batch == nullptr) return found;
    SLUICE_ASSIGN_OR_RETURN(const auto held, condition->Evaluate(*batch));
    if (held->type_id() != arrow::Type::BOOL) {
      return Invalid("'{}' is no condition", condition->text());
    }
    const auto& flags = static_cast<const arrow::BooleanArray&>(*held);
    const auto& positions =
        static_cast<const arrow::Int64Array&>(*batch->column(batch->num_columns() - 1));
    for (int64_t row = 0; row < batch->num_rows(); ++row) {
      if (!flags.IsValid(row) || !flags.Value(row)) continue;
      SLUICE_RETURN_IF_ERROR(Mark(file, positions.Value(row), found));
    }
  }
}

Status RowChange::TakeOut(const DataFile& file, Found found, const Use& use) {
  const int64_t count = found.rows.count();
  if (count == 0) return {};
  if (IsOn(state_->properties(), "delta.appendOnly")) {
    return Unsupported("the table only appends ('delta.appendOnly'): its rows do not change");
  }
  SLUICE_RETURN_IF_ERROR(Count(file, found));
  const bool all = count == found.live;
  const bool copies = !all && !marks_;
  if (use || copies) {
    SLUICE_ASSIGN_OR_RETURN(const auto reader, OpenFile(file, rows_plan_));
    while (true) {
      SLUICE_ASSIGN_OR_RETURN(const columnar::Batch batch, reader->Next());
      if (batch == nullptr) break;
      if (use) {
        SLUICE_ASSIGN_OR_RETURN(const columnar::Batch rows, Pick(batch, found.rows, true));
        if (rows->num_rows() > 0) SLUICE_RETURN_IF_ERROR(use(rows));
      }
      if (copies) {
        SLUICE_ASSIGN_OR_RETURN(const columnar::Batch rows, Pick(batch, found.rows, false));
        report_.rows_copied += rows->num_rows();
        SLUICE_RETURN_IF_ERROR(files_->Write(rows));
      }
    }
  }
  if (all || copies) {
    change_.removed.push_back(file);
    ++report_.files_removed;
  } else {
    change_.marked.push_back(
        {.file = file, .rows = std::move(found.rows), .physical = found.physical});
    ++report_.files_marked;
  }
  return {};
}

Status RowChange::Count(const DataFile& file, const Found& found) {
  if (!options_.count_deleted) return {};
  const std::string& column = options_.count_deleted->column;
  if (!change_.raise) change_.raise.emplace(options_.count_deleted->app_id);
  if (state_->schema()->GetFieldByName(column) == nullptr) return {};  // None has a value.
  if (NullsOf(file, column) == 0) {
    change_.raise->by += found.rows.count();
    return {};
  }
  SLUICE_ASSIGN_OR_RETURN(const ReadPlan plan, PositionsPlan({column}));
  SLUICE_ASSIGN_OR_RETURN(const auto reader, OpenFile(file, plan));
  while (true) {
    SLUICE_ASSIGN_OR_RETURN(const columnar::Batch batch, reader->Next());
    if (batch == nullptr) return {};
    const auto& positions =
        static_cast<const arrow::Int64Array&>(*batch->column(batch->num_columns() - 1));
    for (int64_t row = 0; row < batch->num_rows(); ++row) {
      if (!batch->column(0)->IsValid(row)) continue;
      change_.raise->by += found.rows.Contains(positions.Value(row)) ? 1 : 0;
    }
  }
}

Status RowChange::WriteChanged(const columnar::Batch& rows, const columnar::Batch& before) {
  // The row keeps its id; that it changed in this commit follows from the file.
  return Write(rows, tracks_rows_ ? before->column(before->num_columns() - 2) : nullptr);
}

Status RowChange::WriteNew(const columnar::Batch& rows) { return Write(rows, nullptr); }

Status RowChange::Write(const columnar::Batch& rows, std::shared_ptr<arrow::Array> ids) {
  if (!tracks_rows_) return files_->Write(rows);
  SLUICE_ASSIGN_OR_RETURN(auto none,
                          FromArrow(arrow::MakeArrayOfNull(arrow::int64(), rows->num_rows())));
  arrow::ArrayVector columns = rows->columns();
  arrow::FieldVector fields = rows->schema()->fields();
  columns.push_back(ids == nullptr ? none : std::move(ids));
  columns.push_back(std::move(none));
  for (const char* name : {"_row_id", "_row_commit_version"}) {
    fields.push_back(arrow::field(name, arrow::int64()));
  }
  return files_->Write(arrow::RecordBatch::Make(arrow::schema(std::move(fields)), rows->num_rows(),
                                                std::move(columns)));
}

Status RowChange::NoteChange(const columnar::Batch& rows, std::string_view change_type) {
  if (change_files_ == nullptr || rows->num_rows() == 0) return {};
  const auto count = static_cast<size_t>(state_->schema()->num_fields());
  arrow::ArrayVector columns = rows->columns();
  arrow::FieldVector fields = rows->schema()->fields();
  columns.resize(count);
  fields.resize(count);
  SLUICE_ASSIGN_OR_RETURN(
      auto type, FromArrow(arrow::MakeArrayFromScalar(arrow::StringScalar(std::string(change_type)),
                                                      rows->num_rows())));
  columns.push_back(std::move(type));
  fields.push_back(arrow::field("_change_type", arrow::utf8()));
  return change_files_->Write(arrow::RecordBatch::Make(arrow::schema(std::move(fields)),
                                                       rows->num_rows(), std::move(columns)));
}

std::map<std::string, std::string> RowChange::Metrics() const {
  const auto& r = report_;
  std::map<std::string, std::string> metrics;
  for (const auto& [name, value] : std::initializer_list<std::pair<const char*, int64_t>>{
           {"numRemovedFiles", r.files_removed},
           {"numAddedFiles", r.files_added},
           {"numDeletedRows", r.rows_deleted},
           {"numUpdatedRows", r.rows_updated},
           {"numInsertedRows", r.rows_inserted},
           {"numCopiedRows", r.rows_copied},
           {"numDeletionVectorsAdded", r.files_marked},
           {"numAddedChangeFiles", static_cast<int64_t>(change_.changes.size())}}) {
    metrics.emplace(name, std::to_string(value));
  }
  return metrics;
}

Result<ChangeReport> RowChange::Commit() {
  SLUICE_RETURN_IF_ERROR(files_->Finish());
  change_.added = files_->files();
  report_.files_added = static_cast<int64_t>(change_.added.size());
  if (change_files_ != nullptr) {
    SLUICE_RETURN_IF_ERROR(change_files_->Finish());
    for (const DataFile& file : change_files_->files()) {
      change_.changes.push_back(
          {.path = file.path, .partition_values = file.partition_values, .size = file.size});
    }
  }
  const bool nothing = change_.removed.empty() && change_.marked.empty() && change_.added.empty();
  if (nothing && options_.write.transactions.empty()) {
    report_.snapshot = state_;
    return report_;
  }
  change_.metrics = Metrics();
  auto committed = CommitChange(table_, state_, change_, options_.write);
  if (!committed.ok()) {
    // Only where other writers decided is it sure that no try of ours lands late: then the log
    // would name these files.
    const ErrorCode code = committed.error().code();
    committed_ = code != ErrorCode::kConflict && code != ErrorCode::kUnsupported;
    return std::move(committed).error();
  }
  committed_ = committed->ours;
  report_.snapshot = std::move(committed->state);
  return report_;
}

Result<ChangeReport> MakeChange(DeltaTable& table, const ChangeOptions& options,
                                const std::string& operation,
                                const std::function<Status(RowChange&)>& make) {
  const TableLog log(table.store(), table.root());
  StatePtr state = std::dynamic_pointer_cast<const TableState>(options.since);
  for (int conflicts = 0;; ++conflicts) {
    SLUICE_ASSIGN_OR_RETURN(state, state == nullptr ? log.Load(std::nullopt) : log.Advance(state),
                            "table '{}'", table.name());
    if (Judge(*state, options.write) == Standing::kDone) {
      ChangeReport report;
      report.snapshot = state;
      return report;
    }
    const auto run = [&]() -> Result<ChangeReport> {
      if (Judge(*state, options.write) == Standing::kBroken) {
        return BrokenExpectation(*state, *options.write.expect);
      }
      SLUICE_ASSIGN_OR_RETURN(const auto change,
                              RowChange::Begin(table, state, options, operation));
      SLUICE_RETURN_IF_ERROR(make(*change));
      return change->Commit();
    };
    Result<ChangeReport> report = run();
    if (report.ok()) {
      report->conflicts = conflicts;
      return report;
    }
    // A file that is gone was removed by a writer after our state.
    const ErrorCode code = report.error().code();
    const bool may_pass = (code == ErrorCode::kConflict || code == ErrorCode::kNotFound) &&
                          Judge(*state, options.write) == Standing::kFree;
    if (!may_pass || conflicts >= options.conflicts_max) {
      return std::move(report).error().Wrap(fmt::format("table '{}'", table.name()));
    }
  }
}

}  // namespace sluice::lake::internal
