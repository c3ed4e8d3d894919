#pragma once
/// \file
/// Writing JSON text.

#include <string>
#include <string_view>

namespace sluice {

/// Appends `text` as a JSON string with its quotes. Bytes that are not UTF-8 become U+FFFD, one for
/// each, so the result is always valid JSON.
void AppendJsonString(std::string& out, std::string_view text);

}  // namespace sluice
