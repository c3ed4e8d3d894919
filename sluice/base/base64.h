#pragma once
/// \file
/// Base64 (RFC 4648, section 4).

#include <string>
#include <string_view>

#include "sluice/base/error.h"

namespace sluice {

std::string EncodeBase64(std::string_view bytes);
/// Padding may be left out at the end. kInvalid: other characters, or an impossible length.
Result<std::string> DecodeBase64(std::string_view text);

}  // namespace sluice
