#include "sluice/decode/internal/time_text.h"

#include <chrono>
#include <cstring>

namespace sluice::decode::internal {

namespace {

constexpr int64_t kSecond = 1'000'000;
constexpr int64_t kDay = 86'400 * kSecond;

// The value of `count` digits at `p`; negative if one is no digit.
int Digits(const char* p, int count) {
  int value = 0;
  for (int i = 0; i < count; ++i) {
    const int digit = p[i] - '0';
    if (digit < 0 || digit > 9) return -1;
    value = value * 10 + digit;
  }
  return value;
}

std::optional<int64_t> Days(const char* date) {
  const int year = Digits(date, 4);
  const int month = Digits(date + 5, 2);
  const int day = Digits(date + 8, 2);
  if (year < 0 || month < 0 || day < 0 || date[4] != '-' || date[7] != '-') return std::nullopt;
  const std::chrono::year_month_day ymd(std::chrono::year(year),
                                        std::chrono::month(static_cast<unsigned>(month)),
                                        std::chrono::day(static_cast<unsigned>(day)));
  if (!ymd.ok()) return std::nullopt;
  return std::chrono::sys_days(ymd).time_since_epoch().count();
}

}  // namespace

std::optional<int64_t> TimeReader::Read(std::string_view text) {
  constexpr size_t kShortest = sizeof("2026-01-05T00:00:05Z") - 1;
  if (text.size() < kShortest) return std::nullopt;
  const char* p = text.data();
  const char* end = p + text.size();
  if (std::memcmp(p, date_, sizeof(date_)) != 0) {
    const auto days = Days(p);
    if (!days) return std::nullopt;
    days_ = *days;
    std::memcpy(date_, p, sizeof(date_));
  }
  if (p[10] != 'T' && p[10] != 't' && p[10] != ' ') return std::nullopt;
  const int hour = Digits(p + 11, 2);
  const int minute = Digits(p + 14, 2);
  const int second = Digits(p + 17, 2);
  if (hour < 0 || hour > 23 || minute < 0 || minute > 59 || second < 0 || second > 60 ||
      p[13] != ':' || p[16] != ':') {
    return std::nullopt;
  }
  p += 19;

  int64_t micros = 0;
  if (*p == '.') {
    ++p;
    const char* first = p;
    int64_t unit = kSecond;
    while (p != end && *p >= '0' && *p <= '9') {
      unit /= 10;
      micros += (*p - '0') * unit;
      ++p;
    }
    if (p == first || p - first > 9) return std::nullopt;
  }

  int64_t offset_minutes = 0;
  if (p == end) return std::nullopt;
  if (*p == 'Z' || *p == 'z') {
    ++p;
  } else {
    if (end - p < 6 || (*p != '+' && *p != '-') || p[3] != ':') return std::nullopt;
    const int offset_hour = Digits(p + 1, 2);
    const int offset_minute = Digits(p + 4, 2);
    if (offset_hour < 0 || offset_hour > 23 || offset_minute < 0 || offset_minute > 59)
      return std::nullopt;
    offset_minutes = offset_hour * 60 + offset_minute;
    if (*p == '-') offset_minutes = -offset_minutes;
    p += 6;
  }
  if (p != end) return std::nullopt;

  const int64_t minutes = days_ * 1'440 + hour * 60 + minute - offset_minutes;
  if (second < 60) return (minutes * 60 + second) * kSecond + micros;
  const int64_t next_minute = (minutes + 1) * 60 * kSecond;
  if (next_minute % kDay != 0) return std::nullopt;
  return next_minute - 1;
}

}  // namespace sluice::decode::internal
