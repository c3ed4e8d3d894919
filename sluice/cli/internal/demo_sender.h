#pragma once
/// \file
/// Sends the demo's events, and goes on when the server is busy.

#include <chrono>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

#include "sluice/api/http_server.h"
#include "sluice/base/error.h"
#include "sluice/os/clock.h"

namespace sluice::cli::internal {

/// What the receipts have said so far.
struct DemoTotals {
  int64_t received = 0;
  int64_t accepted = 0;
  int64_t duplicate = 0;
  int64_t error = 0;
  int64_t answers_lost = 0;  ///< Requests of unknown outcome; they were sent again.
};

/// Sends events at a rate. A request that the server has no room for is sent again when it asks for
/// that, one without an answer after a second: what was taken of it is a duplicate then.
///
/// Not thread-safe; `clock` must outlive it.
class DemoSender {
 public:
  /// Sends a body; returns the answer, whatever its status, or kUnavailable if there was none.
  using Post = std::function<Result<api::Response>(std::string_view body)>;

  /// `next` makes one event after the other, `rate` is how many a second.
  DemoSender(std::function<std::string()> next, int64_t rate, Post post, const os::Clock& clock);

  /// Sends what is due by now, at most one request. An error: the server will never take it.
  Status SendDue();

  const DemoTotals& totals() const { return totals_; }
  /// Why nothing is sent for a while; empty: it goes on.
  const std::string& waits_for() const { return waits_for_; }

 private:
  void Wait(std::chrono::seconds time, std::string reason);
  Status AddReceipt(const api::Response& answer);

  const std::function<std::string()> next_;
  const int64_t rate_;
  const Post post_;
  const os::Clock& clock_;
  const os::Monotonic start_;
  os::Monotonic not_before_;
  int64_t made_ = 0;
  std::string body_;  // Made, and not taken yet.
  std::string waits_for_;
  DemoTotals totals_;
};

}  // namespace sluice::cli::internal
