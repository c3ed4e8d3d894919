#include "sluice/api/internal/text.h"

#include <algorithm>
#include <array>

#include "sluice/base/ascii.h"

namespace sluice::api::internal {

namespace {

constexpr std::array<bool, 256> kTokenChars = [] {
  std::array<bool, 256> result{};
  for (unsigned c = '0'; c <= '9'; ++c) result[c] = true;
  for (unsigned c = 'a'; c <= 'z'; ++c) result[c] = true;
  for (unsigned c = 'A'; c <= 'Z'; ++c) result[c] = true;
  for (const char c : std::string_view("!#$%&'*+-.^_`|~")) result[static_cast<unsigned>(c)] = true;
  return result;
}();

}  // namespace

bool IsTokenChar(char c) { return kTokenChars[static_cast<unsigned char>(c)]; }

size_t Utf8Length(std::string_view text) {
  const auto byte = [text](size_t i) { return static_cast<unsigned char>(text[i]); };
  const unsigned first = byte(0);
  if (first < 0x80) return 1;
  const size_t length = first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : 2;
  // 0x80-0xc1 cannot start a character, nor can what would encode more than U+10FFFF.
  if (first < 0xc2 || first > 0xf4 || text.size() < length) return 0;
  for (size_t i = 1; i < length; ++i) {
    if ((byte(i) & 0xc0) != 0x80) return 0;
  }
  const unsigned second = byte(1);
  if (first == 0xe0 && second < 0xa0) return 0;  // Longer than needed.
  if (first == 0xed && second > 0x9f) return 0;  // A surrogate.
  if (first == 0xf0 && second < 0x90) return 0;
  if (first == 0xf4 && second > 0x8f) return 0;
  return length;
}

bool IsUtf8(std::string_view text) {
  while (!text.empty()) {
    const size_t length = Utf8Length(text);
    if (length == 0) return false;
    text.remove_prefix(length);
  }
  return true;
}

bool EqualsIgnoringCase(std::string_view a, std::string_view b) {
  return std::ranges::equal(a, b, [](char x, char y) { return LowerCase(x) == LowerCase(y); });
}

}  // namespace sluice::api::internal
