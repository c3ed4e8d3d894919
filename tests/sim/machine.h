#pragma once
/// \file
/// A simulated machine and the process on it: the real ingest, journal, lander, catalog and lake.

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "sluice/base/metrics.h"
#include "sluice/catalog/catalog.h"
#include "sluice/ingest/ingest.h"
#include "sluice/journal/journal.h"
#include "sluice/land/lander.h"
#include "sluice/land/maintenance.h"
#include "sluice/os/expiry_clock.h"
#include "sluice/os/simulated_disk.h"
#include "sluice/os/simulated_threads.h"
#include "sluice/privacy/keys.h"
#include "sluice/store/faulty_store.h"
#include "sluice/store/local_store.h"
#include "tests/sim/dated_store.h"

namespace sluice::sim {

/// Thrown where the real process would abort; caught by whoever runs the process.
struct ProcessDeath {
  std::string reason;
};

/// How the parts are set up; chosen by the seed of a run.
struct Setup {
  uint64_t segment_bytes = 64 << 10;
  uint64_t group_bytes_max = 4 << 20;
  uint64_t queue_bytes_max = 1 << 20;
  uint64_t free_bytes_min = 0;
  std::chrono::milliseconds land_every{10'000};
  int64_t land_bytes_max = 32 << 10;
  int dates_max = 8;
  journal::Writes writes = journal::Writes::kCached;
  uint64_t caller_bytes_max = 64 << 10;
  columnar::Compression compression = columnar::Compression::kZstd;
  bool cluster = false;                      ///< The files of orders, not only joined.
  std::chrono::milliseconds joined_after{};  ///< MaintenanceOptions::quiet.
};

/// What stays when the process dies.
struct Machine {
  explicit Machine(uint64_t seed) : random(seed), clock(kStart) {}

  static constexpr os::Timestamp kStart{std::chrono::sys_days(std::chrono::days(20'000))};
  static constexpr std::string_view kTables = "/data/tables";

  os::SimulatedDisk disk;
  os::SimulatedRandom random;
  os::SimulatedClock clock;
  ObjectTimes times;  ///< Of what lies in the tables.

  /// What the clock would say if nobody had set it.
  os::Timestamp TrueTime() const { return kStart + clock.Steady().time_since_epoch(); }
};

/// One life of the process. Everything in it happens on the caller's thread.
class Process {
 public:
  Process(const Setup& setup, Machine& machine);
  /// Dies if it was not stopped.
  ~Process();

  /// The order of server/server.cc.
  Status Start();
  /// Drains and lands, then stops; an orderly end.
  Status Stop();
  /// From now on no thread of it runs.
  void Kill();
  /// Ends it where the real one would abort: throws ProcessDeath. Of what destructors do on the way
  /// out, which the real one does not run, nothing reaches its tables.
  [[noreturn]] void Abort(const std::string& reason);

  os::SimulatedThreads& threads() { return threads_; }
  store::FaultyStore& store() { return store_; }
  journal::Journal& journal() { return *journal_; }
  land::Lander& lander() { return *lander_; }
  ingest::Ingest& ingest() { return *ingest_; }
  os::ExpiryClock& expiry() { return expiry_; }
  /// What looks after the tables; its owner says when.
  land::Maintenance& maintenance() { return *maintenance_; }
  /// Calls `pause` wherever maintenance waits, to keep its pace: a place to do something else. False
  /// ends its work.
  void OnPause(std::function<bool()> pause) { pause_ = std::move(pause); }

 private:
  const Setup setup_;
  Machine& machine_;
  os::ExpiryClock expiry_;
  os::SimulatedThreads threads_;
  Metrics metrics_;
  store::LocalStore files_;
  DatedStore dated_;
  store::FaultyStore store_;
  std::optional<privacy::Keys> keys_;
  std::unique_ptr<catalog::Catalog> catalog_;
  std::unique_ptr<journal::Journal> journal_;
  std::unique_ptr<land::Lander> lander_;
  std::unique_ptr<ingest::Ingest> ingest_;
  std::function<bool()> pause_ = {};
  std::unique_ptr<land::Maintenance> maintenance_;
};

}  // namespace sluice::sim
