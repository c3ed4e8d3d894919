#pragma once
/// \file
/// Stops what runs for too long.

#include <chrono>
#include <condition_variable>
#include <functional>
#include <list>
#include <mutex>
#include <thread>

#include "sluice/os/clock.h"

namespace sluice::duck::internal {

/// One thread that watches the deadlines of many tasks.
///
/// Thread-safe; must outlive its watches.
class Watchdog {
 public:
  /// A task being watched, from here to its destruction.
  class Watch {
   public:
    /// When `time_max` from now is over, `interrupt` is called again and again: a task may not have
    /// been ready for it.
    Watch(Watchdog& watchdog, std::chrono::milliseconds time_max, std::function<void()> interrupt);
    /// After this `interrupt` is not running and will not be called.
    ~Watch();
    Watch(const Watch&) = delete;
    Watch& operator=(const Watch&) = delete;

    /// Makes now the deadline. May be called on any thread.
    void Expire();
    bool expired() const;

   private:
    friend class Watchdog;
    Watchdog& watchdog_;
    os::Monotonic deadline_;  // Guarded by watchdog_.mutex_.
    const std::function<void()> interrupt_;
    std::list<Watch*>::iterator place_;
  };

  Watchdog();
  ~Watchdog();

 private:
  void Run(const std::stop_token& stop);

  const os::SystemClock clock_;
  mutable std::mutex mutex_;  // Guards what follows, and is held during `interrupt`.
  std::condition_variable_any changed_;
  std::list<Watch*> watches_;
  os::Monotonic wake_at_ = os::Monotonic::max();
  std::jthread thread_;
};

}  // namespace sluice::duck::internal
