#pragma once
/// \file
/// Characters: what HTTP allows where.

#include <fmt/format.h>

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace sluice::api::internal {

inline bool IsDigit(char c) { return c >= '0' && c <= '9'; }
inline bool IsControl(char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; }

/// Is `c` a `tchar` of RFC 9110, which names and methods are made of?
bool IsTokenChar(char c);

/// Compares without regard to ASCII case.
bool EqualsIgnoringCase(std::string_view a, std::string_view b);

/// Appends digits without a format string: for what each answer has.
inline void AppendNumber(std::string& out, int64_t number) {
  const fmt::format_int digits(number);
  out.append(digits.data(), digits.size());
}

}  // namespace sluice::api::internal
