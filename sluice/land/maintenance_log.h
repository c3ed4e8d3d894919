#pragma once
/// \file
/// What maintenance did, for `system.maintenance` and whoever else asks.

#include <atomic>
#include <chrono>
#include <cstdint>
#include <deque>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "sluice/os/clock.h"

namespace sluice::land {

/// One look at a table that led to something, or the reason why there is none.
struct MaintenanceRun {
  std::string topic = {};
  std::string table = {};   ///< `bronze.flights`
  std::string action = {};  ///< `compact`, `vacuum`; `none` where a table is left alone.
  os::Timestamp started{};
  std::chrono::microseconds took{};
  std::chrono::microseconds processor{};  ///< Time of it.
  int64_t files_before = 0;               ///< Of the table; of a vacuum, in its folder.
  int64_t files_after = 0;
  int64_t bytes_before = 0;  ///< Of the files that were rewritten or deleted.
  int64_t bytes_after = 0;   ///< Of those that took their place.
  int64_t version = -1;      ///< Of the table then.
  std::string outcome = {};  ///< `done`, `stopped`, `failed`, `off`
  std::string reason = {};   ///< Of all but `done`.
};

/// Keeps the last runs, and what the one under way takes.
///
/// Thread-safe.
class MaintenanceLog {
 public:
  static constexpr size_t kRunsMax = 1000;

  void Add(MaintenanceRun run);
  /// The newest last.
  std::vector<MaintenanceRun> List() const;
  /// The newest of a topic's table.
  std::optional<MaintenanceRun> Last(std::string_view topic) const;

  /// Bytes of memory that rewriting files takes at the moment, as lake::RewriteMemory tells.
  int64_t memory() const { return memory_.load(std::memory_order_relaxed); }
  void SetMemory(int64_t bytes) { memory_.store(bytes, std::memory_order_relaxed); }

 private:
  std::atomic<int64_t> memory_{0};
  mutable std::mutex mutex_;  // Guards runs_.
  std::deque<MaintenanceRun> runs_;
};

}  // namespace sluice::land
