#include "sluice/duck/internal/watchdog.h"

#include <algorithm>
#include <utility>

namespace sluice::duck::internal {

namespace {
constexpr std::chrono::milliseconds kAgain{10};
constexpr std::chrono::milliseconds kTimeMax{
    std::chrono::hours(24 * 365)};  // Lest a sum overflows.
}  // namespace

Watchdog::Watchdog() : thread_([this](const std::stop_token& stop) { Run(stop); }) {}

Watchdog::~Watchdog() = default;

void Watchdog::Run(const std::stop_token& stop) {
  std::unique_lock lock(mutex_);
  while (!stop.stop_requested()) {
    const os::Monotonic now = clock_.Steady();
    wake_at_ = os::Monotonic::max();
    for (const Watch* watch : watches_) {
      if (watch->deadline_ <= now) watch->interrupt_();
      wake_at_ = std::min(wake_at_, std::max(watch->deadline_, now + kAgain));
    }
    const auto wake_at = wake_at_;
    const auto woken = [this, wake_at] { return wake_at_ < wake_at; };
    if (wake_at == os::Monotonic::max()) {
      changed_.wait(lock, stop, woken);
    } else {
      changed_.wait_until(lock, stop, wake_at, woken);
    }
  }
}

Watchdog::Watch::Watch(Watchdog& watchdog, std::chrono::milliseconds time_max,
                       std::function<void()> interrupt)
    : watchdog_(watchdog),
      deadline_(watchdog.clock_.Steady() + std::min(time_max, kTimeMax)),
      interrupt_(std::move(interrupt)) {
  const std::lock_guard lock(watchdog_.mutex_);
  place_ = watchdog_.watches_.insert(watchdog_.watches_.end(), this);
  // Most deadlines never come, and a later one needs no waking.
  if (deadline_ < watchdog_.wake_at_) {
    watchdog_.wake_at_ = deadline_;
    watchdog_.changed_.notify_one();
  }
}

Watchdog::Watch::~Watch() {
  const std::lock_guard lock(watchdog_.mutex_);
  watchdog_.watches_.erase(place_);
}

void Watchdog::Watch::Expire() {
  const std::lock_guard lock(watchdog_.mutex_);
  deadline_ = os::Monotonic::min();
  watchdog_.wake_at_ = os::Monotonic::min();
  watchdog_.changed_.notify_one();
}

bool Watchdog::Watch::expired() const {
  const std::lock_guard lock(watchdog_.mutex_);
  return deadline_ <= watchdog_.clock_.Steady();
}

}  // namespace sluice::duck::internal
