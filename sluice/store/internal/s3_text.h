#pragma once
/// \file
/// Texts of the S3 protocol.

#include <string>
#include <string_view>
#include <vector>

#include "sluice/base/error.h"
#include "sluice/store/object_store.h"

namespace sluice::store::internal {

/// Decodes as listings encode: a plus sign is a space.
std::string DecodeUri(std::string_view text);

std::string EscapeXml(std::string_view text);

/// Returns the text of the first element of that name, its entities resolved; empty if there is
/// none.
std::string XmlText(std::string_view xml, std::string_view element);

/// Appends the objects of one page of ListObjectsV2 (with encoding-type=url), and returns the token
/// of the next one; empty at the end. kCorrupt: it is no such page.
Result<std::string> ParseListing(std::string_view xml, std::vector<ObjectInfo>& objects);

/// Parses `Sat, 31 Jan 2026 12:00:00 GMT`; 1970 if it is none.
os::Timestamp ParseHttpTime(std::string_view text);

/// Returns the value of `key` in the section `[profile]` of a file of AWS's tools; empty if it has
/// none.
std::string ProfileValue(std::string_view file, std::string_view profile, std::string_view key);

}  // namespace sluice::store::internal
