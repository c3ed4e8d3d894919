#pragma once
/// \file
/// Text without the space around it.

#include <string_view>

namespace sluice {

/// Returns `text` without spaces, tabs and line ends at either end.
constexpr std::string_view Trim(std::string_view text) {
  constexpr std::string_view kSpace = " \t\r\n";
  const size_t begin = text.find_first_not_of(kSpace);
  if (begin == std::string_view::npos) return {};
  return text.substr(begin, text.find_last_not_of(kSpace) - begin + 1);
}

}  // namespace sluice
