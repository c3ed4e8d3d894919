#pragma once
/// \file
/// Percent-encoding (RFC 3986, section 2.1).

#include <string>
#include <string_view>

namespace sluice {

/// Appends `%` and the byte as two capital hexadecimal digits.
void AppendPercentEscape(std::string& out, char c);

/// Escapes all bytes but the unreserved ones (letters, digits, `-_.~`) and those in `keep`. Without
/// `keep` the result can stand as a value in a query or as a segment of a path.
std::string PercentEncode(std::string_view text, std::string_view keep = {});

/// Resolves escapes; a percent sign without two digits behind it stays as it is.
std::string PercentDecode(std::string_view text);

}  // namespace sluice
