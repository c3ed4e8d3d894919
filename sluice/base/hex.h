#pragma once
/// \file
/// Bytes as hexadecimal text.

#include <cstddef>
#include <span>
#include <string>
#include <string_view>

namespace sluice {

/// Two small letters or digits a byte.
std::string ToHex(std::span<const std::byte> bytes);
/// The same of a text's bytes.
std::string ToHex(std::string_view bytes);

/// Reads what ToHex() writes. False: the text is not exactly `into.size()` bytes; `into` may be
/// partly written then.
bool FromHex(std::string_view text, std::span<std::byte> into);

}  // namespace sluice
