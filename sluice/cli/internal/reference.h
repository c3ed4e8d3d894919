#pragma once
/// \file
/// Pages of docs/ that the program carries; their text is put in by the build.

#include <string_view>

namespace sluice::cli::internal {

extern const std::string_view kErrorReference;  ///< docs/reference/errors.md

}  // namespace sluice::cli::internal
