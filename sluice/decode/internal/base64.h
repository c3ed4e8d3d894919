#pragma once
/// \file
/// Bytes as text: base64 of RFC 4648 section 4.

#include <cstddef>
#include <optional>
#include <string_view>

namespace sluice::decode::internal {

/// Decodes `text`, with its padding, into `out`, and returns the number of bytes; nothing if it is
/// not base64 in its one canonical form. `out` takes 3 bytes for each 4 characters, and may be the
/// text itself.
std::optional<size_t> DecodeBase64(std::string_view text, char* out);

}  // namespace sluice::decode::internal
