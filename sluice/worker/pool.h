#pragma once
/// \file
/// Runs queries in processes of their own.

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <mutex>
#include <stop_token>
#include <string>
#include <thread>
#include <vector>

#include "sluice/base/diagnostic.h"
#include "sluice/base/error.h"
#include "sluice/base/metrics.h"
#include "sluice/duck/engine.h"
#include "sluice/os/clock.h"
#include "sluice/os/confine.h"
#include "sluice/worker/query.h"

namespace sluice::worker {

namespace internal {
class RelationSharer;
class RunningWorker;
}  // namespace internal

struct PoolOptions {
  std::string program = "/proc/self/exe";  ///< Must call RunWorker() where IsWorker() says so.
  std::string temporary_folder;  ///< Each worker spills into a folder of its own in here. Emptied.
  int workers_max = 4;           ///< Processes at once; more queries wait.
  int warm = 1;                  ///< Kept ready for each tenant that has asked before.
  int waiting_max = 64;          ///< Queries that may wait; more are refused.
  int threads = 2;               ///< Of each worker.
  uint64_t memory_bytes_max = 512ull << 20;      ///< Of each worker, as DuckDB counts.
  uint64_t temporary_bytes_max = 4ull << 30;     ///< Of what each worker spills.
  uint64_t resident_bytes_max = 384ull << 20;    ///< A worker that keeps more is replaced.
  std::chrono::seconds processor_time_max{600};  ///< A worker that has used so much is replaced.
  std::chrono::milliseconds grace{1'000};        ///< Between the end of time and the kill.
  std::chrono::milliseconds start_time_max{30'000};
};

/// Who asks: its workers see the files of these folders and no others. Those who may read different
/// things need different names.
struct Tenant {
  std::string name;
  std::vector<std::string> files_folders;  ///< Absolute; those that do not exist are left out.
};

/// Workers by tenant: a worker serves one tenant for life. What happens to a worker happens to its
/// query alone. The tenants that asked last, as many as there may be workers, have warm ones.
///
/// Thread-safe.
class Pool {
 public:
  /// Starts the first warm worker, for `tenant`, to see that it can. `metrics` must outlive it.
  static Result<std::unique_ptr<Pool>> Start(const PoolOptions& options, const Tenant& tenant,
                                             Metrics& metrics);
  /// No query may be running.
  ~Pool();

  /// Runs one query; blocks until its end. `relations` is called on this thread. Errors are those
  /// of duck::Engine::Query(), and kUnavailable also when too many wait, or the worker was killed
  /// or died. Ends by limits.time_max + grace, and `grace` after `stop` at the latest, if `sink`
  /// does. The sink learns whether others wait for a worker.
  Result<Outcome> Run(const Tenant& tenant, const Query& query,
                      const duck::RelationLookup& relations, BodySink& sink,
                      std::stop_token stop = {}, Diagnostic* diagnosis = nullptr);

  /// What the kernel holds workers to.
  os::Confined confined() const { return confined_; }

 private:
  using Worker = internal::RunningWorker;
  using Idle = std::map<std::string, std::vector<std::unique_ptr<Worker>>>;  // None is empty.

  Pool(const PoolOptions& options, Metrics& metrics);
  Result<std::unique_ptr<Worker>> StartWorker(const Tenant& tenant);
  Result<std::unique_ptr<Worker>> Acquire(const Tenant& tenant, os::Monotonic deadline,
                                          const std::stop_token& stop, Diagnostic& diagnosis);
  /// Takes a worker that is idle. The mutex must be held.
  std::unique_ptr<Worker> TakeIdle(Idle::iterator of);
  void Release(std::unique_ptr<Worker> worker);
  void Keep(const std::stop_token& stop);
  /// A tenant that has fewer idle workers than it should; nullptr: none. The mutex must be held.
  const Tenant* Lacking() const;

  const PoolOptions options_;
  const os::SystemClock clock_;
  Metrics& metrics_;
  const std::unique_ptr<internal::RelationSharer> sharer_;
  os::Confined confined_;

  mutable std::mutex mutex_;  // Guards what follows.
  std::condition_variable_any changed_;
  std::deque<Tenant> tenants_;  // That asked last, newest first.
  Idle idle_;
  int idle_count_ = 0;
  int count_ = 0;    // Of processes, those being started included.
  int waiting_ = 0;  // Queries.
  uint64_t next_number_ = 1;
  os::Monotonic start_again_{};  // After a failed start.
  std::jthread keeper_;          // Keeps warm workers ready, forgets what is shared in vain.
};

}  // namespace sluice::worker
