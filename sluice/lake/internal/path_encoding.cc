#include "sluice/lake/internal/path_encoding.h"

#include <algorithm>
#include <cctype>

#include "sluice/base/percent.h"
#include "sluice/store/object_store.h"

namespace sluice::lake::internal {

namespace {

bool NeedsHiveEscape(char c) {
  const auto byte = static_cast<uint8_t>(c);
  constexpr std::string_view kSpecial = "\"#%'*/:=?\\{[]^";
  // Beyond ASCII engines do not agree on how the log writes a path: Spark keeps such characters,
  // delta-rs escapes them in its removes, and then neither the add nor the file is what was meant.
  // Names of folders without them leave no room for that.
  return byte < 0x20 || byte >= 0x7F || kSpecial.find(c) != std::string_view::npos;
}

// Java's spaces and control characters beyond ASCII, which its URIs escape; the rest they keep.
bool IsJavaSpaceOrControl(uint32_t code) {
  return code <= 0xA0 || code == 0x1680 || (code >= 0x2000 && code <= 0x200A) || code == 0x2028 ||
         code == 0x2029 || code == 0x202F || code == 0x205F || code == 0x3000;
}

// Bytes of the UTF-8 character that begins here, at most those that are left; `code` is its number.
size_t CharacterAt(std::string_view text, uint32_t& code) {
  const auto first = static_cast<uint8_t>(text[0]);
  const size_t size = std::min<size_t>(text.size(), first < 0xC0   ? 1
                                                    : first < 0xE0 ? 2
                                                    : first < 0xF0 ? 3
                                                                   : 4);
  code = size == 1 ? 0 : first & (0xFFU >> (size + 1));
  for (size_t i = 1; i < size; ++i) {
    const auto byte = static_cast<uint8_t>(text[i]);
    if ((byte & 0xC0) != 0x80) {  // No UTF-8: a byte that means nothing.
      code = 0;
      return 1;
    }
    code = code << 6 | (byte & 0x3FU);
  }
  return size;
}

bool StaysInUri(char c) {
  const bool alphanumeric =
      (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
  constexpr std::string_view kPlain = "-_.~/=!$&'()*+,;@";
  return alphanumeric || kPlain.find(c) != std::string_view::npos;
}

}  // namespace

std::string HiveEscape(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (NeedsHiveEscape(c)) {
      AppendPercentEscape(out, c);
    } else {
      out += c;
    }
  }
  return out;
}

std::string UriEncode(std::string_view path) {
  // Exactly as Java's URI writes it, beyond ASCII too: Spark's VACUUM compares these texts, and
  // deletes a live file whose path is escaped in another way.
  std::string out;
  while (!path.empty()) {
    uint32_t code = 0;
    const size_t size = static_cast<uint8_t>(path[0]) < 0x80 ? 1 : CharacterAt(path, code);
    const bool stays = code == 0 ? StaysInUri(path[0]) : !IsJavaSpaceOrControl(code);
    for (const char c : path.substr(0, size)) {
      if (stays) {
        out += c;
      } else {
        AppendPercentEscape(out, c);
      }
    }
    path.remove_prefix(size);
  }
  return out;
}

bool IsAbsolute(std::string_view path) {
  if (path.starts_with('/')) return true;
  // A scheme; a folder such as `at=10:30` is none, for it has '=' or '/' before the ':'.
  const size_t colon = path.find(':');
  if (colon == std::string_view::npos || colon == 0) return false;
  if (std::isalpha(static_cast<uint8_t>(path[0])) == 0) return false;
  return std::ranges::all_of(path.substr(0, colon), [](char c) {
    return std::isalnum(static_cast<uint8_t>(c)) != 0 || c == '+' || c == '-' || c == '.';
  });
}

std::string CanonicalPath(std::string_view path) {
  std::string decoded =
      path.find('%') == std::string_view::npos ? std::string(path) : PercentDecode(path);
  if (!decoded.starts_with("file:/")) return decoded;
  size_t begin = std::string_view("file:").size();
  if (decoded.compare(begin, 3, "///") == 0) begin += 2;
  return decoded.substr(begin);
}

bool IsCanonicalPath(std::string_view path) {
  return path.find('%') == std::string_view::npos && !path.starts_with("file:/");
}

Status CheckRelativePath(std::string_view path) {
  if (IsAbsolute(path)) return {};
  // Most need no decoding, and there are millions of them.
  const bool is_plain = path.find('%') == std::string_view::npos;
  if (const Status status =
          is_plain ? store::CheckPath(path) : store::CheckPath(PercentDecode(path));
      !status.ok()) {
    return Corrupt("the log names a file outside of the table: {}", status.error().message());
  }
  return {};
}

}  // namespace sluice::lake::internal
