#pragma once
/// \file
/// Base64 with '-' and '_' and without padding (RFC 4648, section 5): the text of pseudonyms.

#include <cstddef>
#include <span>
#include <string>
#include <string_view>

#include "sluice/base/error.h"

namespace sluice::privacy::internal {

constexpr size_t Base64UrlSize(size_t bytes) { return (bytes * 4 + 2) / 3; }

/// Writes Base64UrlSize(bytes.size()) characters to `out`; returns their end.
char* EncodeBase64Url(std::span<const std::byte> bytes, char* out);

/// kInvalid: other characters, or an impossible length.
Result<std::string> DecodeBase64Url(std::string_view text);

}  // namespace sluice::privacy::internal
