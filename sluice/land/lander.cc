#include "sluice/land/lander.h"

#include <fmt/format.h>

#include <algorithm>

#include "sluice/base/trace.h"
#include "sluice/lake/history.h"
#include "sluice/land/internal/due_tables.h"
#include "sluice/land/internal/table_lander.h"
#include "sluice/land/internal/write_memory.h"
#include "sluice/os/memory.h"

namespace sluice::land {
namespace {

// What a landing of so many rows leaves in the allocator is worth the time that giving it back
// takes.
constexpr journal::Offset kManyRows = 100'000;

constexpr std::chrono::milliseconds kTick{50};
constexpr std::chrono::seconds kRetryAfter{1};

}  // namespace

Result<lake::Version> VersionAsOf(const lake::DeltaTable& table, const AsOf& when) {
  const auto* const time = std::get_if<os::Timestamp>(&when);
  if (time == nullptr) return std::get<lake::Version>(when);
  const auto moment = std::chrono::floor<std::chrono::milliseconds>(*time).time_since_epoch();
  return lake::VersionAt(table, moment.count());
}

Lander::Lander(const LandOptions& options, store::ObjectStore& store, const os::Clock& clock,
               os::Random& random, os::Threads& threads, Metrics& metrics, std::string journal_uuid)
    : options_(options),
      store_(store),
      clock_(clock),
      random_(random),
      threads_(threads),
      metrics_(metrics),
      journal_uuid_(std::move(journal_uuid)),
      tail_bytes_(std::make_shared<internal::TailBytes>()),
      write_memory_(std::make_shared<internal::WriteMemory>(options.write_bytes_max)),
      due_tables_(std::make_shared<internal::DueTables>()) {
  metrics_.GetCounter("sluice_land_failures_total");  // Shown from the start, as 0.
}

Lander::~Lander() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  if (thread_) thread_->Wake();
}

Result<journal::Offset> Lander::Open(const catalog::Topic& topic) {
  if (const auto known = Find(topic.partition)) {
    SLUICE_RETURN_IF_ERROR(known->Evolve(topic));
    return known->Describe().end;
  }
  auto table = std::make_shared<internal::TableLander>(
      options_, store_, clock_, random_,
      fmt::format("sluice/{}/{}-{}", journal_uuid_, topic.partition, topic.incarnation), topic,
      tail_bytes_, write_memory_, due_tables_);
  SLUICE_ASSIGN_OR_RETURN(const journal::Offset next, table->Open(), "table '{}'",
                          topic.table_path);
  metrics_.AddGauge("sluice_table_files",
                    fmt::format("table=\"{}.{}\"", topic.schema_name, topic.contract->table),
                    [weak = std::weak_ptr(table)] {
                      const auto opened = weak.lock();
                      return opened ? static_cast<double>(opened->Describe().files) : 0.0;
                    });
  metrics_.AddGauge("sluice_landing_stopped",
                    fmt::format("table=\"{}.{}\"", topic.schema_name, topic.contract->table),
                    [weak = std::weak_ptr(table)] {
                      const auto opened = weak.lock();
                      return opened && !opened->Describe().stopped.empty() ? 1.0 : 0.0;
                    });
  const std::lock_guard lock(mutex_);
  tables_.emplace(topic.partition, std::move(table));
  return next;
}

void Lander::SetFirstKept(uint32_t partition, journal::Offset first) {
  if (const auto table = Find(partition)) table->SetFirstKept(first);
}

void Lander::AcceptLosses(uint32_t partition, const std::vector<journal::Loss>& losses) {
  if (const auto table = Find(partition)) table->AcceptLosses(losses);
}

void Lander::Add(uint32_t partition, journal::Offset base, os::Timestamp received,
                 const columnar::Batch& rows) {
  const auto table = Find(partition);
  if (table != nullptr) return table->Add(base, received, rows);
  const std::lock_guard lock(mutex_);
  SLUICE_CHECK(dropped_.contains(partition));  // A request that was under way.
}

std::shared_ptr<internal::TableLander> Lander::Find(std::string_view schema,
                                                    std::string_view table) const {
  const std::string wanted = fmt::format("{}.{}", schema, table);
  for (auto& candidate : All()) {
    if (candidate->Name() == wanted) return candidate;
  }
  return nullptr;
}

Result<ReadView> Lander::View(std::string_view schema, std::string_view table) {
  const auto found = Find(schema, table);
  if (found == nullptr) return NotFound("there is no table {}.{}", schema, table);
  return found->View();
}

Result<ReadView> Lander::ViewAt(std::string_view schema, std::string_view table, const AsOf& when) {
  const auto found = Find(schema, table);
  if (found == nullptr) return NotFound("there is no table {}.{}", schema, table);
  return found->ViewAt(when);
}

Result<TableToChange> Lander::BeginChange(std::string_view schema, std::string_view table,
                                          os::Monotonic deadline) {
  const auto found = Find(schema, table);
  if (found == nullptr) return NotFound("there is no table {}.{}", schema, table);
  const journal::Offset end = found->Describe().end;
  while (true) {
    const TableStatus status = found->Describe();
    if (!status.stopped.empty()) {
      return Unavailable("table {} does not land, so no change would reach all of its rows: {}",
                         status.table, status.stopped);
    }
    if (status.landed + 1 >= end) return found->ToChange();
    if (clock_.Steady() >= deadline) {
      return Unavailable("the rows of table {} that wait did not land in time", status.table);
    }
    SLUICE_RETURN_IF_ERROR(Land(*found));
  }
}

void Lander::EndChange(std::string_view schema, std::string_view table,
                       std::shared_ptr<const lake::Snapshot> snapshot) {
  if (const auto found = Find(schema, table)) found->Follow(std::move(snapshot));
}

Result<std::vector<std::string>> Lander::FilesReceived(uint32_t partition, os::Timestamp since,
                                                       std::optional<os::Timestamp> until) const {
  const auto table = Find(partition);
  if (table == nullptr) return NotFound("there is no partition {}", partition);
  return table->FilesReceived(since, until);
}

void Lander::WaitLanded(uint32_t partition, journal::Offset offset, os::Monotonic deadline,
                        std::function<void(bool)> done) {
  {
    const std::lock_guard lock(mutex_);
    waiters_.push_back({partition, offset, deadline, std::move(done)});
  }
  if (thread_) thread_->Wake();
}

void Lander::Drop(uint32_t partition) {
  AnswerWaiters();
  const std::lock_guard lock(mutex_);
  tables_.erase(partition);
  dropped_.insert(partition);
}

Status Lander::Adopt(std::string_view topic) {
  for (const auto& table : All()) {
    if (table->Describe().topic == topic) return table->Adopt();
  }
  return NotFound("there is no topic '{}'", topic);
}

void Lander::AddDuplicates(uint32_t partition, int64_t rows) {
  if (const auto table = Find(partition)) table->AddDuplicates(rows);
}

int64_t Lander::RaiseDuplicates(uint32_t partition, int64_t count) {
  const auto table = Find(partition);
  return table != nullptr ? table->RaiseDuplicates(count) : count;
}

void Lander::AddErrors(uint32_t partition, int64_t rows) {
  if (const auto table = Find(partition)) table->AddErrors(rows);
}

Result<lake::CompactReport> Lander::Compact(uint32_t partition, lake::CompactOptions options) {
  const auto table = Find(partition);
  if (table == nullptr) return NotFound("there is no partition {}", partition);
  return table->Rewrite(std::move(options));
}

Result<lake::CompactReport> Lander::Cluster(uint32_t partition, lake::ClusterOptions options) {
  const auto table = Find(partition);
  if (table == nullptr) return NotFound("there is no partition {}", partition);
  return table->Rewrite(std::move(options));
}

Result<lake::VacuumReport> Lander::Vacuum(uint32_t partition, std::chrono::milliseconds retention,
                                          std::function<bool()> go_on) {
  const auto table = Find(partition);
  if (table == nullptr) return NotFound("there is no partition {}", partition);
  return table->Vacuum(retention, std::move(go_on));
}

Result<std::vector<ledger::Entry>> Lander::Ledger(uint32_t partition) {
  const auto table = Find(partition);
  if (table == nullptr) return NotFound("there is no partition {}", partition);
  return table->Ledger();
}

bool Lander::Behind() const { return tail_bytes_->landing > options_.tail_bytes_max; }

int64_t Lander::TailBytes() const { return tail_bytes_->landing + tail_bytes_->stopped; }

int64_t Lander::WriteBytes() const { return write_memory_->taken(); }

Status Lander::CheckRoom(uint32_t partition) const {
  if (tail_bytes_->stopped <= options_.tail_bytes_max / 2) return {};
  const auto table = Find(partition);
  if (table == nullptr) return {};
  const TableStatus status = table->Describe();
  if (status.stopped.empty()) return {};
  return Unavailable("topic '{}' takes no more events: its table does not land: {}", status.topic,
                     status.stopped);
}

Status Lander::Land(internal::TableLander& table) {
  const os::Monotonic start = clock_.Steady();
  const journal::Offset before = table.Describe().landed;
  auto next = table.Land();
  if (!next.ok()) {
    metrics_.GetCounter("sluice_land_failures_total").Add();
    return next.status();
  }
  if (*next > before + 1) {
    metrics_.GetHistogram("sluice_land_seconds")
        .Observe(std::chrono::duration<double>(clock_.Steady() - start).count());
    if (landed_) landed_(table.partition(), *next);
    const int64_t written = write_memory_->taken_ever();
    if (*next - before > kManyRows ||
        written - written_until_trim_ >= write_memory_->bytes_max() / 2) {
      written_until_trim_ = written;
      trim_due_ = true;
    }
    // While more comes, the next rows need it at once.
    if (trim_due_ && TailBytes() <= options_.tail_bytes_max / 64) {
      trim_due_ = false;
      os::ReturnFreeMemory();
    }
  }
  return {};
}

Status Lander::LandWhole(internal::TableLander& table) {
  const journal::Offset end = table.Describe().end;
  while (true) {
    const journal::Offset before = table.Describe().landed;
    SLUICE_RETURN_IF_ERROR(Land(table));
    const journal::Offset landed = table.Describe().landed;
    if (landed == before || landed + 1 >= end || Stopping()) return {};
  }
}

bool Lander::Stopping() const {
  const std::lock_guard lock(mutex_);
  return stopping_;
}

Status Lander::LandAll() {
  Status first;
  for (const auto& table : All()) {
    while (table->HasRows()) {
      const Status landed = Land(*table);
      if (landed.ok()) continue;
      if (first.ok()) first = landed;
      break;
    }
    const Status counted = table->CommitCounts();
    if (first.ok()) first = counted;
  }
  return first;
}

void Lander::Start(std::function<void(uint32_t, journal::Offset)> landed) {
  landed_ = std::move(landed);
  for (const auto& table : All()) {
    const auto next = table->ReleasableAtStart();
    if (!next.ok()) {  // They go with the next landing.
      trace::Warning("landed rows stay in the journal", {{"reason", next.error().ToString()}});
    } else if (*next) {
      landed_(table->partition(), **next);
    }
  }
  thread_ = threads_.Start("lander", [this](os::Why) { return Step(); });
}

std::optional<os::Wait> Lander::Step() {
  if (Stopping()) return std::nullopt;
  LandDue();
  AnswerWaiters();
  return kTick;
}

// When half of what may be in memory is, tables with more than their share of it are due: many that
// are small would else fill it up without any being large enough to land.
int64_t Lander::BytesMax() const {
  const int64_t half = options_.tail_bytes_max / 2;
  if (tail_bytes_->landing <= half) return options_.bytes_max;
  const std::lock_guard lock(mutex_);
  return std::min(options_.bytes_max, half / std::max<int64_t>(1, std::ssize(tables_)));
}

std::vector<std::shared_ptr<internal::TableLander>> Lander::ToLookAt(
    const std::set<uint32_t>& waited_for, os::Monotonic now) {
  const auto taken = due_tables_->Take(now);
  // What is due because of others has asked for no look.
  if (BytesMax() < options_.bytes_max) return All();
  std::set<uint32_t> partitions(taken.begin(), taken.end());
  partitions.insert(waited_for.begin(), waited_for.end());
  std::vector<std::shared_ptr<internal::TableLander>> tables;
  for (const uint32_t partition : partitions) {
    if (auto table = Find(partition)) tables.push_back(std::move(table));
  }
  return tables;
}

void Lander::LandDue() {
  std::set<uint32_t> waited_for;
  {
    const std::lock_guard lock(mutex_);
    for (const Waiter& waiter : waiters_) waited_for.insert(waiter.partition);
  }
  os::Monotonic now = clock_.Steady();
  for (const auto& table : ToLookAt(waited_for, now)) {
    if (Stopping()) return;
    const uint32_t partition = table->partition();
    const auto due_at = table->DueAt(BytesMax());
    const bool due =
        (due_at && *due_at <= now) || (waited_for.contains(partition) && table->HasRows());
    const auto retry = retry_at_.find(partition);
    if (due && (retry == retry_at_.end() || now >= retry->second)) {
      if (const Status landed = LandWhole(*table); !landed.ok()) {
        trace::Error("landing failed", {{"reason", landed.error().ToString()}});
        retry_at_[partition] = now + kRetryAfter;
      }
      now = clock_.Steady();
    }
    // The look that led here was taken out, and something may wait still.
    if (const auto next = table->DueAt(options_.bytes_max)) due_tables_->LookAt(partition, *next);
  }
}

void Lander::AnswerWaiters() {
  std::vector<std::pair<std::function<void(bool)>, bool>> ready;
  {
    const std::lock_guard lock(mutex_);
    std::erase_if(waiters_, [&](Waiter& waiter) {
      const auto table = tables_.find(waiter.partition);
      const bool landed =
          table != tables_.end() && table->second->Describe().landed >= waiter.offset;
      if (!landed && clock_.Steady() < waiter.deadline) return false;
      ready.emplace_back(std::move(waiter.done), landed);
      return true;
    });
  }
  for (const auto& [done, landed] : ready) done(landed);
}

Status Lander::Stop() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  if (thread_) {
    thread_->Wake();
    thread_->Join();
  }
  const Status landed = LandAll();
  std::vector<Waiter> waiters;
  {
    const std::lock_guard lock(mutex_);
    waiters.swap(waiters_);
  }
  for (const Waiter& waiter : waiters) {
    const auto table = Find(waiter.partition);
    waiter.done(table != nullptr && table->Describe().landed >= waiter.offset);
  }
  return landed;
}

std::vector<TableStatus> Lander::Tables() const {
  std::vector<TableStatus> all;
  for (const auto& table : All()) all.push_back(table->Describe());
  return all;
}

std::shared_ptr<internal::TableLander> Lander::Find(uint32_t partition) const {
  const std::lock_guard lock(mutex_);
  const auto found = tables_.find(partition);
  return found == tables_.end() ? nullptr : found->second;
}

std::vector<std::shared_ptr<internal::TableLander>> Lander::All() const {
  const std::lock_guard lock(mutex_);
  std::vector<std::shared_ptr<internal::TableLander>> all;
  all.reserve(tables_.size());
  for (const auto& [partition, table] : tables_) all.push_back(table);
  return all;
}

}  // namespace sluice::land
