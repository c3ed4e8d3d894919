#pragma once
/// \file
/// The plain form of schemas and project files.

#include <string>
#include <string_view>

namespace sluice::cli::internal {

/// Returns a Cap'n Proto schema with two spaces for each bracket that is open, four more where a
/// statement goes on, no blanks at ends of lines, no two empty lines. Only blanks and line ends at
/// the edges of lines change.
std::string FormatSchema(std::string_view text);

/// Returns a YAML text without blanks at ends of lines, carriage returns or two empty lines.
std::string FormatYaml(std::string_view text);

}  // namespace sluice::cli::internal
