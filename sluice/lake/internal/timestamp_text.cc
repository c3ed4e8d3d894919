#include "sluice/lake/internal/timestamp_text.h"

#include <fmt/format.h>

#include <charconv>
#include <chrono>

namespace sluice::lake::internal {

namespace {

constexpr int64_t kDayMicroseconds = 86'400'000'000;

// Parses `digits_min` to `digits_max` digits off the front.
std::optional<int64_t> TakeDigits(std::string_view& text, size_t digits_min, size_t digits_max) {
  size_t count = 0;
  int64_t number = 0;
  while (count < text.size() && count < digits_max && text[count] >= '0' && text[count] <= '9') {
    number = number * 10 + (text[count] - '0');
    ++count;
  }
  if (count < digits_min) return std::nullopt;
  text.remove_prefix(count);
  return number;
}

bool Take(std::string_view& text, char expected) {
  if (text.empty() || text.front() != expected) return false;
  text.remove_prefix(1);
  return true;
}

// Days since 1970 of a date at the front of the text.
std::optional<int32_t> TakeDate(std::string_view& text) {
  const bool negative = Take(text, '-');
  if (!negative) Take(text, '+');
  const auto year = TakeDigits(text, 1, 6);
  if (!year || !Take(text, '-')) return std::nullopt;
  const auto month = TakeDigits(text, 1, 2);
  if (!month || !Take(text, '-')) return std::nullopt;
  const auto day = TakeDigits(text, 1, 2);
  if (!day || *month > 12 || *day > 31) return std::nullopt;
  // The type of a year ends at 32767; cycles of 400 years all have the same days.
  const int64_t signed_year = negative ? -*year : *year;
  const int64_t cycles = (signed_year >= 0 ? signed_year : signed_year - 399) / 400;
  const std::chrono::year_month_day date{
      std::chrono::year(static_cast<int>(signed_year - cycles * 400)),
      std::chrono::month(static_cast<unsigned>(*month)),
      std::chrono::day(static_cast<unsigned>(*day))};
  if (!date.ok()) return std::nullopt;
  const int64_t days =
      std::chrono::sys_days(date).time_since_epoch().count() + cycles * int64_t{146'097};
  return static_cast<int32_t>(days);
}

// Microseconds of `hh:mm[:ss[.fraction]]` at the front of the text.
std::optional<int64_t> TakeTime(std::string_view& text) {
  const auto hours = TakeDigits(text, 1, 2);
  if (!hours || *hours > 24 || !Take(text, ':')) return std::nullopt;
  const auto minutes = TakeDigits(text, 1, 2);
  if (!minutes || *minutes > 59) return std::nullopt;
  int64_t result = (*hours * 3600 + *minutes * 60) * 1'000'000;
  if (!Take(text, ':')) return result;
  const auto seconds = TakeDigits(text, 1, 2);
  if (!seconds || *seconds > 60) return std::nullopt;
  result += *seconds * 1'000'000;
  if (!Take(text, '.')) return result;
  int64_t unit = 100'000;
  while (!text.empty() && text.front() >= '0' && text.front() <= '9') {
    result += (text.front() - '0') * unit;
    unit /= 10;
    text.remove_prefix(1);
  }
  return result;
}

// Seconds of `Z`, `+hh:mm[:ss]` or `+hhmm`.
std::optional<int64_t> TakeOffset(std::string_view& text) {
  if (Take(text, 'Z') || Take(text, 'z')) return 0;
  const bool negative = Take(text, '-');
  if (!negative && !Take(text, '+')) return std::nullopt;
  const auto hours = TakeDigits(text, 2, 2);
  if (!hours) return std::nullopt;
  int64_t seconds = *hours * 3600;
  if (!text.empty()) {
    Take(text, ':');
    const auto minutes = TakeDigits(text, 2, 2);
    if (!minutes) return std::nullopt;
    seconds += *minutes * 60;
    if (Take(text, ':')) {
      const auto rest = TakeDigits(text, 2, 2);
      if (!rest) return std::nullopt;
      seconds += *rest;
    }
  }
  return negative ? -seconds : seconds;
}

}  // namespace

std::optional<std::string> FormatDate(int64_t days) {
  if (days < -719'162 || days > 2'932'896) return std::nullopt;
  const std::chrono::year_month_day date{
      std::chrono::sys_days(std::chrono::days(static_cast<int>(days)))};
  return fmt::format("{:04}-{:02}-{:02}", static_cast<int>(date.year()),
                     static_cast<unsigned>(date.month()), static_cast<unsigned>(date.day()));
}

std::optional<std::string> FormatTimestamp(int64_t microseconds, bool utc) {
  int64_t days = microseconds / kDayMicroseconds;
  int64_t rest = microseconds % kDayMicroseconds;
  if (rest < 0) {
    rest += kDayMicroseconds;
    --days;
  }
  const auto date = FormatDate(days);
  if (!date) return std::nullopt;
  const int64_t seconds = rest / 1'000'000;
  return fmt::format("{}T{:02}:{:02}:{:02}.{:06}{}", *date, seconds / 3600, seconds / 60 % 60,
                     seconds % 60, rest % 1'000'000, utc ? "Z" : "");
}

std::optional<int32_t> ParseDate(std::string_view text) {
  const auto days = TakeDate(text);
  if (!days || !text.empty()) return std::nullopt;
  return days;
}

std::optional<ParsedTimestamp> ParseTimestamp(std::string_view text) {
  const auto days = TakeDate(text);
  if (!days) return std::nullopt;
  ParsedTimestamp parsed;
  // Beyond what 64 bits of microseconds can say.
  if (*days > 106'000'000 || *days < -106'000'000) return std::nullopt;
  parsed.microseconds = *days * kDayMicroseconds;
  if (text.empty()) return parsed;
  if (!Take(text, 'T') && !Take(text, ' ')) return std::nullopt;
  const auto time = TakeTime(text);
  if (!time) return std::nullopt;
  parsed.microseconds += *time;
  if (text.empty()) return parsed;
  const auto offset = TakeOffset(text);
  if (!offset || !text.empty()) return std::nullopt;
  parsed.has_offset = true;
  parsed.microseconds -= *offset * 1'000'000;
  return parsed;
}

}  // namespace sluice::lake::internal
