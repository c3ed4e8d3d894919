#include "sluice/worker/pool.h"

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <utility>

#include "sluice/base/trace.h"
#include "sluice/worker/internal/relation_sharer.h"
#include "sluice/worker/internal/role.h"
#include "sluice/worker/internal/running_worker.h"

namespace sluice::worker {

namespace {

constexpr std::chrono::seconds kKeepTick{5};
constexpr std::chrono::seconds kSharedAge{30};
constexpr std::chrono::seconds kStartAgain{1};

}  // namespace

Pool::Pool(const PoolOptions& options, Metrics& metrics)
    : options_(options),
      metrics_(metrics),
      sharer_(std::make_unique<internal::RelationSharer>(clock_)) {}

Result<std::unique_ptr<Pool>> Pool::Start(const PoolOptions& options, const Tenant& tenant,
                                          Metrics& metrics) {
  if (std::getenv(internal::kRoleVariable) != nullptr) {
    return Unsupported("a query worker starts no workers of its own");
  }
  std::error_code error;
  std::filesystem::remove_all(options.temporary_folder, error);  // Of a run that was killed.
  std::unique_ptr<Pool> pool(new Pool(options, metrics));
  pool->count_ = 1;
  SLUICE_ASSIGN_OR_RETURN(auto first, pool->StartWorker(tenant));
  pool->tenants_.push_back(tenant);
  pool->idle_[tenant.name].push_back(std::move(first));
  pool->idle_count_ = 1;
  metrics.GetCounter("sluice_query_answers_cut_total");  // Shown from the start, as 0.
  Pool* const raw = pool.get();
  metrics.AddGauge("sluice_query_workers", "state=\"idle\"", [raw] {
    const std::lock_guard lock(raw->mutex_);
    return static_cast<double>(raw->idle_count_);
  });
  metrics.AddGauge("sluice_query_workers", "state=\"busy\"", [raw] {
    const std::lock_guard lock(raw->mutex_);
    return static_cast<double>(raw->count_ - raw->idle_count_);
  });
  metrics.AddGauge("sluice_query_shared_bytes", "",
                   [raw] { return static_cast<double>(raw->sharer_->Bytes()); });
  pool->keeper_ = std::jthread([raw](const std::stop_token& stop) { raw->Keep(stop); });
  return pool;
}

Pool::~Pool() = default;

Result<std::unique_ptr<Pool::Worker>> Pool::StartWorker(const Tenant& tenant) {
  uint64_t number = 0;
  {
    const std::lock_guard lock(mutex_);
    number = next_number_++;
  }
  os::Confined confined;
  auto worker = Worker::Start(options_, tenant,
                              fmt::format("{}/{}", options_.temporary_folder, number), confined);
  const std::lock_guard lock(mutex_);
  if (!worker.ok()) {
    --count_;
    start_again_ = clock_.Steady() + kStartAgain;
    changed_.notify_all();
    return worker;
  }
  if (number == 1) confined_ = confined;
  metrics_.GetCounter("sluice_query_workers_started_total").Add();
  return worker;
}

Result<std::unique_ptr<Pool::Worker>> Pool::Acquire(const Tenant& tenant, os::Monotonic deadline,
                                                    const std::stop_token& stop,
                                                    Diagnostic& diagnosis) {
  std::unique_lock lock(mutex_);
  const auto known = std::ranges::find(tenants_, tenant.name, &Tenant::name);
  if (known == tenants_.end()) {
    tenants_.push_front(tenant);
    if (static_cast<int>(tenants_.size()) > options_.workers_max) tenants_.pop_back();
  } else {
    std::rotate(tenants_.begin(), known, std::next(known));
  }
  if (waiting_ >= options_.waiting_max) {
    diagnosis = {.code = "SL2207"};
    return Unavailable("{} queries wait already; try again", waiting_);
  }
  std::unique_ptr<Worker> discarded;  // Of another tenant; ended without the lock.
  const auto ready = [&] { return count_ < options_.workers_max || idle_count_ > 0; };
  ++waiting_;
  const bool found = changed_.wait_until(lock, stop, deadline, ready);
  --waiting_;
  if (!found) {
    diagnosis = {.code = stop.stop_requested() ? "SL2205" : "SL2207"};
    if (stop.stop_requested()) return Unavailable("the query was stopped");
    return Unavailable("no query worker became free in time");
  }
  if (const auto own = idle_.find(tenant.name); own != idle_.end()) {
    auto worker = TakeIdle(own);
    changed_.notify_all();  // The keeper may start the next.
    return worker;
  }
  if (count_ < options_.workers_max) {
    ++count_;
  } else {
    discarded = TakeIdle(idle_.begin());
  }
  lock.unlock();
  discarded.reset();
  return StartWorker(tenant);
}

std::unique_ptr<Pool::Worker> Pool::TakeIdle(Idle::iterator of) {
  auto worker = std::move(of->second.back());
  of->second.pop_back();
  if (of->second.empty()) idle_.erase(of);
  --idle_count_;
  return worker;
}

void Pool::Release(std::unique_ptr<Worker> worker) {
  if (!worker->reusable()) {
    metrics_.GetCounter("sluice_query_workers_ended_total").Add();
    worker.reset();  // Takes a while: not under the lock.
    const std::lock_guard lock(mutex_);
    --count_;
    changed_.notify_all();
    return;
  }
  const std::lock_guard lock(mutex_);
  idle_[worker->tenant()].push_back(std::move(worker));
  ++idle_count_;
  changed_.notify_all();
}

Result<Outcome> Pool::Run(const Tenant& tenant, const Query& query,
                          const duck::RelationLookup& relations, BodySink& sink,
                          std::stop_token stop, Diagnostic* diagnosis) {
  const os::Monotonic deadline = clock_.Steady() + query.limits.time_max;
  Diagnostic found;
  const auto run = [&]() -> Result<Outcome> {
    SLUICE_ASSIGN_OR_RETURN(auto worker, Acquire(tenant, deadline, stop, found));
    sink.SetOthersWait([this] {
      const std::lock_guard lock(mutex_);
      return waiting_ > 0;
    });
    // What waiting took is gone.
    Query rest = query;
    rest.limits.time_max =
        std::max(std::chrono::milliseconds(1),
                 std::chrono::floor<std::chrono::milliseconds>(deadline - clock_.Steady()));
    auto outcome = worker->Run(rest, deadline, relations, *sharer_, sink, stop, found);
    Release(std::move(worker));
    return outcome;
  };
  auto outcome = run();
  if (found.code == "SL2201") {  // In terms of what was asked, not of what was left.
    outcome = Unavailable("the query took longer than {} ms", query.limits.time_max.count());
  }
  if (found.code == kReaderIdle) metrics_.GetCounter("sluice_query_answers_cut_total").Add();
  if (!outcome.ok() && diagnosis != nullptr) *diagnosis = std::move(found);
  return outcome;
}

const Tenant* Pool::Lacking() const {
  if (count_ >= options_.workers_max || clock_.Steady() < start_again_) return nullptr;
  for (const Tenant& tenant : tenants_) {
    const auto idle = idle_.find(tenant.name);
    if (idle == idle_.end() || static_cast<int>(idle->second.size()) < options_.warm) {
      return &tenant;
    }
  }
  return nullptr;
}

void Pool::Keep(const std::stop_token& stop) {
  while (!stop.stop_requested()) {
    std::optional<Tenant> lacking;
    {
      std::unique_lock lock(mutex_);
      changed_.wait_for(lock, stop, kKeepTick, [this] { return Lacking() != nullptr; });
      if (stop.stop_requested()) return;
      if (const Tenant* const tenant = Lacking()) {
        lacking = *tenant;
        ++count_;
      }
    }
    sharer_->DropUnused(kSharedAge);
    if (!lacking) continue;
    auto worker = StartWorker(*lacking);
    if (worker.ok()) {
      const std::lock_guard lock(mutex_);
      idle_[lacking->name].push_back(std::move(*worker));
      ++idle_count_;
      changed_.notify_all();
    } else {
      trace::Warning("no query worker", {{"reason", worker.error().ToString()}});
    }
  }
}

}  // namespace sluice::worker
