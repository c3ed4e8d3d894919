#pragma once
/// \file
/// When the lander is to look at which of its tables.

#include <cstdint>
#include <map>
#include <mutex>
#include <set>
#include <utility>
#include <vector>

#include "sluice/os/clock.h"

namespace sluice::land::internal {

/// Before all times.
inline constexpr os::Monotonic kAtOnce = os::Monotonic::min();

/// The time of the next look at each table that has one; a table that nothing waits for has none,
/// so that a thousand quiet ones cost nothing.
///
/// No look is lost, whatever happens at the same time: a table asks for a look under the mutex of
/// its own state, in the step that makes it due; and the lander takes a look out before it reads
/// that state, under the same mutex. So what came before the reading is seen by it, and what comes
/// behind it has a look of its own. Nobody has to wake the lander for it: it comes for what is due
/// in a fixed rhythm, also when it was just told that there is nothing.
///
/// Thread-safe. Calls nobody, so it may be called with any mutex held.
class DueTables {
 public:
  /// Asks for a look at the table when the time has come. Of several the earliest stays.
  void LookAt(uint32_t partition, os::Monotonic when) {
    const std::lock_guard lock(mutex_);
    const auto [known, added] = looks_.try_emplace(partition, when);
    if (!added) {
      if (known->second <= when) return;
      by_time_.erase({known->second, partition});
      known->second = when;
    }
    by_time_.emplace(when, partition);
  }

  /// Takes out the looks whose time has come.
  std::vector<uint32_t> Take(os::Monotonic now) {
    std::vector<uint32_t> taken;
    const std::lock_guard lock(mutex_);
    while (!by_time_.empty() && by_time_.begin()->first <= now) {
      taken.push_back(by_time_.begin()->second);
      looks_.erase(taken.back());
      by_time_.erase(by_time_.begin());
    }
    return taken;
  }

 private:
  std::mutex mutex_;  // Guards what follows: the same looks, by table and by time.
  std::map<uint32_t, os::Monotonic> looks_;
  std::set<std::pair<os::Monotonic, uint32_t>> by_time_;
};

}  // namespace sluice::land::internal
