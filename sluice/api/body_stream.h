#pragma once
/// \file
/// A body that is sent while it is made.

#include <chrono>
#include <condition_variable>
#include <functional>
#include <mutex>
#include <string>
#include <string_view>

#include "sluice/base/error.h"
#include "sluice/os/clock.h"

namespace sluice::api {

/// Bytes on their way from who makes an answer to the connection that sends it; few wait at a time.
///
/// Thread-safe. One side calls Write(), then Finish() or Cut(); the connection the rest.
class BodyStream {
 public:
  /// When to wait no longer for a client that takes nothing.
  struct Patience {
    std::chrono::milliseconds idle_max{5'000};  ///< Since it took its last byte,
    std::function<bool()> others_wait = {};     ///< while it holds others up; absent: never.
  };

  /// Hands over bytes; waits while a megabyte of earlier ones is unsent. kUnavailable: the client
  /// is gone, or did not take them by the deadline. kConflict: others wait for a client that takes
  /// nothing.
  Status Write(std::string_view bytes, os::Monotonic deadline, const Patience& patience);
  Status Write(std::string_view bytes, os::Monotonic deadline = os::Monotonic::max()) {
    return Write(bytes, deadline, {});
  }
  /// The body is whole.
  void Finish() { End(State::kWhole); }
  /// The body cannot be finished: the connection is cut, so that the client sees it. Nothing after
  /// Finish().
  void Cut() { End(State::kCut); }
  /// Likewise at once: what is on its way to the client is given up.
  void GiveUp();

  enum class State { kOpen, kWhole, kCut, kGone };

  /// For the connection: `wake` is called, on any thread, when there is something to take; `look`
  /// now and then while Write() waits, for Progress() where the client has taken something.
  void Attach(std::function<void()> wake, std::function<void()> look = {});
  /// For the connection: moves what waits into `bytes`; returns the state after them.
  State Take(std::string& bytes);
  /// For the connection: the client has taken some of what Take() gave.
  void Progress();
  /// For the connection: whether nothing more is to be sent, not even what is under way.
  bool given_up() const;
  /// For the connection: the client is gone.
  void Leave() { End(State::kGone); }

 private:
  void End(State state);

  const os::SystemClock clock_;
  mutable std::mutex mutex_;  // Guards what follows.
  std::condition_variable taken_;
  os::Monotonic progressed_{};
  bool given_up_ = false;
  std::function<void()> wake_;
  std::function<void()> look_;
  std::string bytes_;
  State state_ = State::kOpen;
};

}  // namespace sluice::api
