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

bool EqualsIgnoringCase(std::string_view a, std::string_view b) {
  return std::ranges::equal(a, b, [](char x, char y) { return LowerCase(x) == LowerCase(y); });
}

}  // namespace sluice::api::internal
