#pragma once
/// \file
/// Moments as people write them.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace sluice::lake {

/// Parses `2026-01-31`, `2026-01-31 12:00:00` or `2026-01-31T12:00:00.5+01:00` to microseconds
/// since 1970; without an offset it is UTC.
std::optional<int64_t> ParseTimestampText(std::string_view text);

/// Returns `2026-01-31T12:00:00.000000Z`; outside of the years 1 to 9999 the number alone.
std::string TimestampText(int64_t microseconds);

}  // namespace sluice::lake
