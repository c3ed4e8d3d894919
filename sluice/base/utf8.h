#pragma once
/// \file
/// UTF-8, and text that a terminal can be given.

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace sluice {

/// Returns the bytes of the character that `text` starts with, or 0 if it starts with no valid
/// UTF-8: overlong forms, surrogates and code points past U+10FFFF are none (RFC 3629). Needs a
/// text that is not empty.
size_t Utf8Length(std::string_view text);

bool IsUtf8(std::string_view text);

enum class LineBreaks : uint8_t { kEscape, kKeep };

/// Returns `text` with what would move a terminal's cursor or is no UTF-8 as escapes (`\x1b`), so
/// that a message may quote whatever bytes it is about. Tabs are as line breaks.
std::string Printable(std::string_view text, LineBreaks breaks = LineBreaks::kEscape);

}  // namespace sluice
