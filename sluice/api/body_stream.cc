#include "sluice/api/body_stream.h"

#include <utility>

namespace sluice::api {

namespace {
constexpr size_t kWaitingBytesMax = 1u << 20;
}

Status BodyStream::Write(std::string_view bytes, os::Monotonic deadline) {
  std::function<void()> wake;
  {
    std::unique_lock lock(mutex_);
    const auto room = [this] { return bytes_.size() < kWaitingBytesMax || state_ != State::kOpen; };
    if (deadline == os::Monotonic::max()) {
      taken_.wait(lock, room);
    } else if (!taken_.wait_until(lock, deadline, room)) {
      return Unavailable("the client took too long");
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
  }
  taken_.notify_all();
  if (wake && state != State::kGone) wake();
}

void BodyStream::Attach(std::function<void()> wake) {
  const std::lock_guard lock(mutex_);
  wake_ = std::move(wake);
}

BodyStream::State BodyStream::Take(std::string& bytes) {
  const std::lock_guard lock(mutex_);
  bytes = std::exchange(bytes_, {});
  taken_.notify_all();
  return state_;
}

}  // namespace sluice::api
