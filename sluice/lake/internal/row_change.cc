#include "sluice/lake/internal/row_change.h"

#include <arrow/api.h>

#include <algorithm>
#include <mutex>
#include <thread>

#include "sluice/base/in_parallel.h"
#include "sluice/lake/internal/commit_checks.h"
#include "sluice/lake/internal/read_plan.h"
#include "sluice/lake/internal/row_copy.h"
#include "sluice/lake/internal/table_features.h"
#include "sluice/lake/scan.h"

namespace sluice::lake::internal {

namespace {

constexpr size_t kFilesLookedAt = 100;
constexpr const char* kChangeFolder = "_change_data/";
// Files that are smaller together are left to one mover: each writes files of its own.
constexpr int64_t kShareBytesMin = int64_t{8} << 20;
// More than one, since files differ in how many of their rows change.
constexpr int kSharesPerThread = 4;

}  // namespace

RowChange::RowChange(DeltaTable& table, StatePtr state, const ChangeOptions& options)
    : table_(table), options_(options), moves_(table, std::move(state), options) {}

RowChange::~RowChange() {
  if (committed_) return;
  for (const auto& mover : movers_) mover->Discard();
  if (last_ != nullptr) last_->Discard();
}

Result<std::unique_ptr<RowChange>> RowChange::Begin(DeltaTable& table, StatePtr state,
                                                    const ChangeOptions& options,
                                                    std::string operation) {
  std::unique_ptr<RowChange> change(new RowChange(table, std::move(state), options));
  SLUICE_RETURN_IF_ERROR(change->Prepare(std::move(operation)));
  return change;
}

Status RowChange::Prepare(std::string operation) {
  const TableState& state = *moves_.state;
  SLUICE_RETURN_IF_ERROR(CheckOptions(options_.write));
  SLUICE_RETURN_IF_ERROR(state.CheckWritable());
  const auto features = state.writer_features();
  const bool may_mark = std::ranges::find(features, "deletionVectors") != features.end();
  if (options_.removal == RowRemoval::kVectors && !may_mark) {
    return Unsupported("the table does not have the feature 'deletionVectors'");
  }
  moves_.marks = may_mark && (options_.removal == RowRemoval::kVectors ||
                              (options_.removal == RowRemoval::kAsTableAsks &&
                               IsOn(state.properties(), "delta.enableDeletionVectors")));
  SLUICE_ASSIGN_OR_RETURN(rules_, RowRules::Of(state));
  moves_.tracks_rows = IsOn(state.properties(), "delta.enableRowTracking");
  change_.operation = std::move(operation);
  change_.zone = options_.zone;
  change_.overtaken_by = options_.overtaken_by;
  if (options_.count_deleted) change_.raise.emplace(options_.count_deleted->app_id);

  SLUICE_ASSIGN_OR_RETURN(RowCopy copy, RowCopy::Of(table_, state, options_.zone));
  moves_.plan = copy.WithPositions();
  moves_.files = {.write = options_.write, .extra = copy.extra()};
  // Rows that move take along that somebody wants no bounds of a column.
  std::vector<DataFile> sample;
  const size_t step = state.files().size() / kFilesLookedAt + 1;
  for (size_t i = 0; i < state.files().size(); i += step) sample.push_back(state.files()[i]);
  if (!sample.empty()) {
    std::ranges::move(ColumnsWithoutBounds(state, sample),
                      std::back_inserter(moves_.files.write.parquet.private_columns));
  }
  if (IsOn(state.properties(), "delta.enableChangeDataFeed")) {
    moves_.change_files = {.write = moves_.files.write,
                           .extra = {arrow::field("_change_type", arrow::utf8())},
                           .folder = kChangeFolder};
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
  if (condition) return SelectFiles(state(), *condition, options_.zone);
  return {state().files().begin(), state().files().end()};
}

Result<ReadPlan> RowChange::PositionsPlan(const std::vector<std::string>& columns) const {
  return internal::PositionsPlan(state(), columns, options_.zone);
}

Result<std::unique_ptr<DataFileReader>> RowChange::OpenFile(const DataFile& file,
                                                            const ReadPlan& plan) const {
  return DataFileReader::Open(moves_.places, file, plan);
}

Result<RowChange::Found> RowChange::NoRows(const DataFile& file) const {
  Found found{.rows = RowSet(0)};
  if (file.rows) {
    found.physical = *file.rows;
  } else {
    SLUICE_ASSIGN_OR_RETURN(found.physical, CountRows(moves_.places, file));
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
                                             const std::optional<Expression>& condition) const {
  SLUICE_ASSIGN_OR_RETURN(Found found, NoRows(file));
  if (!condition) {
    SLUICE_ASSIGN_OR_RETURN(const RowSet deleted,
                            ReadRowSet(moves_.places, file, {}, found.physical));
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

std::vector<size_t> RowChange::ShareOut(const std::vector<DataFile>& files) const {
  std::vector<size_t> ends;
  // What leaves by vectors is not copied, and what is written instead is little.
  if (options_.write.threads > 1 && !moves_.marks) {
    int64_t total = 0;
    for (const DataFile& file : files) total += file.size;
    const int64_t share = std::max(std::min(kShareBytesMin, TargetFileBytes(state())),
                                   total / (kSharesPerThread * options_.write.threads));
    int64_t bytes = 0;
    for (size_t i = 0; i < files.size(); ++i) {
      bytes += files[i].size;
      if (bytes < share) continue;
      ends.push_back(i + 1);
      bytes = 0;
    }
  }
  if (ends.empty() || ends.back() < files.size()) ends.push_back(files.size());
  return ends;
}

Status RowChange::MoveRows(const std::vector<DataFile>& files, const Move& move) {
  const std::vector<size_t> ends = ShareOut(files);
  const size_t processors = std::max(1U, std::thread::hardware_concurrency());
  const int threads = static_cast<int>(std::min(
      {static_cast<size_t>(std::max(options_.write.threads, 1)), processors, ends.size()}));
  std::vector<RowMover*> movers;
  for (size_t i = 0; i + 1 < ends.size(); ++i) {
    movers_.push_back(std::make_unique<RowMover>(moves_, /*threads=*/1, /*share=*/threads));
    movers.push_back(movers_.back().get());
  }
  if (last_ == nullptr && ends.size() > 1) {
    last_ = std::make_unique<RowMover>(moves_, /*threads=*/1, /*share=*/threads);
  }
  movers.push_back(&mover());

  const auto run = [&](size_t part) -> Status {
    try {
      for (size_t i = part == 0 ? 0 : ends[part - 1]; i < ends[part]; ++i) {
        SLUICE_RETURN_IF_ERROR(move(*movers[part], i));
      }
      // Rows that wait to be encoded would be in memory beside those of the next mover.
      return part + 1 < ends.size() ? movers[part]->Finish() : Status();
    } catch (const std::exception& exception) {  // Threads have nobody else to catch it.
      return Internal("{}", exception.what());
    }
  };
  std::mutex mutex;  // Guards `first`.
  Status first;
  InParallel(ends.size(), threads, [&](size_t part) {
    Status moved = run(part);
    if (moved.ok()) return true;
    const std::lock_guard lock(mutex);
    // What was stopped has no error of its own.
    if (!moves_.stopped.exchange(true)) first = std::move(moved);
    return false;
  });
  return first;
}

RowMover& RowChange::mover() {
  if (last_ == nullptr) {
    last_ = std::make_unique<RowMover>(moves_, options_.write.threads, /*share=*/1);
  }
  return *last_;
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
  if (last_ != nullptr) SLUICE_RETURN_IF_ERROR(last_->Finish());
  for (const auto& mover : movers_) mover->AddTo(change_, report_);
  if (last_ != nullptr) last_->AddTo(change_, report_);
  const bool nothing = change_.removed.empty() && change_.marked.empty() && change_.added.empty();
  if (nothing && options_.write.transactions.empty()) {
    report_.snapshot = moves_.state;
    return report_;
  }
  change_.metrics = Metrics();
  auto committed = CommitChange(table_, moves_.state, change_, options_.write);
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
