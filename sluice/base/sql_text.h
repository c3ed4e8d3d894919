#pragma once
/// \file
/// Values and names in queries that the program writes itself.

#include <string>
#include <string_view>

namespace sluice {

/// Returns `text` within `quote`s, those in it doubled.
inline std::string Quoted(std::string_view text, char quote) {
  std::string quoted(1, quote);
  for (const char c : text) {
    if (c == quote) quoted += quote;
    quoted += c;
  }
  return quoted + quote;
}

/// Returns `text` as a literal.
inline std::string SqlText(std::string_view text) { return Quoted(text, '\''); }

/// Returns a name of a column or a table, whatever its characters.
inline std::string SqlName(std::string_view name) { return Quoted(name, '"'); }

}  // namespace sluice
