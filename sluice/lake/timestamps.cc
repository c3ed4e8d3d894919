#include "sluice/lake/timestamps.h"

#include "sluice/lake/internal/timestamp_text.h"

namespace sluice::lake {

std::optional<int64_t> ParseTimestampText(std::string_view text) {
  const auto parsed = internal::ParseTimestamp(text);
  if (!parsed) return std::nullopt;
  return parsed->microseconds;
}

std::string TimestampText(int64_t microseconds) {
  return internal::FormatTimestamp(microseconds, /*utc=*/true)
      .value_or(std::to_string(microseconds));
}

}  // namespace sluice::lake
