#pragma once
/// \file
/// UUIDs as text (RFC 9562, section 4).

#include <string_view>

namespace sluice::decode::internal {

/// Writes the UUID that `text` is, in lower case, to `out`, which may be the text itself. False: it
/// is not 8-4-4-4-12 hexadecimal digits.
inline bool MakeUuid(std::string_view text, char* out) {
  if (text.size() != 36) return false;
  for (size_t i = 0; i < 36; ++i) {
    const char c = text[i];
    const bool dash = i == 8 || i == 13 || i == 18 || i == 23;
    const bool digit = c >= '0' && c <= '9';
    const bool lower = c >= 'a' && c <= 'f';
    const bool upper = c >= 'A' && c <= 'F';
    if (dash ? c != '-' : !(digit || lower || upper)) return false;
    out[i] = upper ? static_cast<char>(c - 'A' + 'a') : c;
  }
  return true;
}

}  // namespace sluice::decode::internal
