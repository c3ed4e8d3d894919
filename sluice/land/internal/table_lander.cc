#include "sluice/land/internal/table_lander.h"

#include <arrow/api.h>

#include <algorithm>

#include "sluice/base/trace.h"
#include "sluice/columnar/match_structs.h"
#include "sluice/lake/commit.h"
#include "sluice/land/table_schema.h"
#include "sluice/ledger/proof.h"

namespace sluice::land::internal {
namespace {

using columnar::Batch;

// Tiny batches cost a query, and memory, far more than their rows: 30,000 of one row took 99 ms, 10
// large ones 10 ms. Those of this size or more are left as they are: joining them costs a copy.
constexpr int64_t kChunkRowsMin = 512;
constexpr size_t kPendingFramesMax = 64;
constexpr int64_t kAddedBytes = 40;  // Of the columns that a row gets on its way to the table.
// What writing files takes of memory, in bytes for one of the rows. Encoding took 1.3 where the
// values are random; rows of many dates in turn are copied apart before, and are then encoded one
// date after another.
constexpr int64_t kWriteBytes = 2;
const std::string kKeysProperty = "sluice.keys";

// Rows of the files that say how many they have.
int64_t KnownRows(const lake::FileList& files) {
  if (const auto rows = files.rows()) return *rows;
  int64_t rows = 0;
  for (const lake::DataFile& file : files) {
    rows += file.rows.value_or(0);
    if (file.deletion_vector != nullptr) rows -= file.deletion_vector->cardinality;
  }
  return rows;
}

}  // namespace

TableLander::TableLander(const LandOptions& options, store::ObjectStore& store,
                         const os::Clock& clock, os::Random& random, std::string app_id,
                         catalog::Topic topic, std::shared_ptr<TailBytes> tail_bytes,
                         std::shared_ptr<WriteMemory> write_memory,
                         std::shared_ptr<DueTables> due_tables)
    : options_(options),
      clock_(clock),
      app_id_(std::move(app_id)),
      partition_(topic.partition),
      tail_bytes_(std::move(tail_bytes)),
      write_memory_(std::move(write_memory)),
      due_tables_(std::move(due_tables)),
      topic_(std::move(topic)),
      table_(store, topic_.table_path, clock, random, nullptr, options.expiry),
      schema_(TableSchema(*topic_.contract)) {}

TableLander::~TableLander() { Count(-bytes_); }

Result<journal::Offset> TableLander::Open() {
  const std::lock_guard lock(mutex_);
  auto loaded = table_.Load();
  if (!loaded.ok() && loaded.error().code() == ErrorCode::kNotFound) {
    lake::CreateOptions create;
    create.partition_columns = {std::string(kDateColumn)};
    if (options_.keys) create.properties = {{kKeysProperty, options_.keys->Fingerprint()}};
    create.description = "events of topic " + topic_.contract->topic;
    loaded = table_.Create(schema_, create);
  }
  if (!loaded.ok()) return std::move(loaded).error();
  if (const auto& properties = (*loaded)->properties();
      options_.keys && properties.contains(kKeysProperty) &&
      properties.at(kKeysProperty) != options_.keys->Fingerprint()) {
    return Denied(
        "table '{}' was made with other keys: fingerprint {}, expected {}; put back the key file "
        "that belongs to the tables",
        topic_.table_path, options_.keys->Fingerprint(), properties.at(kKeysProperty));
  }
  if (const auto fits = table_.AddColumns(*loaded, schema_); fits.ok()) {
    loaded = fits;
  } else {
    return fits.error();
  }
  SetSnapshot(*loaded);

  duplicates_ = counted_ =
      snapshot_->TransactionVersion(app_id_ + std::string(ledger::kDuplicateCounter)).value_or(0);
  journal::Offset known = ledger::LandedOffset(*snapshot_);
  if (known < 0) {
    known = LastRow();
    if (known >= 0) {
      StopLanding(fmt::format(
          "the table has rows up to offset {}, but no transaction that says what has landed: "
          "another writer did not keep it; if no row is missing, let landing go on behind them "
          "with `sluice table adopt {}`",
          known, topic_.contract->topic));
    }
  }
  landed_ = known;
  end_ = known + 1;
  if (const Status owned = CheckOwnership(*snapshot_); !owned.ok()) {
    StopLanding(owned.error().message());
  }
  return end_;
}

journal::Offset TableLander::LastRow() const {
  journal::Offset last = -1;
  for (const lake::DataFile& file : snapshot_->files()) {
    last = std::max(last, lake::MaximumOf(file, "_offset").value_or(-1));
  }
  return last;
}

Status TableLander::Evolve(const catalog::Topic& topic) {
  // Rows of the old contract that wait are landed with the new columns null: they are matched by
  // name. What is being landed under the old one is waited for: once a stricter rule was
  // acknowledged nothing lands in clear.
  std::unique_lock lock(mutex_);
  landing_ended_.wait(lock, [this] { return landings_ == 0; });
  SLUICE_RETURN_IF_ERROR(Coalesce());
  const columnar::Schema schema = TableSchema(*topic.contract);
  SLUICE_ASSIGN_OR_RETURN(auto snapshot, table_.AddColumns(snapshot_, schema), "table '{}'",
                          topic.table_path);
  const auto made_under = topic_.contract;
  topic_ = topic;
  schema_ = schema;
  protector_ = nullptr;
  Advance(std::move(snapshot));
  for (Chunk& chunk : chunks_) {
    SLUICE_ASSIGN_OR_RETURN(
        const Batch safe,
        Reprotect(arrow::RecordBatch::Make(privacy::MarkRules(*made_under, chunk.rows->schema()),
                                           chunk.rows->num_rows(), chunk.rows->columns())));
    arrow::ArrayVector columns;
    for (const auto& field : schema_->fields()) {
      auto column = safe->GetColumnByName(field->name());
      if (column == nullptr) {
        column = arrow::MakeArrayOfNull(field->type(), chunk.rows->num_rows()).ValueOrDie();
      }
      columns.push_back(std::move(column));
    }
    chunk.rows = arrow::RecordBatch::Make(schema_, chunk.rows->num_rows(), std::move(columns));
  }
  return {};
}

void TableLander::SetSnapshot(std::shared_ptr<const lake::Snapshot> snapshot,
                              std::optional<int64_t> rows_added) {
  const bool first = snapshot_ == nullptr;
  const int64_t expected = landed_rows_ + rows_added.value_or(0);
  snapshot_ = std::move(snapshot);
  locations_.reset();
  landed_rows_ = KnownRows(snapshot_->files());
  own_files_ = snapshot_->CheckOwnFiles();
  refreshed_ = clock_.Steady();
  if (first || !rows_added || landed_rows_ == expected) return;
  if (landed_rows_ < expected) {
    trace::Warning("rows removed by another writer", {{"table", topic_.table_path},
                                                      {"version", snapshot_->version()},
                                                      {"rows", expected - landed_rows_}});
  } else {
    trace::Info("rows added by another writer", {{"table", topic_.table_path},
                                                 {"version", snapshot_->version()},
                                                 {"rows", landed_rows_ - expected}});
  }
}

void TableLander::Advance(std::shared_ptr<const lake::Snapshot> snapshot, Made made) {
  // Threads that load, land and add columns may come here in another order than they read.
  if (snapshot->version() < snapshot_->version()) return;
  const journal::Offset has = snapshot->TransactionVersion(app_id_).value_or(-1);
  const std::string counter = app_id_ + std::string(ledger::kDuplicateCounter);
  counted_ = std::max(counted_, snapshot->TransactionVersion(counter).value_or(0));
  SetSnapshot(std::move(snapshot), made == Made::kByUs
                                       ? std::nullopt
                                       : std::optional(std::max<int64_t>(0, has - landed_)));
  if (const Status kept = CheckRemembers(*snapshot_); !kept.ok() && stopped_.empty()) {
    StopLanding(kept.error().message());
  }
  if (has <= landed_) return;
  landed_ = has;
  DropLanded();
}

void TableLander::SetFirstKept(journal::Offset first) {
  const std::lock_guard lock(mutex_);
  first_kept_ = first;
  if (first <= landed_ + 1 || !stopped_.empty() || LossEnd(landed_ + 1) >= first) return;
  StopBefore(first);
}

Result<std::optional<journal::Offset>> TableLander::ReleasableAtStart() {
  journal::Offset next = 0;
  {
    const std::lock_guard lock(mutex_);
    if (!stopped_.empty() || !first_kept_ || *first_kept_ > landed_) {
      return std::optional<journal::Offset>();
    }
    next = landed_ + 1;
  }
  SLUICE_RETURN_IF_ERROR(table_.SyncLog(), "table '{}'", topic_.table_path);
  return std::optional(next);
}

void TableLander::StopBefore(journal::Offset first) {
  StopLanding(fmt::format(
      "offsets {} to {} are neither in the table nor in the journal; restore the table, or accept "
      "the loss with `sluice table adopt {}`",
      landed_ + 1, first - 1, topic_.contract->topic));
  landed_ = first - 1;
  end_ = std::max(end_, first);
}

void TableLander::AcceptLosses(std::vector<journal::Loss> losses) {
  std::ranges::sort(losses, {}, &journal::Loss::begin);
  const std::lock_guard lock(mutex_);
  losses_ = std::move(losses);
  due_tables_->LookAt(partition_, kAtOnce);
}

journal::Offset TableLander::LossEnd(journal::Offset begin) const {
  for (const journal::Loss& loss : losses_) {
    if (loss.begin <= begin && begin < loss.end) begin = loss.end;
  }
  return begin;
}

lake::Transaction TableLander::LostNow(int64_t rows) const {
  const std::string app = app_id_ + std::string(ledger::kLostCounter);
  return {.app_id = app,
          .version = snapshot_->TransactionVersion(app).value_or(0) + rows,
          .last_updated_ms = NowMs()};
}

void TableLander::Count(int64_t bytes) {
  bytes_ += bytes;
  (stopped_.empty() ? tail_bytes_->landing : tail_bytes_->stopped) += bytes;
  const bool enough = bytes_ >= options_.bytes_max;
  if (enough && bytes_ - bytes < options_.bytes_max) due_tables_->LookAt(partition_, kAtOnce);
}

void TableLander::StopLanding(std::string reason) {
  if (stopped_.empty()) {
    tail_bytes_->landing -= bytes_;
    tail_bytes_->stopped += bytes_;
  }
  stopped_ = std::move(reason);
  trace::Error("landing stopped", {{"table", topic_.table_path}, {"reason", stopped_}});
}

void TableLander::Add(journal::Offset base, os::Timestamp received, const Batch& rows) {
  const std::lock_guard lock(mutex_);
  Batch fresh = rows;
  if (base + rows->num_rows() <= end_) return;
  if (base < end_) {
    fresh = rows->Slice(end_ - base);
    base = end_;
  }
  if (!oldest_) WaitFromNow();
  end_ = base + fresh->num_rows();
  const int64_t bytes = columnar::MemoryBytes(*fresh) + fresh->num_rows() * kAddedBytes;
  Count(bytes);
  pending_.push_back({base, received, std::move(fresh), bytes});
  if (pending_.size() >= kPendingFramesMax) {
    if (const Status merged = Coalesce(); !merged.ok()) {
      StopLanding(merged.error().message());
    }
  }
}

void TableLander::AddDuplicates(int64_t rows) {
  const std::lock_guard lock(mutex_);
  duplicates_ += rows;
}

int64_t TableLander::RaiseDuplicates(int64_t count) {
  const std::lock_guard lock(mutex_);
  duplicates_ = std::max(duplicates_, count);
  return duplicates_;
}

void TableLander::AddErrors(int64_t rows) {
  const std::lock_guard lock(mutex_);
  errors_ += rows;
}

Status TableLander::CommitCounts() {
  constexpr int kTriesMax = 3;
  for (int i = 1;; ++i) {
    std::shared_ptr<const lake::Snapshot> base;
    lake::AppendOptions append;
    append.operation = "COUNT";
    {
      const std::lock_guard lock(mutex_);
      if (!stopped_.empty() || counted_ == duplicates_) return {};
      base = snapshot_;
    }
    // A commit of ours may have landed though its answer was lost: it is no other writer's.
    SLUICE_ASSIGN_OR_RETURN(base, table_.Load(base), "table '{}'", topic_.table_path);
    {
      const std::lock_guard lock(mutex_);
      Advance(base);
      if (!stopped_.empty() || counted_ == duplicates_) return {};
      append.transactions = {CounterNow()};
    }
    auto snapshot = table_.Append(base, {}, append);
    if (snapshot.ok()) {
      const std::lock_guard lock(mutex_);
      Advance(std::move(*snapshot));
      return {};
    }
    // A landing on another thread counted them at the same time.
    const bool again = snapshot.error().code() == ErrorCode::kConflict && i < kTriesMax;
    if (!again) return std::move(snapshot).error().Wrap("table '" + topic_.table_path + "'");
  }
}

lake::Transaction TableLander::CounterNow() const {
  return {.app_id = app_id_ + std::string(ledger::kDuplicateCounter),
          .version = duplicates_,
          .last_updated_ms = NowMs()};
}

int64_t TableLander::NowMs() const {
  const os::Timestamp now = os::StampOf(options_.expiry, clock_);
  return std::chrono::floor<std::chrono::milliseconds>(now).time_since_epoch().count();
}

Status TableLander::Coalesce() {
  if (pending_.empty()) return {};
  std::vector<Batch> small;  // Neighbours that are to be joined.
  int64_t small_rows = 0;
  journal::Offset base = pending_.front().base;
  if (!chunks_.empty() && chunks_.back().rows->num_rows() < kChunkRowsMin &&
      chunks_.back().base + chunks_.back().rows->num_rows() == base) {
    base = chunks_.back().base;
    small_rows = chunks_.back().rows->num_rows();
    small.push_back(std::move(chunks_.back().rows));
    Count(-chunks_.back().bytes);
    chunks_.pop_back();
  }
  const auto flush = [&]() -> Status {
    if (small.empty()) return {};
    SLUICE_ASSIGN_OR_RETURN(Batch joined, columnar::Concatenate(small));
    const int64_t bytes = columnar::MemoryBytes(*joined);
    Count(bytes);
    chunks_.push_back({base, std::move(joined), bytes, small_rows});
    small.clear();
    small_rows = 0;
    return {};
  };
  for (size_t i = 0; i < pending_.size();) {
    const Pending& first = pending_[i];
    const bool large = first.rows->num_rows() >= kChunkRowsMin;
    // A hole is never filled later: offsets only grow.
    if (first.base != base + small_rows || large || small_rows >= kChunkRowsMin) {
      SLUICE_RETURN_IF_ERROR(flush());
      base = first.base;
    }
    // Neighbours are joined as frames: what makes rows of the table of them costs as much for one
    // row as for hundreds.
    std::vector<Batch> frames;
    std::vector<ReceivedRows> received;
    int64_t count = 0;
    int64_t bytes = 0;
    for (bool more = true; more; ++i) {
      const Pending& frame = pending_[i];
      frames.push_back(frame.rows);
      received.push_back({.rows = frame.rows->num_rows(), .at = frame.received});
      count += frame.rows->num_rows();
      bytes += frame.bytes;
      if (large || small_rows + count >= kChunkRowsMin || i + 1 == pending_.size()) {
        more = false;
      } else {
        const Pending& next = pending_[i + 1];
        more = next.base == first.base + count && next.rows->num_rows() < kChunkRowsMin &&
               next.rows->schema() == first.rows->schema();
      }
    }
    SLUICE_ASSIGN_OR_RETURN(const Batch joined, columnar::Concatenate(frames));
    SLUICE_ASSIGN_OR_RETURN(const Batch safe, Reprotect(joined));
    SLUICE_ASSIGN_OR_RETURN(
        Batch rows, ToTableRows(schema_, safe, partition_, first.base, received, options_.tenant));
    if (large) {
      chunks_.push_back({first.base, std::move(rows), bytes, count});
      base = first.base + count;
    } else {
      Count(-bytes);
      small.push_back(std::move(rows));
      small_rows += count;
    }
  }
  SLUICE_RETURN_IF_ERROR(flush());
  pending_.clear();
  return {};
}

Result<Batch> TableLander::Reprotect(const Batch& frame) {
  SLUICE_ASSIGN_OR_RETURN(Batch rows, columnar::MatchStructs(frame, schema_));
  if (!options_.keys) return rows;
  if (protector_ == nullptr) {
    SLUICE_ASSIGN_OR_RETURN(
        protector_, privacy::Protector::Make(topic_.contract, *options_.keys, options_.tenant));
  }
  return protector_->Reprotect(rows, os::StampOf(options_.expiry, clock_));
}

void TableLander::DropLanded() {
  while (!chunks_.empty()) {
    Chunk& first = chunks_.front();
    const int64_t landed = landed_ + 1 - first.base;
    if (landed <= 0) break;
    if (landed < first.rows->num_rows()) {
      first.rows = first.rows->Slice(landed);
      first.base += landed;
      break;
    }
    Count(-first.bytes);
    chunks_.pop_front();
  }
  oldest_.reset();
  if (!chunks_.empty() || !pending_.empty()) WaitFromNow();
}

Result<journal::Offset> TableLander::Land() {
  {
    const std::lock_guard lock(mutex_);
    ++landings_;
  }
  auto landed = LandWaiting();
  // A count of duplicates whose answer was lost may have landed: then it is in the snapshot now.
  if (!landed.ok() && landed.error().code() == ErrorCode::kConflict) landed = LandWaiting();
  const std::lock_guard lock(mutex_);
  if (--landings_ == 0) landing_ended_.notify_all();
  return landed;
}

Result<journal::Offset> TableLander::LandWaiting() {
  RowsToLand chosen;
  std::shared_ptr<const lake::Snapshot> base;
  std::shared_ptr<const event::Contract> contract;
  std::optional<lake::Transaction> counter;
  journal::Offset first = 0;
  journal::Offset loss_end = 0;
  {
    const std::lock_guard lock(mutex_);
    if (!stopped_.empty()) return landed_ + 1;
    first = landed_ + 1;
    loss_end = LossEnd(first);
    base = snapshot_;
    contract = topic_.contract;
    if (counted_ != duplicates_) counter = CounterNow();
    if (loss_end == first) {
      SLUICE_RETURN_IF_ERROR(Coalesce());
      if (chunks_.empty()) return first;
      if (chunks_.front().base != first) {
        StopBefore(chunks_.front().base);
        return Corrupt("table '{}': {}", topic_.table_path, stopped_);
      }
      chosen = ChooseRows(chunks_, first, write_memory_->bytes_max() / kWriteBytes);
    }
  }
  if (loss_end != first) return LandLoss(loss_end);
  SLUICE_RETURN_IF_ERROR(KeepDates(chosen, options_.dates_max));
  const journal::Offset last = first + chosen.rows - 1;

  // To the end: a checkpoint takes memory, too.
  const WriteMemory::Lease lease = write_memory_->Take(kWriteBytes * chosen.bytes);
  SLUICE_ASSIGN_OR_RETURN(const std::vector<DatedRows> dated, SplitByDate(chosen.batches));
  std::vector<lake::NewFile> files;
  files.reserve(dated.size());
  for (const DatedRows& part : dated) {
    files.push_back({.partition_values = {{std::string(kDateColumn), DateText(part.date)}},
                     .batches = part.batches});
  }
  lake::AppendOptions append;
  append.operation = "LAND";
  append.transactions = {{.app_id = app_id_, .version = last, .last_updated_ms = NowMs()}};
  if (counter) append.transactions.push_back(*counter);
  std::optional<int64_t> expected;
  if (first > 0) expected = first - 1;
  if (!base->TransactionVersion(app_id_)) expected.reset();
  append.expect = {.app_id = app_id_, .expected = expected};
  append.parquet = FileOptions(*contract);
  auto appended = table_.Append(base, files, append);
  if (!appended.ok()) return FindOutcome(base, first, std::move(appended).error());
  const auto& snapshot = *appended;
  {
    const std::lock_guard lock(mutex_);
    Advance(snapshot);
  }
  if (lake::CheckpointDue(*snapshot)) {
    if (const Status written = table_.WriteCheckpoint(*snapshot); !written.ok()) {
      trace::Warning("no checkpoint",
                     {{"table", topic_.table_path}, {"reason", written.error().ToString()}});
    } else if (const Status cleaned = CleanUpLog(snapshot); !cleaned.ok()) {
      trace::Warning("log not cleaned up",
                     {{"table", topic_.table_path}, {"reason", cleaned.error().ToString()}});
    }
  }
  if (const auto range = lake::CompactionDue(*snapshot)) {
    const Status written = table_.CompactLog(*snapshot, range->first, range->last);
    if (!written.ok()) {
      trace::Warning("log not compacted",
                     {{"table", topic_.table_path}, {"reason", written.error().ToString()}});
    }
  }
  trace::Info("table landed", {{"table", topic_.table_path},
                               {"version", snapshot->version()},
                               {"rows", last - first + 1},
                               {"files", files.size()},
                               {"offset", last}});
  return last + 1;
}

Result<journal::Offset> TableLander::FindOutcome(const std::shared_ptr<const lake::Snapshot>& base,
                                                 journal::Offset first, Error failure) {
  // An earlier try may have landed, with fewer rows than wait now: what the table says decides,
  // and the next landing goes on from there.
  SLUICE_ASSIGN_OR_RETURN(auto found, table_.Load(base), "table '{}'", topic_.table_path);
  const std::lock_guard lock(mutex_);
  Advance(std::move(found));
  if (landed_ >= first) return landed_ + 1;
  return std::move(failure).Wrap("table '" + topic_.table_path + "'");
}

Result<journal::Offset> TableLander::LandLoss(journal::Offset end) {
  std::shared_ptr<const lake::Snapshot> base;
  lake::AppendOptions append;
  journal::Offset first = 0;
  {
    const std::lock_guard lock(mutex_);
    first = landed_ + 1;
    if (first >= end) return first;  // Another landing was faster.
    base = snapshot_;
    append.operation = ledger::kLossOperation;
    append.transactions = {{.app_id = app_id_, .version = end - 1, .last_updated_ms = NowMs()},
                           LostNow(end - first)};
    append.expect = {.app_id = app_id_, .expected = base->TransactionVersion(app_id_)};
  }
  auto appended = table_.Append(base, {}, append);
  if (!appended.ok()) return FindOutcome(base, first, std::move(appended).error());
  trace::Warning("lost offsets passed",
                 {{"table", topic_.table_path}, {"first", first}, {"last", end - 1}});
  const std::lock_guard lock(mutex_);
  end_ = std::max(end_, end);
  Advance(*appended, Made::kByUs);  // It has no rows, which nobody removed.
  return landed_ + 1;
}

std::optional<os::Monotonic> TableLander::DueAt(int64_t bytes_max) const {
  const std::lock_guard lock(mutex_);
  if (!stopped_.empty()) return std::nullopt;
  if (LossEnd(landed_ + 1) != landed_ + 1) return kAtOnce;
  if (!oldest_) return std::nullopt;
  return bytes_ >= bytes_max ? kAtOnce : *oldest_ + options_.every;
}

bool TableLander::HasRows() const {
  const std::lock_guard lock(mutex_);
  return stopped_.empty() && (oldest_ || LossEnd(landed_ + 1) != landed_ + 1);
}

}  // namespace sluice::land::internal
