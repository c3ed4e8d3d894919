#pragma once
/// \file
/// Work that leaves most of the machine to others.

#include <chrono>
#include <cstdint>
#include <functional>

#include "sluice/os/clock.h"

namespace sluice::land {

struct PaceOptions {
  double processor_share = 0.25;  ///< Of one processor.
  int64_t bytes_per_second = 64ll << 20;
  std::function<std::chrono::microseconds()> processor_time = {};  ///< Used so far.
  /// False: the work is to end.
  std::function<bool(std::chrono::microseconds)> wait = {};
  /// Whether others need all there is: the work waits until that is over.
  std::function<bool()> busy = {};
};

/// Keeps one piece of work within its share of the processor and of the disk, by waiting.
///
/// Not thread-safe.
class Pace {
 public:
  /// The work begins now. `clock` must outlive the object.
  Pace(const PaceOptions& options, const os::Clock& clock);

  /// Tells of bytes that were read or written, and waits until the work so far is within its
  /// limits. False: the work is to end.
  bool Keep(int64_t bytes);

  /// Time since the beginning.
  std::chrono::microseconds taken() const { return clock_.Steady() - began_; }

  /// Processor time since the beginning.
  std::chrono::microseconds processor() const { return options_.processor_time() - used_before_; }

 private:
  const PaceOptions& options_;
  const os::Clock& clock_;
  const os::Monotonic began_;
  const std::chrono::microseconds used_before_;
  int64_t bytes_ = 0;
};

}  // namespace sluice::land
