#include "sluice/api/body_stream.h"

#include <algorithm>
#include <utility>

namespace sluice::api {

namespace {
constexpr size_t kWaitingBytesMax = 1u << 20;
constexpr std::chrono::milliseconds kTick{100};  // Between two looks whether others wait.
}  // namespace

Status BodyStream::Write(std::string_view bytes, os::Monotonic deadline, const Patience& patience) {
  std::function<void()> wake;
  {
    std::unique_lock lock(mutex_);
    const auto room = [this] { return bytes_.size() < kWaitingBytesMax || state_ != State::kOpen; };
    const os::Monotonic begun = clock_.Steady();
    while (!room()) {
      const os::Monotonic now = clock_.Steady();
      if (now >= deadline) return Unavailable("the client took too long");
      os::Monotonic look = deadline;
      if (patience.others_wait) {
        const os::Monotonic idle_until = std::max(begun, progressed_) + patience.idle_max;
        if (now >= idle_until && patience.others_wait()) {
          return Conflict("the client took nothing for {} ms, and others wait",
                          patience.idle_max.count());
        }
        look = std::min(deadline, now + kTick);
        if (look_) look_();  // It only asks the connection, which has a thread of its own.
      }
      if (look == os::Monotonic::max()) {
        taken_.wait(lock);
      } else {
        taken_.wait_until(lock, look);
      }
    }
    if (state_ != State::kOpen) return Unavailable("the client is gone");
    bytes_.append(bytes);
    wake = wake_;
  }
  if (wake) wake();
  return {};
}

void BodyStream::End(State state) {
  std::function<void()> wake;
  {
    const std::lock_guard lock(mutex_);
    if (state_ != State::kOpen && state != State::kGone) return;
    state_ = state;
    // It may hold the connection, which holds this.
    wake = state == State::kGone ? std::exchange(wake_, nullptr) : wake_;
    look_ = nullptr;
  }
  taken_.notify_all();
  if (wake && state != State::kGone) wake();
}

void BodyStream::GiveUp() {
  {
    const std::lock_guard lock(mutex_);
    given_up_ = true;
  }
  End(State::kCut);
}

void BodyStream::Progress() {
  const std::lock_guard lock(mutex_);
  progressed_ = clock_.Steady();
}

bool BodyStream::given_up() const {
  const std::lock_guard lock(mutex_);
  return given_up_;
}

void BodyStream::Attach(std::function<void()> wake, std::function<void()> look) {
  const std::lock_guard lock(mutex_);
  wake_ = std::move(wake);
  if (state_ == State::kOpen) look_ = std::move(look);
}

BodyStream::State BodyStream::Take(std::string& bytes) {
  const std::lock_guard lock(mutex_);
  bytes = std::exchange(bytes_, {});
  taken_.notify_all();
  return state_;
}

}  // namespace sluice::api
