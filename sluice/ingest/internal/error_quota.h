#pragma once
/// \file
/// How much of what does not fit a sender may have kept.

#include <cstddef>
#include <cstdint>
#include <map>
#include <mutex>
#include <string>
#include <string_view>
#include <utility>

#include "sluice/os/clock.h"

namespace sluice::ingest::internal {

/// A quota of bytes for each sender and topic, which fills up again within a day.
///
/// A rejected event costs its bytes and those of its error row. When less is left its row is kept
/// without the event; and when rows alone have cost as much again nothing more is taken. So a
/// sender fills at most twice the quota, and as much again a day, whatever it sends. A restart
/// begins with full quotas.
///
/// Thread-safe.
class ErrorQuota {
 public:
  static constexpr int64_t kRowBytes = 256;  ///< Of an error row without its event, about.
  /// Senders times topics that have quotas of their own; those that come later share one.
  static constexpr size_t kQuotasMax = 4096;

  enum class Verdict : uint8_t { kKeep, kKeepWithoutEvent, kRefuse };

  /// `bytes_a_day` 0: everything is kept.
  explicit ErrorQuota(int64_t bytes_a_day) : bytes_a_day_(bytes_a_day) {}

  /// Says what becomes of a rejected event of `bytes`, and counts it.
  Verdict Take(std::string_view sender, std::string_view topic, int64_t bytes, os::Monotonic now);

 private:
  struct Quota {
    double left;  ///< Down to minus bytes_a_day_.
    os::Monotonic filled;
  };

  const int64_t bytes_a_day_;
  std::mutex mutex_;  // Guards what follows.
  std::map<std::pair<std::string, std::string>, Quota> quotas_;
};

}  // namespace sluice::ingest::internal
