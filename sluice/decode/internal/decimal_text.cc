#include "sluice/decode/internal/decimal_text.h"

#include <algorithm>

namespace sluice::decode::internal {

namespace {

__extension__ using Wide = unsigned __int128;

constexpr int64_t kExponentMax = 1'000'000'000;

bool IsDigit(char c) { return c >= '0' && c <= '9'; }

std::string_view TakeDigits(std::string_view& text) {
  size_t size = 0;
  while (size < text.size() && IsDigit(text[size])) ++size;
  const std::string_view digits = text.substr(0, size);
  text.remove_prefix(size);
  return digits;
}

bool Take(std::string_view& text, char a, char b) {
  if (text.empty() || (text[0] != a && text[0] != b)) return false;
  text.remove_prefix(1);
  return true;
}

// A number taken apart: digits of both sides of the point, and the exponent.
struct Parts {
  bool negative = false;
  std::string_view whole;
  std::string_view fraction;
  int64_t exponent = 0;
};

bool Split(std::string_view text, Parts& parts) {
  parts.negative = Take(text, '-', '-');
  parts.whole = TakeDigits(text);
  if (parts.whole.empty() || (parts.whole.size() > 1 && parts.whole[0] == '0')) return false;
  if (Take(text, '.', '.')) {
    parts.fraction = TakeDigits(text);
    if (parts.fraction.empty()) return false;
  }
  if (Take(text, 'e', 'E')) {
    const bool negative = Take(text, '-', '-');
    if (!negative) Take(text, '+', '+');
    const std::string_view digits = TakeDigits(text);
    if (digits.empty()) return false;
    for (const char c : digits) {
      parts.exponent = std::min(parts.exponent * 10 + (c - '0'), kExponentMax);
    }
    if (negative) parts.exponent = -parts.exponent;
  }
  return text.empty();
}

}  // namespace

DecimalVerdict ReadDecimal(std::string_view text, int precision, int scale, DecimalBits& out) {
  Parts parts;
  if (!Split(text, parts)) return DecimalVerdict::kNoNumber;
  // The number is the digits of both sides, without the point, times 10^shift.
  const size_t size = parts.whole.size() + parts.fraction.size();
  const auto digit = [&](size_t i) {
    return i < parts.whole.size() ? parts.whole[i] : parts.fraction[i - parts.whole.size()];
  };
  size_t begin = 0;
  size_t end = size;
  while (begin < end && digit(begin) == '0') ++begin;
  while (end > begin && digit(end - 1) == '0') --end;
  out = {};
  if (begin == end) return DecimalVerdict::kRead;
  const int64_t shift = parts.exponent + scale - static_cast<int64_t>(parts.fraction.size()) +
                        static_cast<int64_t>(size - end);
  if (shift < 0) return DecimalVerdict::kTooFine;
  if (static_cast<int64_t>(end - begin) + shift > precision) return DecimalVerdict::kTooLarge;

  Wide value = 0;
  for (size_t i = begin; i < end; ++i) value = value * 10 + static_cast<Wide>(digit(i) - '0');
  for (int64_t i = 0; i < shift; ++i) value *= 10;
  if (parts.negative) value = ~value + 1;
  out.low = static_cast<uint64_t>(value);
  out.high = static_cast<uint64_t>(value >> 64);
  return DecimalVerdict::kRead;
}

}  // namespace sluice::decode::internal
