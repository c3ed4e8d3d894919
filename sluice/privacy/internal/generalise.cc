#include "sluice/privacy/internal/generalise.h"

#include <arpa/inet.h>
#include <arrow/api.h>
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cmath>
#include <optional>
#include <type_traits>

#include "sluice/columnar/arrow_bridge.h"
#include "sluice/privacy/internal/text_column.h"

namespace sluice::privacy::internal {
namespace {

using columnar::FromArrow;
using event::Generalisation;
using Unit = Generalisation::Unit;
using std::chrono::sys_days;
using std::chrono::sys_seconds;

std::optional<int> Digits(std::string_view text, size_t at, size_t count) {
  if (text.size() < at + count) return std::nullopt;
  int number = 0;
  for (const char c : text.substr(at, count)) {
    if (c < '0' || c > '9') return std::nullopt;
    number = number * 10 + (c - '0');
  }
  return number;
}

std::optional<sys_days> ReadDate(std::string_view text) {
  const auto year = Digits(text, 0, 4);
  const auto month = Digits(text, 5, 2);
  const auto day = Digits(text, 8, 2);
  if (!year || !month || !day || text[4] != '-' || text[7] != '-') return std::nullopt;
  const std::chrono::year_month_day date{std::chrono::year(*year),
                                         std::chrono::month(static_cast<unsigned>(*month)),
                                         std::chrono::day(static_cast<unsigned>(*day))};
  if (!date.ok()) return std::nullopt;
  return sys_days(date);
}

/// `2026-01-05T10:11:12[.123](Z|+01:00)`
std::optional<sys_seconds> ReadTime(std::string_view text) {
  const auto date = ReadDate(text);
  const auto hour = Digits(text, 11, 2);
  const auto minute = Digits(text, 14, 2);
  const auto second = Digits(text, 17, 2);
  if (!date || !hour || !minute || !second || text[13] != ':' || text[16] != ':' || *hour > 23 ||
      *minute > 59 || *second > 60 || (text[10] != 'T' && text[10] != 't' && text[10] != ' ')) {
    return std::nullopt;
  }
  sys_seconds time = *date + std::chrono::hours(*hour) + std::chrono::minutes(*minute) +
                     std::chrono::seconds(*second);
  size_t at = 19;
  if (at < text.size() && text[at] == '.') {
    at = std::min(text.find_first_not_of("0123456789", at + 1), text.size());
  }
  const std::string_view zone = text.substr(at);
  if (zone == "Z" || zone == "z") return time;
  const auto zone_hour = Digits(zone, 1, 2);
  const auto zone_minute = Digits(zone, 4, 2);
  if (zone.size() != 6 || !zone_hour || !zone_minute || zone[3] != ':' || *zone_hour > 23 ||
      *zone_minute > 59 || (zone[0] != '+' && zone[0] != '-')) {
    return std::nullopt;
  }
  const auto shift = std::chrono::hours(*zone_hour) + std::chrono::minutes(*zone_minute);
  return zone[0] == '+' ? time - shift : time + shift;
}

sys_seconds Begin(Unit unit, sys_seconds time) {
  if (unit == Unit::kHour) return std::chrono::floor<std::chrono::hours>(time);
  const auto day = std::chrono::floor<std::chrono::days>(time);
  if (unit == Unit::kDay) return day;
  const std::chrono::year_month_day date(day);
  return sys_days(date.year() / (unit == Unit::kMonth ? date.month() : std::chrono::January) / 1);
}

bool AppendTime(Unit unit, std::string_view value, std::string& out) {
  const bool is_date = value.size() == 10;
  const std::optional<sys_seconds> time = is_date ? ReadDate(value) : ReadTime(value);
  if (!time || (is_date && unit == Unit::kHour)) return false;
  const sys_seconds begin = Begin(unit, *time);
  const auto day = std::chrono::floor<std::chrono::days>(begin);
  const std::chrono::year_month_day date(day);
  out += fmt::format("{:04}-{:02}-{:02}", static_cast<int>(date.year()),
                     static_cast<unsigned>(date.month()), static_cast<unsigned>(date.day()));
  if (!is_date) {
    out += fmt::format("T{:02}:00:00Z",
                       std::chrono::duration_cast<std::chrono::hours>(begin - day).count());
  }
  return true;
}

bool AppendNetwork(const Generalisation& to, std::string_view value, std::string& out) {
  constexpr size_t kLengthMax = 45;
  if (value.size() > kLengthMax || value.find('\0') != std::string_view::npos) return false;
  const std::string text(value);
  const bool six = text.find(':') != std::string::npos;
  std::array<unsigned char, 16> address{};
  if (inet_pton(six ? AF_INET6 : AF_INET, text.c_str(), address.data()) != 1) return false;
  const int bits = six ? to.bits6 : to.bits4;
  for (int bit = bits; bit < (six ? 128 : 32); ++bit) {
    auto& byte = address.at(static_cast<size_t>(bit / 8));
    byte = static_cast<unsigned char>(byte & ~(0x80 >> bit % 8));
  }
  std::array<char, INET6_ADDRSTRLEN> shown{};
  if (inet_ntop(six ? AF_INET6 : AF_INET, address.data(), shown.data(), shown.size()) == nullptr) {
    return false;
  }
  out += fmt::format("{}/{}", shown.data(), bits);
  return true;
}

/// Bytes of the first `count` characters of UTF-8.
size_t BytesOfFirst(std::string_view text, size_t count) {
  size_t at = 0;
  while (at < text.size() && count > 0) {
    ++at;
    while (at < text.size() && (static_cast<unsigned char>(text[at]) & 0xc0) == 0x80) ++at;
    --count;
  }
  return at;
}

size_t CountCharacters(std::string_view text) {
  return static_cast<size_t>(std::count_if(text.begin(), text.end(), [](char c) {
    return (static_cast<unsigned char>(c) & 0xc0) != 0x80;
  }));
}

template <typename Type>
Result<std::shared_ptr<arrow::Array>> GeneraliseNumbers(
    const Generalisation& to, const arrow::Array& values,
    const std::function<void(int64_t)>& failed) {
  using Value = typename Type::c_type;
  const auto& numbers = static_cast<const typename arrow::TypeTraits<Type>::ArrayType&>(values);
  typename arrow::TypeTraits<Type>::BuilderType builder(values.type(),
                                                        arrow::default_memory_pool());
  SLUICE_RETURN_IF_ERROR(FromArrow(builder.Reserve(values.length())));
  for (int64_t row = 0; row < values.length(); ++row) {
    if (numbers.IsNull(row)) {
      builder.UnsafeAppendNull();
      continue;
    }
    const Value value = numbers.Value(row);
    if constexpr (std::is_same_v<Type, arrow::TimestampType>) {
      const sys_seconds time{
          std::chrono::floor<std::chrono::seconds>(std::chrono::microseconds(value))};
      builder.UnsafeAppend(Begin(to.unit, time).time_since_epoch().count() * 1'000'000);
    } else if (to.kind == Generalisation::Kind::kTime) {  // Milliseconds since 1970.
      const sys_seconds time{std::chrono::floor<std::chrono::seconds>(
          std::chrono::milliseconds(static_cast<int64_t>(value)))};
      builder.UnsafeAppend(
          static_cast<Value>(Begin(to.unit, time).time_since_epoch().count() * 1'000));
    } else if constexpr (std::is_floating_point_v<Value>) {
      builder.UnsafeAppend(static_cast<Value>(std::floor(value / to.width) * to.width));
    } else {
      const auto width = static_cast<int64_t>(to.width);
      const int64_t rest = ((value % width) + width) % width;
      if (value < std::numeric_limits<Value>::min() + rest) {
        failed(row);
        builder.UnsafeAppendNull();
      } else {
        builder.UnsafeAppend(static_cast<Value>(value - rest));
      }
    }
  }
  return FromArrow(builder.Finish());
}

}  // namespace

bool AppendGeneral(const Generalisation& to, std::string_view value, std::string& out) {
  switch (to.kind) {
    case Generalisation::Kind::kTime:
      return AppendTime(to.unit, value, out);
    case Generalisation::Kind::kNetwork:
      return AppendNetwork(to, value, out);
    case Generalisation::Kind::kPrefix:
      out += value.substr(0, BytesOfFirst(value, static_cast<size_t>(to.characters)));
      return true;
    case Generalisation::Kind::kBin:
      break;
  }
  return false;
}

Result<std::shared_ptr<arrow::Array>> Generalise(const Generalisation& to,
                                                 const arrow::Array& values,
                                                 const std::function<void(int64_t row)>& failed) {
  switch (values.type_id()) {
    case arrow::Type::INT8:
      return GeneraliseNumbers<arrow::Int8Type>(to, values, failed);
    case arrow::Type::INT16:
      return GeneraliseNumbers<arrow::Int16Type>(to, values, failed);
    case arrow::Type::INT32:
      return GeneraliseNumbers<arrow::Int32Type>(to, values, failed);
    case arrow::Type::INT64:
      return GeneraliseNumbers<arrow::Int64Type>(to, values, failed);
    case arrow::Type::FLOAT:
      return GeneraliseNumbers<arrow::FloatType>(to, values, failed);
    case arrow::Type::DOUBLE:
      return GeneraliseNumbers<arrow::DoubleType>(to, values, failed);
    case arrow::Type::TIMESTAMP:
      return GeneraliseNumbers<arrow::TimestampType>(to, values, failed);
    case arrow::Type::STRING:
      break;
    default:
      return Internal("a column of {} cannot be generalised", values.type()->ToString());
  }
  TextReader read(values);
  TextWriter write(values.length(), 0);
  for (int64_t row = 0; row < values.length(); ++row) {
    if (read.IsNull(row)) {
      write.Null();
    } else if (AppendGeneral(to, read(row), write.bytes())) {
      write.EndValue();
    } else {
      failed(row);
      write.Null();
    }
  }
  return write.Finish();
}

void AppendMasked(std::string_view value, size_t keep, std::string& out) {
  const size_t characters = CountCharacters(value);
  const size_t hidden = characters > keep ? characters - keep : characters;
  out.append(hidden, '*');
  if (characters > keep) out += value.substr(BytesOfFirst(value, hidden));
}

}  // namespace sluice::privacy::internal
