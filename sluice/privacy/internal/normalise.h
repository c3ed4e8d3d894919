#pragma once
/// \file
/// Values as rules compare them: trimmed and in small letters, where the rule says so.

#include <string>
#include <string_view>

#include "sluice/event/privacy_rule.h"

namespace sluice::privacy::internal {

/// Trims and lowers (ASCII) as a rule says; the result may stand in `scratch`.
inline std::string_view Normalised(const event::PrivacyRule& rule, std::string_view value,
                                   std::string& scratch) {
  if (rule.trim) {
    constexpr std::string_view kSpace = " \t\r\n\v\f";
    const size_t begin = value.find_first_not_of(kSpace);
    if (begin == std::string_view::npos) return {};
    value = value.substr(begin, value.find_last_not_of(kSpace) - begin + 1);
  }
  if (!rule.lower) return value;
  scratch.assign(value);
  for (char& c : scratch) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return scratch;
}

}  // namespace sluice::privacy::internal
