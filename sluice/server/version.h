#pragma once
/// \file
/// The version of the program.

#include <string_view>

namespace sluice::server {
inline constexpr std::string_view kVersion = "0.1.0";
}  // namespace sluice::server
