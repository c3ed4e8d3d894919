#pragma once
/// \file
/// Time, as the rest of Sluice sees it.

#include <chrono>
#include <mutex>

namespace sluice::os {

/// A moment of wall time, UTC, in microseconds since 1970.
using Timestamp = std::chrono::sys_time<std::chrono::microseconds>;
/// A moment of a clock that never goes back; its zero means nothing.
using Monotonic = std::chrono::time_point<std::chrono::steady_clock, std::chrono::microseconds>;

/// The only source of time outside this module.
///
/// Thread-safe.
class Clock {
 public:
  virtual ~Clock() = default;
  virtual Timestamp Now() const = 0;
  virtual Monotonic Steady() const = 0;
};

/// The machine's clocks.
class SystemClock final : public Clock {
 public:
  Timestamp Now() const override;
  Monotonic Steady() const override;
};

/// A clock that moves only when it is told to, for tests.
class SimulatedClock final : public Clock {
 public:
  explicit SimulatedClock(Timestamp start) : now_(start) {}

  Timestamp Now() const override;
  Monotonic Steady() const override;

  /// Moves both clocks forward.
  void Advance(std::chrono::microseconds by);
  /// Sets the wall clock alone, forward or back, as an operator or NTP would.
  void SetWall(Timestamp now);

 private:
  mutable std::mutex mutex_;  // Guards what follows.
  Timestamp now_;
  Monotonic steady_{};
};

}  // namespace sluice::os
