#pragma once
/// \file
/// Dates and timestamps as the Delta log spells them, in statistics and partition values.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace sluice::lake::internal {

/// Returns `2026-01-31` for days since 1970; nothing outside of the years 1 to 9999, which every
/// engine spells differently.
std::optional<std::string> FormatDate(int64_t days);
/// Returns `2026-01-31T23:59:59.123456`, with a `Z` if `utc`; nothing as above.
std::optional<std::string> FormatTimestamp(int64_t microseconds, bool utc);

/// Parses what FormatDate() writes, and years of more digits or before 1 as Java writes them.
std::optional<int32_t> ParseDate(std::string_view text);

struct ParsedTimestamp {
  int64_t microseconds = 0;  ///< UTC if there was an offset, else local.
  bool has_offset = false;
};

/// Parses a date, 'T' or a space, a time with up to nine digits of fraction (cut to six), and
/// perhaps an offset: `Z`, `+01:00`, `+0100`, or `+00:53:28`.
std::optional<ParsedTimestamp> ParseTimestamp(std::string_view text);

}  // namespace sluice::lake::internal
