#pragma once
/// \file
/// Whether two short texts are the same, without a call.

#include <cstdint>
#include <cstring>
#include <string_view>

namespace sluice {

namespace internal {

template <typename Word>
bool SameEnds(const char* a, const char* b, size_t size) {
  Word words[4];
  std::memcpy(&words[0], a, sizeof(Word));
  std::memcpy(&words[1], b, sizeof(Word));
  std::memcpy(&words[2], a + size - sizeof(Word), sizeof(Word));
  std::memcpy(&words[3], b + size - sizeof(Word), sizeof(Word));
  return ((words[0] ^ words[1]) | (words[2] ^ words[3])) == 0;
}

}  // namespace internal

/// Returns whether `a == b`. For names and other texts of some few bytes, compared in the innermost
/// loops: up to 16 bytes are two words at either end, which may overlap.
inline bool SameText(std::string_view a, std::string_view b) {
  const size_t size = a.size();
  if (size != b.size()) return false;
  if (size > 16) return std::memcmp(a.data(), b.data(), size) == 0;
  if (size >= 8) return internal::SameEnds<uint64_t>(a.data(), b.data(), size);
  if (size >= 4) return internal::SameEnds<uint32_t>(a.data(), b.data(), size);
  if (size >= 2) return internal::SameEnds<uint16_t>(a.data(), b.data(), size);
  return size == 0 || a[0] == b[0];
}

}  // namespace sluice
