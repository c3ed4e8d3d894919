#include "sluice/privacy/internal/base64url.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstring>

#include "sluice/base/base64.h"

namespace sluice::privacy::internal {

namespace {

constexpr char kDigits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

// The two digits of each 12 bits: half the steps of one digit at a time.
constexpr auto kPairs = [] {
  std::array<std::array<char, 2>, 4096> pairs{};
  for (size_t bits = 0; bits < pairs.size(); ++bits) {
    pairs[bits] = {kDigits[bits >> 6], kDigits[bits & 63]};
  }
  return pairs;
}();

}  // namespace

char* EncodeBase64Url(std::span<const std::byte> bytes, char* out) {
  const auto* in = reinterpret_cast<const uint8_t*>(bytes.data());
  size_t left = bytes.size();
  for (; left >= 3; in += 3, left -= 3) {
    const uint32_t group = uint32_t{in[0]} << 16 | uint32_t{in[1]} << 8 | in[2];
    std::memcpy(out, kPairs[group >> 12].data(), 2);
    std::memcpy(out + 2, kPairs[group & 0xfff].data(), 2);
    out += 4;
  }
  if (left > 0) {
    const uint32_t group = uint32_t{in[0]} << 16 | (left > 1 ? uint32_t{in[1]} << 8 : 0);
    *out++ = kDigits[group >> 18];
    *out++ = kDigits[group >> 12 & 63];
    if (left > 1) *out++ = kDigits[group >> 6 & 63];
  }
  return out;
}

Result<std::string> DecodeBase64Url(std::string_view text) {
  if (text.find_first_of("+/=") != std::string_view::npos)
    return Invalid("not Base64 for addresses");
  std::string plain(text);
  std::replace(plain.begin(), plain.end(), '-', '+');
  std::replace(plain.begin(), plain.end(), '_', '/');
  return DecodeBase64(plain);
}

}  // namespace sluice::privacy::internal
