#pragma once
/// \file
/// A body that is sent while it is made.

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
  /// Hands over bytes; waits while a megabyte of earlier ones is unsent. kUnavailable: the client
  /// is gone, or did not take them by the deadline.
  Status Write(std::string_view bytes, os::Monotonic deadline = os::Monotonic::max());
  /// The body is whole.
  void Finish() { End(State::kWhole); }
  /// The body cannot be finished: the connection is cut, so that the client sees it. Nothing after
  /// Finish().
  void Cut() { End(State::kCut); }

  enum class State { kOpen, kWhole, kCut, kGone };

  /// For the connection: `wake` is called, on any thread, when there is something to take.
  void Attach(std::function<void()> wake);
  /// For the connection: moves what waits into `bytes`; returns the state after them.
  State Take(std::string& bytes);
  /// For the connection: the client is gone.
  void Leave() { End(State::kGone); }

 private:
  void End(State state);

  std::mutex mutex_;  // Guards what follows.
  std::condition_variable taken_;
  std::function<void()> wake_;
  std::string bytes_;
  State state_ = State::kOpen;
};

}  // namespace sluice::api
