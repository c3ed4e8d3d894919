#pragma once
/// \file
/// The four forms that one partition value takes on its way into `add.path`. PercentDecode undoes
/// each escaping once.

#include <string>
#include <string_view>

#include "sluice/base/error.h"

namespace sluice::lake::internal {

/// Escapes a partition column's name or value for a folder's name, as Hive does: `US/East` →
/// `US%2FEast`.
std::string HiveEscape(std::string_view text);

/// Encodes a path as a URI: `a b%` → `a%20b%25`. Keeps '/'.
std::string UriEncode(std::string_view path);

/// Whether `path` of an action is absolute: begins with '/' or names a scheme.
bool IsAbsolute(std::string_view path);

/// Returns one form for all spellings of one file: decoded, `file:///x` and `file:/x` as `/x`.
std::string CanonicalPath(std::string_view path);
/// Whether that is the path itself.
bool IsCanonicalPath(std::string_view path);

/// kCorrupt: a relative path that would leave the table.
Status CheckRelativePath(std::string_view path);

}  // namespace sluice::lake::internal
