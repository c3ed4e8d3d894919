#pragma once
/// \file
/// Times as text: RFC 3339.

#include <cstdint>
#include <optional>
#include <string_view>

namespace sluice::decode::internal {

/// Reads times such as `2026-01-05T00:00:05.25Z` or `2026-01-05 01:00:05+01:00`.
///
/// The zone is required. Up to nine digits of a second are read, and cut to microseconds. A leap
/// second
/// (`23:59:60` UTC) becomes the last microsecond before midnight, so that it stays on its day.
///
/// Not thread-safe: it remembers the last date, because the next event is mostly of the same day.
class TimeReader {
 public:
  /// Returns microseconds since 1970, or nothing if `text` is not such a time.
  std::optional<int64_t> Read(std::string_view text);

 private:
  char date_[10] = {};
  int64_t days_ = 0;
};

}  // namespace sluice::decode::internal
