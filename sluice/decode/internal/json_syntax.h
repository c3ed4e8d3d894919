#pragma once
/// \file
/// The grammar of JSON (RFC 8259), strictly, with the place of the first error.

#include <cstdint>
#include <string_view>
#include <vector>

namespace sluice::decode::internal {

/// What a check found.
struct Verdict {
  const char* at = nullptr;  ///< Where the value ended; if not ok(), the byte that is wrong.
  const char* what =
      nullptr;    ///< What was expected there, such as "expected ':'"; null if all is well.
  int depth = 0;  ///< Of objects and arrays in each other; 0 for a scalar.

  bool ok() const { return what == nullptr; }
};

/// Checks JSON that the fast parser skips or refuses.
///
/// Numbers may be of any size. Text must be UTF-8, and escaped surrogates must come in pairs. Depth
/// has no limit: it costs one bit a level, no stack. Linear in the text.
///
/// Not thread-safe: it keeps its buffer.
class JsonSyntax {
 public:
  /// Checks one value that begins at `begin` or behind white space, and stops behind it.
  Verdict CheckValue(const char* begin, const char* end);
  /// Checks that `text` is one value, with white space around it or not.
  Verdict CheckDocument(std::string_view text);

 private:
  std::vector<uint64_t> objects_;  // One bit a level: whether it is an object.
};

/// The first byte that is not JSON's white space.
inline const char* SkipSpace(const char* p, const char* end) {
  while (p != end && (*p == ' ' || *p == '\n' || *p == '\r' || *p == '\t')) ++p;
  return p;
}

/// `text` without white space at its end.
inline std::string_view TrimEnd(std::string_view text) {
  const auto space = [](char c) { return c == ' ' || c == '\n' || c == '\r' || c == '\t'; };
  while (!text.empty() && space(text.back())) text.remove_suffix(1);
  return text;
}

}  // namespace sluice::decode::internal
