#include "sluice/ledger/proof.h"

#include <arrow/array.h>
#include <arrow/record_batch.h>
#include <arrow/scalar.h>
#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <set>
#include <tuple>

#include "sluice/lake/check_table.h"
#include "sluice/lake/commit.h"
#include "sluice/lake/expression.h"
#include "sluice/lake/scan.h"
#include "sluice/lake/timestamps.h"
#include "sluice/ledger/carried_over.h"
#include "sluice/ledger/internal/offset_reader.h"
#include "sluice/ledger/internal/oldest_state.h"
#include "sluice/ledger/offset_set.h"

namespace sluice::ledger {

namespace {

using lake::Commit;
using lake::DataFile;
using lake::Version;

const std::string kOffsetColumn = "_offset";
const std::string kBefore = "BEFORE";  // What the log no longer tells.

using internal::SnapshotPtr;
using internal::VisitOffsets;

std::set<std::string> PathsOf(const std::vector<DataFile>& files) {
  std::set<std::string> paths;
  for (const DataFile& file : files) paths.insert(file.path);
  return paths;
}

int64_t RowsOf(const DataFile& file) {
  return file.rows.value_or(0) - (file.deletion_vector ? file.deletion_vector->cardinality : 0);
}

/// One landing, by the log.
struct Landing {
  Version version;
  OffsetRange offsets;
};

/// Proves one range of offsets after the other.
class Prover {
 public:
  Prover(const lake::DeltaTable& table, SnapshotPtr snapshot, const ProofOptions& options)
      : table_(table), snapshot_(std::move(snapshot)), options_(options) {}

  Result<Proof> Run() {
    proof_.version = snapshot_->version();
    proof_.files = static_cast<int64_t>(snapshot_->files().size());
    proof_.landed_end = LandedOffset(*snapshot_) + 1;
    proof_.duplicates = SumOfCounter(*snapshot_, kDuplicateCounter);
    OffsetRange whole{0, proof_.landed_end};
    if (options_.range) {
      whole = {std::max<int64_t>(0, options_.range->begin),
               std::min(options_.range->end, proof_.landed_end)};
      whole.end = std::max(whole.begin, whole.end);
      proof_.accepted = whole.size();
      SelectFiles(whole);
    } else {
      CountPending(options_.end, proof_);
      proof_.files_read = proof_.files;
    }
    if (options_.all_bytes) SLUICE_RETURN_IF_ERROR(CheckFiles(), "table '{}'", table_.root());
    const Status counted = Count(whole);
    if (!counted.ok() && proof_.damaged.empty()) {
      SLUICE_RETURN_IF_ERROR(counted, "table '{}'", table_.root());
    }
    if (!counted.ok()) AddFault("rows cannot be counted: {}", counted.error().message());
    return std::move(proof_);
  }

 private:
  Status Count(OffsetRange whole) {
    OffsetRange range{whole.begin, std::min(whole.end, whole.begin + options_.window)};
    do {  // Once at least: rows of others are counted where nothing has landed, too.
      SLUICE_RETURN_IF_ERROR(ProveRange(range));
      range = {range.end, std::min(whole.end, range.end + options_.window)};
    } while (range.size() > 0);
    return {};
  }

  Status CheckFiles() {
    for (const DataFile& file : snapshot_->files()) {
      if (files_ && !files_->contains(file.path)) continue;
      const Status checked = lake::CheckBytes(table_, file);
      if (checked.ok()) continue;
      if (checked.error().code() == ErrorCode::kUnavailable) return checked;
      if (checked.error().code() != ErrorCode::kCorrupt) continue;  // The count tells.
      if (proof_.damaged.size() == options_.faults_max) return {};
      proof_.damaged.push_back(checked.error().message());
    }
    return {};
  }

  template <typename... Values>
  void AddFault(fmt::format_string<Values...> text, Values&&... values) {
    if (proof_.faults.size() == options_.faults_max) return;
    proof_.faults.push_back(fmt::format(text, std::forward<Values>(values)...));
  }

  /// Leaves out files that, by their statistics, have no offset of the range.
  void SelectFiles(OffsetRange range) {
    files_.emplace();
    for (const DataFile& file : snapshot_->files()) {
      if (lake::MaximumOf(file, kOffsetColumn).value_or(INT64_MAX) < range.begin) continue;
      if (lake::MinimumOf(file, kOffsetColumn).value_or(INT64_MIN) >= range.end) continue;
      files_->insert(file.path);
    }
    proof_.files_read = static_cast<int64_t>(files_->size());
  }

  Status ProveRange(OffsetRange range) {
    OffsetSet seen(range);
    std::set<int64_t> twice;
    int64_t beyond = 0;
    int64_t beyond_last = 0;
    SLUICE_RETURN_IF_ERROR(VisitOffsets(
        table_, snapshot_, options_.threads, files_, [&](std::optional<int64_t> offset) {
          if (!offset) {
            if (range.begin == 0 && !files_) ++proof_.foreign;
          } else if (*offset >= range.begin && *offset < range.end) {
            if (!seen.Add(*offset) && twice.size() < options_.faults_max) twice.insert(*offset);
          } else if (*offset < 0 || *offset >= proof_.landed_end) {
            ++beyond;
            beyond_last = *offset;
          }
        }));
    proof_.landed += seen.size();
    if (beyond > 0 && range.begin == 0) {
      AddFault(
          "{} rows have offsets such as {}, but no transaction says that more than {} have "
          "landed: another writer copied them, or did not keep the transaction",
          beyond, beyond_last, proof_.landed_end);
    }
    if (!twice.empty()) SLUICE_RETURN_IF_ERROR(ReportTwice(twice));
    if (seen.size() == range.size()) return {};
    OffsetSet missing(range);
    for (auto at = seen.FirstMissing(range.begin); at; at = seen.FirstMissing(*at + 1)) {
      missing.Add(*at);
    }
    return Explain(missing);
  }

  Status ReportTwice(const std::set<int64_t>& twice) {
    std::map<int64_t, std::vector<std::string>> places;
    lake::ScanOptions options;
    options.columns = {kOffsetColumn};
    options.positions = true;
    SLUICE_ASSIGN_OR_RETURN(const auto scan, lake::Scan::Open(table_, snapshot_, options));
    while (true) {
      SLUICE_ASSIGN_OR_RETURN(const columnar::Batch batch, scan->Next());
      if (batch == nullptr) break;
      const auto& offsets = static_cast<const arrow::Int64Array&>(*batch->column(0));
      for (int64_t i = 0; i < offsets.length(); ++i) {
        if (offsets.IsNull(i) || !twice.contains(offsets.Value(i))) continue;
        const auto file = batch->GetColumnByName("_file")->GetScalar(i);
        places[offsets.Value(i)].push_back(file.ok() ? (*file)->ToString() : "?");
      }
    }
    for (const auto& [offset, files] : places) {
      AddFault("offset {} stands in {} rows, of {} and {}", offset, files.size(), files.front(),
               files.back());
    }
    return {};
  }

  /// Follows the log for who took away what is missing; what is left is the gap.
  Status Explain(OffsetSet& missing) {
    SLUICE_ASSIGN_OR_RETURN(Version oldest, lake::OldestCommit(table_));
    int64_t landed_end = 0;
    std::vector<std::pair<Cause, int64_t>> before;  // How many were gone at the oldest commit.
    Version first = oldest;
    counters_.clear();
    if (oldest > 0) {  // What that commit changed cannot be told without the state before.
      SLUICE_ASSIGN_OR_RETURN(const SnapshotPtr begin,
                              internal::OldestState(table_, oldest, snapshot_));
      landed_end = LandedOffset(*begin) + 1;
      oldest = begin->version();
      first = oldest + 1;
      before = {{Cause::kErased, SumOfCounter(*begin, kErasedCounter)},
                {Cause::kExpired, SumOfCounter(*begin, kExpiredCounter)},
                {Cause::kRemoved, RemovedBefore(*begin)},
                {Cause::kLost, SumOfCounter(*begin, kLostCounter)}};
      for (const auto& [app, transaction] : begin->transactions()) {
        counters_[app] = transaction.version;
      }
    }
    const int64_t known_from = landed_end;
    std::vector<Landing> landings;
    for (Version version = first; version <= snapshot_->version(); ++version) {
      SLUICE_ASSIGN_OR_RETURN(const Commit commit, lake::ReadCommit(table_, version));
      int64_t now_landed = landed_end;
      for (const lake::Transaction& transaction : commit.transactions) {
        if (IsLanding(transaction.app_id)) {
          now_landed = std::max(now_landed, transaction.version + 1);
        }
      }
      if (now_landed > landed_end) {
        landings.push_back({version, {landed_end, now_landed}});
        if (commit.operation == kAdoptOperation || commit.operation == kLossOperation) {
          ExplainLoss(commit, landings.back().offsets, missing);
        }
        landed_end = now_landed;
      }
      if (!commit.removed.empty()) SLUICE_RETURN_IF_ERROR(ExplainCommit(commit, missing));
      for (const lake::Transaction& transaction : commit.transactions) {
        counters_[transaction.app_id] = transaction.version;
      }
    }
    DiscountRemoved(before);
    ExplainByCounters(before, {missing.range().begin, known_from}, missing);
    if (missing.size() <= ExplainByStatistics(missing.size())) return {};
    auto gap = missing.First(missing.range().begin);
    while (gap && proof_.faults.size() < options_.faults_max) {
      int64_t end = *gap + 1;
      while (end < missing.range().end && missing.Has(end)) ++end;
      ReportGap({*gap, end}, landings, known_from, oldest);
      gap = missing.First(end);
    }
    return {};
  }

  /// What `#removed` counts, in the state with which the log begins. Where the table says up to
  /// which version that is, the newest count holds, and some of these commits may still be there.
  int64_t RemovedBefore(const lake::Snapshot& begin) {
    removed_until_ = RemovedCountedUntil(*snapshot_);
    return SumOfCounter(removed_until_ ? *snapshot_ : begin, kRemovedCounter);
  }

  /// Takes off what commits that are still there explain.
  void DiscountRemoved(std::vector<std::pair<Cause, int64_t>>& counted) const {
    if (!removed_until_) return;
    int64_t known = 0;
    const auto count = [&](Version version, const Removal& removal) {
      const bool before = removal.operation == kBefore;
      if (removal.cause == Cause::kRemoved && !before && version <= *removed_until_) {
        known += removal.rows;
      }
    };
    for (const Removal& removal : proof_.removals) count(removal.version, removal);
    for (const auto& [commit, removal] : by_statistics_) count(commit.version, removal);
    for (auto& [cause, rows] : counted) {
      if (cause == Cause::kRemoved) rows = std::max<int64_t>(0, rows - known);
    }
  }

  void ReportGap(OffsetRange gap, const std::vector<Landing>& landings, int64_t known_from,
                 Version oldest) {
    const std::string which = gap.size() == 1
                                  ? fmt::format("offset {} is", gap.begin)
                                  : fmt::format("offsets {} to {} are", gap.begin, gap.end - 1);
    if (gap.begin < known_from) {
      AddFault("{} in no file, and the log no longer tells why: it begins at version {}", which,
               oldest);
      return;
    }
    const auto landing = std::ranges::find_if(
        landings, [&](const Landing& one) { return gap.begin < one.offsets.end; });
    if (landing == landings.end()) {
      AddFault("{} in no file, and no commit says that they landed", which);
      return;
    }
    AddFault(
        "{} in no file: version {} says that offsets {} to {} landed, and no commit since took "
        "{} away",
        which, landing->version, landing->offsets.begin, landing->offsets.end - 1,
        gap.size() == 1 ? "it" : "them");
  }

  void AddRemoval(const Commit& commit, Removal removal) {
    removal.version = commit.version;
    removal.timestamp_ms = commit.timestamp_ms;
    removal.operation = commit.operation;
    removal.engine = commit.engine;
    AddRemoval(std::move(removal));
  }

  void AddRemoval(Removal removal) {
    if (removal.rows == 0) return;
    int64_t& sum = removal.cause == Cause::kExpired  ? proof_.expired
                   : removal.cause == Cause::kErased ? proof_.erased
                                                     : proof_.removed;
    sum += removal.rows;
    proof_.removals.push_back(std::move(removal));
  }

  /// Offsets that an operator gave up: they count as landed, and there never were rows.
  void ExplainLoss(const Commit& commit, OffsetRange range, OffsetSet& missing) {
    Removal removal;
    removal.cause = Cause::kLost;
    const int64_t end = std::min(range.end, missing.range().end);
    for (auto at = missing.First(range.begin); at && *at < end; at = missing.First(*at + 1)) {
      if (removal.rows++ == 0) removal.first_offset = *at;
      missing.Remove(*at);
    }
    AddRemoval(commit, std::move(removal));
  }

  /// How much the commit raises a counter.
  int64_t RaiseOf(const Commit& commit, std::string_view counter) const {
    int64_t raise = 0;
    for (const lake::Transaction& transaction : commit.transactions) {
      if (!transaction.app_id.starts_with(kAppPrefix) || !transaction.app_id.ends_with(counter)) {
        continue;
      }
      const auto before = counters_.find(transaction.app_id);
      raise += transaction.version - (before == counters_.end() ? 0 : before->second);
    }
    return raise;
  }

  /// Sets why the commit took `gone` rows away, by its counters, and compares them.
  void SetCause(const Commit& commit, int64_t gone, Removal& removal) {
    for (const auto& [counter, cause, verb] :
         {std::tuple(kExpiredCounter, Cause::kExpired, "expired"),
          std::tuple(kErasedCounter, Cause::kErased, "erased")}) {
      const int64_t counted = RaiseOf(commit, counter);
      if (counted == 0) continue;
      removal.cause = cause;
      // In one window of several, or in a part of the table, some are not looked for.
      const bool all = !options_.range && proof_.landed_end <= options_.window;
      if (all && counted != gone) {
        AddFault("version {} ({}) says that {} rows {}, but {} are gone since", commit.version,
                 commit.operation, counted, verb, gone);
      }
    }
  }

  /// Offsets that went before the oldest commit that is left: its counters say how many there were,
  /// and why, not which.
  void ExplainByCounters(const std::vector<std::pair<Cause, int64_t>>& counted, OffsetRange range,
                         OffsetSet& missing) {
    const int64_t end = std::min(range.end, missing.range().end);
    int64_t left = 0;
    for (const auto& [cause, rows] : counted) left += rows;
    // Of these the offsets are not known either: they may be below the end of the range.
    for (const auto& [commit, removal] : by_statistics_) left += removal.rows;
    int64_t found = 0;
    for (auto at = missing.First(range.begin); at && *at < end; at = missing.First(*at + 1))
      ++found;
    if (found > left) return;
    for (const auto& [cause, rows] : counted) {
      Removal removal{.operation = kBefore, .by_statistics = true, .cause = cause};
      auto at = missing.First(range.begin);
      for (; at && *at < end && removal.rows < rows; at = missing.First(*at + 1)) {
        if (removal.rows++ == 0) removal.first_offset = *at;
        missing.Remove(*at);
      }
      AddRemoval(std::move(removal));
    }
  }

  /// Counts removals of which only statistics tell, for no more rows than are missing. Returns for
  /// how many.
  int64_t ExplainByStatistics(int64_t missing) {
    int64_t explained = 0;
    for (auto& [commit, removal] : by_statistics_) {
      removal.rows = std::min(removal.rows, missing - explained);
      explained += removal.rows;
      AddRemoval(commit, removal);
    }
    by_statistics_.clear();
    return explained;
  }

  /// Takes out of `missing` what the commit took out of the table.
  Status ExplainCommit(const Commit& commit, OffsetSet& missing) {
    SLUICE_ASSIGN_OR_RETURN(const auto before, table_.LoadAt(commit.version - 1));
    SLUICE_ASSIGN_OR_RETURN(const auto after, table_.LoadAt(commit.version));
    const OffsetRange range = missing.range();
    OffsetSet gone(range);
    const auto in_range = [&](std::optional<int64_t> offset) {
      return offset && *offset >= range.begin && *offset < range.end;
    };
    const std::set<std::string> removed = PathsOf(commit.removed);
    const std::set<std::string> added = PathsOf(commit.added);
    Status read =
        VisitOffsets(table_, before, options_.threads, removed, [&](std::optional<int64_t> offset) {
          if (in_range(offset)) gone.Add(*offset);
        });
    if (read.ok()) {
      read =
          VisitOffsets(table_, after, options_.threads, added, [&](std::optional<int64_t> offset) {
            if (in_range(offset)) gone.Remove(*offset);
          });
    }
    Removal removal;
    if (read.ok()) {
      SetCause(commit, gone.size(), removal);
      for (auto at = gone.First(range.begin); at; at = gone.First(*at + 1)) {
        if (!missing.Remove(*at)) continue;  // It came back later.
        if (removal.rows++ == 0) removal.first_offset = *at;
      }
      if (removal.rows > 0 && !commit.data_change) {
        AddFault(
            "version {} ({}) says that it changed no data, but {} rows are gone since; the first "
            "has offset {}",
            commit.version, commit.operation, removal.rows, removal.first_offset);
      }
      AddRemoval(commit, std::move(removal));
      return {};
    }
    if (read.error().code() != ErrorCode::kNotFound) return read;
    // The files are gone, too: what they had was in the log.
    for (const DataFile& file : before->files()) {
      if (removed.contains(file.path)) removal.rows += RowsOf(file);
    }
    for (const DataFile& file : after->files()) {
      if (added.contains(file.path)) removal.rows -= RowsOf(file);
    }
    removal.by_statistics = true;
    SetCause(commit, removal.rows, removal);
    if (removal.rows > 0) by_statistics_.emplace_back(commit, std::move(removal));
    return {};
  }

  const lake::DeltaTable& table_;
  const SnapshotPtr snapshot_;
  const ProofOptions options_;
  Proof proof_;
  std::optional<std::set<std::string>> files_;  // Those to read; absent: all.
  std::map<std::string, int64_t> counters_;     // Before the commit that is looked at.
  std::optional<Version> removed_until_;        // As carried_over.h has it.
  std::vector<std::pair<Commit, Removal>> by_statistics_;
};

/// Files with rows received before some time, and files with rows received since.
struct Sides {
  std::vector<DataFile> before;
  std::vector<DataFile> since;
};

/// Calls `visit` with offset and received time of the rows of files that have both, or do not tell;
/// returns the others.
Result<Sides> VisitBoundary(const lake::DeltaTable& table, const SnapshotPtr& snapshot,
                            int64_t time_us,
                            const std::function<void(int64_t offset, int64_t received_us)>& visit) {
  const std::string text = lake::TimestampText(time_us);
  SLUICE_ASSIGN_OR_RETURN(const auto is_before,
                          lake::Expression::Parse("_received_at < TIMESTAMP '" + text + "'"));
  SLUICE_ASSIGN_OR_RETURN(const auto is_since,
                          lake::Expression::Parse("_received_at >= TIMESTAMP '" + text + "'"));
  Sides sides{.before = lake::SelectFiles(*snapshot, is_before),
              .since = lake::SelectFiles(*snapshot, is_since)};
  std::set<std::string> both;
  const std::set<std::string> since = PathsOf(sides.since);
  const auto must_be_read = [&](const DataFile& file) {
    return since.contains(file.path) || !lake::MaximumOf(file, kOffsetColumn);
  };
  for (const DataFile& file : sides.before) {
    if (must_be_read(file)) both.insert(file.path);
  }
  for (const DataFile& file : sides.since) {
    if (!lake::MinimumOf(file, kOffsetColumn)) both.insert(file.path);
  }
  const auto is_read = [&](const DataFile& file) { return both.contains(file.path); };
  std::erase_if(sides.before, is_read);
  std::erase_if(sides.since, is_read);
  if (both.empty()) return sides;
  lake::ScanOptions options;
  options.columns = {kOffsetColumn, "_received_at"};
  options.files = both;
  SLUICE_ASSIGN_OR_RETURN(const auto scan, lake::Scan::Open(table, snapshot, options));
  while (true) {
    SLUICE_ASSIGN_OR_RETURN(const columnar::Batch batch, scan->Next());
    if (batch == nullptr) return sides;
    if (batch->column(0)->type_id() != arrow::Type::INT64 ||
        batch->column(1)->type_id() != arrow::Type::TIMESTAMP) {
      return Corrupt("columns '{}' and '_received_at' are not those of landed rows", kOffsetColumn);
    }
    const auto& offsets = static_cast<const arrow::Int64Array&>(*batch->column(0));
    const auto& times = static_cast<const arrow::TimestampArray&>(*batch->column(1));
    for (int64_t i = 0; i < batch->num_rows(); ++i) {
      if (offsets.IsValid(i) && times.IsValid(i)) visit(offsets.Value(i), times.Value(i));
    }
  }
}

/// Behind the last offset that was received before then.
Result<int64_t> LastBefore(const lake::DeltaTable& table, const SnapshotPtr& snapshot,
                           int64_t time_us) {
  int64_t end = 0;
  SLUICE_ASSIGN_OR_RETURN(const Sides sides,
                          VisitBoundary(table, snapshot, time_us, [&](int64_t offset, int64_t at) {
                            if (at < time_us) end = std::max(end, offset + 1);
                          }));
  for (const DataFile& file : sides.before) {
    end = std::max(end, lake::MaximumOf(file, kOffsetColumn).value_or(-1) + 1);
  }
  return end;
}

/// The first offset that was received since then; behind the last that landed if there is none.
Result<int64_t> FirstFrom(const lake::DeltaTable& table, const SnapshotPtr& snapshot,
                          int64_t time_us) {
  int64_t first = LandedOffset(*snapshot) + 1;
  SLUICE_ASSIGN_OR_RETURN(const Sides sides,
                          VisitBoundary(table, snapshot, time_us, [&](int64_t offset, int64_t at) {
                            if (at >= time_us) first = std::min(first, offset);
                          }));
  for (const DataFile& file : sides.since) {
    first = std::min(first, lake::MinimumOf(file, kOffsetColumn).value_or(first));
  }
  return first;
}

}  // namespace

bool IsLanding(std::string_view app_id) {
  return app_id.starts_with(kAppPrefix) && app_id.find('#') == std::string_view::npos;
}

int64_t LandedOffset(const lake::Snapshot& snapshot) {
  int64_t landed = -1;
  for (const auto& [app, transaction] : snapshot.transactions()) {
    if (IsLanding(app)) landed = std::max(landed, transaction.version);
  }
  return landed;
}

int64_t SumOfCounter(const lake::Snapshot& snapshot, std::string_view counter) {
  int64_t sum = 0;
  for (const auto& [app, transaction] : snapshot.transactions()) {
    if (app.starts_with(kAppPrefix) && app.ends_with(counter)) sum += transaction.version;
  }
  return sum;
}

void CountPending(const std::optional<int64_t>& end, Proof& proof) {
  if (!end) return;
  proof.accepted = end;
  proof.pending = *end - proof.landed_end;
  if (*proof.pending >= 0) return;
  proof.faults.push_back(fmt::format("the table has landed {} offsets, but only {} were accepted",
                                     proof.landed_end, *end));
}

Result<OffsetRange> OffsetsBetween(const lake::DeltaTable& table, const SnapshotPtr& snapshot,
                                   std::optional<int64_t> from_us, std::optional<int64_t> to_us) {
  OffsetRange range{0, LandedOffset(*snapshot) + 1};
  // Received time never goes back from offset to offset.
  if (from_us) {
    SLUICE_ASSIGN_OR_RETURN(range.begin, LastBefore(table, snapshot, *from_us));
  }
  if (to_us) {
    SLUICE_ASSIGN_OR_RETURN(range.end, FirstFrom(table, snapshot, *to_us));
  }
  range.end = std::max(range.begin, range.end);
  return range;
}

Result<Proof> Prove(const lake::DeltaTable& table, const SnapshotPtr& snapshot,
                    const ProofOptions& options) {
  return Prover(table, snapshot, options).Run();
}

}  // namespace sluice::ledger
