#pragma once
/// \file
/// Fields of CSV (RFC 4180).

#include <string>
#include <string_view>

namespace sluice {

/// Appends a text as one field, quoted where it must be. An empty text is quoted, so that it
/// differs from null, which is nothing at all.
void AppendCsvField(std::string& out, std::string_view text);

}  // namespace sluice
