#include "sluice/os/clock.h"

#include "sluice/base/check.h"

namespace sluice::os {

namespace {

using std::chrono::floor;
using std::chrono::microseconds;

}  // namespace

Timestamp SystemClock::Now() const { return floor<microseconds>(std::chrono::system_clock::now()); }

Monotonic SystemClock::Steady() const {
  return floor<microseconds>(std::chrono::steady_clock::now());
}

Timestamp SimulatedClock::Now() const {
  const std::lock_guard lock(mutex_);
  return now_;
}

Monotonic SimulatedClock::Steady() const {
  const std::lock_guard lock(mutex_);
  return steady_;
}

void SimulatedClock::Advance(microseconds by) {
  SLUICE_CHECK(by.count() >= 0);
  const std::lock_guard lock(mutex_);
  now_ += by;
  steady_ += by;
}

void SimulatedClock::SetWall(Timestamp now) {
  const std::lock_guard lock(mutex_);
  now_ = now;
}

}  // namespace sluice::os
