#pragma once
/// \file
/// Keys as hexadecimal text, small letters.

#include <cstddef>
#include <span>
#include <string>
#include <string_view>

namespace sluice::privacy::internal {

std::string ToHex(std::span<const std::byte> bytes);
/// False: the text is not exactly `into.size()` bytes in hex.
bool FromHex(std::string_view text, std::span<std::byte> into);

}  // namespace sluice::privacy::internal
