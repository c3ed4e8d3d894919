#pragma once
/// \file
/// Members of JSON objects that may be missing.

#include <simdjson.h>

#include <cstdint>
#include <string>
#include <string_view>

namespace sluice::cli::internal {

/// Returns a member that is a text; empty if there is none.
inline std::string TextOf(simdjson::dom::element object, std::string_view name) {
  std::string_view text;
  return object[name].get(text) == simdjson::SUCCESS ? std::string(text) : std::string();
}

/// Returns a member that is a whole number; 0 if there is none.
inline int64_t NumberOf(simdjson::dom::element object, std::string_view name) {
  int64_t number = 0;
  return object[name].get(number) == simdjson::SUCCESS ? number : 0;
}

}  // namespace sluice::cli::internal
