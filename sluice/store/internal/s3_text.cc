#include "sluice/store/internal/s3_text.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <chrono>
#include <cstdint>

#include "sluice/base/percent.h"
#include "sluice/base/trim.h"

namespace sluice::store::internal {

namespace {

std::string ResolveEntities(std::string_view text) {
  constexpr std::array<std::pair<std::string_view, char>, 5> kEntities = {
      {{"&amp;", '&'}, {"&lt;", '<'}, {"&gt;", '>'}, {"&quot;", '"'}, {"&apos;", '\''}}};
  std::string out;
  for (size_t i = 0; i < text.size();) {
    const auto entity = std::ranges::find_if(
        kEntities, [&](const auto& known) { return text.substr(i).starts_with(known.first); });
    if (entity != kEntities.end()) {
      out += entity->second;
      i += entity->first.size();
      continue;
    }
    const size_t length = text.substr(i, 8).find(';');
    if (text.substr(i).starts_with("&#") && length != std::string_view::npos) {
      const std::string number(text.substr(i + 2, length - 2));  // Of a byte of ASCII.
      const bool hex = number.starts_with('x');
      const long value = std::strtol(number.c_str() + (hex ? 1 : 0), nullptr, hex ? 16 : 10);
      if (value > 0 && value < 128) {
        out += static_cast<char>(value);
        i += length + 1;
        continue;
      }
    }
    out += text[i++];
  }
  return out;
}

// Numbers at fixed places; -1 where there is none.
int Digits(std::string_view text, size_t at, size_t count) {
  int number = 0;
  for (size_t i = at; i < at + count; ++i) {
    if (i >= text.size() || text[i] < '0' || text[i] > '9') return -1;
    number = number * 10 + (text[i] - '0');
  }
  return number;
}

os::Timestamp MakeTime(int year, int month, int day, int hour, int minute, int second) {
  const std::chrono::year_month_day date{std::chrono::year(year),
                                         std::chrono::month(static_cast<unsigned>(month)),
                                         std::chrono::day(static_cast<unsigned>(day))};
  const bool is_time = hour >= 0 && hour < 24 && minute >= 0 && minute < 60 && second >= 0 &&
                       second <= 60;  // 60: a leap second.
  if (year < 0 || !date.ok() || !is_time) return {};
  return std::chrono::sys_days(date) + std::chrono::hours(hour) + std::chrono::minutes(minute) +
         std::chrono::seconds(second);
}

// 2026-01-31T12:00:00.000Z
os::Timestamp ParseIsoTime(std::string_view text) {
  return MakeTime(Digits(text, 0, 4), Digits(text, 5, 2), Digits(text, 8, 2), Digits(text, 11, 2),
                  Digits(text, 14, 2), Digits(text, 17, 2));
}

}  // namespace

std::string DecodeUri(std::string_view text) {
  std::string spaced(text);
  std::ranges::replace(spaced, '+', ' ');
  return PercentDecode(spaced);
}

std::string EscapeXml(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (c == '&') {
      out += "&amp;";
    } else if (c == '<') {
      out += "&lt;";
    } else if (c == '"') {
      out += "&quot;";
    } else {
      out += c;
    }
  }
  return out;
}

std::string XmlText(std::string_view xml, std::string_view element) {
  const std::string open = fmt::format("<{}>", element);
  const size_t begin = xml.find(open);
  if (begin == std::string_view::npos) return {};
  const size_t end = xml.find(fmt::format("</{}>", element), begin);
  if (end == std::string_view::npos) return {};
  return ResolveEntities(xml.substr(begin + open.size(), end - begin - open.size()));
}

Result<std::string> ParseListing(std::string_view xml, std::vector<ObjectInfo>& objects) {
  if (xml.find("<ListBucketResult") == std::string_view::npos) {
    return Corrupt("the store's answer is no listing");
  }
  constexpr std::string_view kOpen = "<Contents>";
  constexpr std::string_view kClose = "</Contents>";
  size_t at = 0;
  while ((at = xml.find(kOpen, at)) != std::string_view::npos) {
    const size_t end = xml.find(kClose, at);
    if (end == std::string_view::npos) return Corrupt("the store's listing ends too early");
    const std::string_view entry = xml.substr(at, end - at);
    ObjectInfo& object = objects.emplace_back();
    object.path = DecodeUri(XmlText(entry, "Key"));
    const std::string size = XmlText(entry, "Size");
    const auto [rest, bad] = std::from_chars(size.data(), size.data() + size.size(), object.size);
    if (object.path.empty() || bad != std::errc() || rest != size.data() + size.size() ||
        object.size > uint64_t{INT64_MAX}) {
      return Corrupt("the store's listing has an object without name or size");
    }
    object.modified = ParseIsoTime(XmlText(entry, "LastModified"));
    at = end;
  }
  if (XmlText(xml, "IsTruncated") != "true") return std::string();
  std::string token = XmlText(xml, "NextContinuationToken");
  if (token.empty()) return Corrupt("the store's listing has more, but no token for it");
  return token;
}

os::Timestamp ParseHttpTime(std::string_view text) {
  constexpr std::string_view kMonths = "JanFebMarAprMayJunJulAugSepOctNovDec";
  if (text.size() < 25) return {};
  const size_t month = kMonths.find(text.substr(8, 3));
  if (month == std::string_view::npos || month % 3 != 0) return {};
  return MakeTime(Digits(text, 12, 4), static_cast<int>(month / 3) + 1, Digits(text, 5, 2),
                  Digits(text, 17, 2), Digits(text, 20, 2), Digits(text, 23, 2));
}

std::string ProfileValue(std::string_view file, std::string_view profile, std::string_view key) {
  bool inside = false;
  while (!file.empty()) {
    const size_t end = std::min(file.find('\n'), file.size());
    const std::string_view line = Trim(file.substr(0, end));
    file.remove_prefix(std::min(end + 1, file.size()));
    if (line.starts_with('[')) {
      std::string_view name = Trim(line.substr(1, line.find(']') - 1));
      if (name.starts_with("profile ")) name = Trim(name.substr(8));
      inside = name == profile;
      continue;
    }
    const size_t equals = line.find('=');
    if (!inside || equals == std::string_view::npos || line.starts_with('#')) continue;
    if (Trim(line.substr(0, equals)) == key) return std::string(Trim(line.substr(equals + 1)));
  }
  return {};
}

}  // namespace sluice::store::internal
