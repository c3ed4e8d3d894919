#pragma once
/// \file
/// AES-SIV (RFC 5297): deterministic authenticated encryption. Equal values give equal bytes.

#include <array>
#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "sluice/privacy/internal/aes.h"

namespace sluice::privacy::internal {

/// One key and its associated data, for many short values. OpenSSL's own EVP AES-256-SIV must be
/// given its key again for each value, which takes ten times as long as the value; this agrees with
/// it byte for byte (test).
///
/// Not thread-safe.
class AesSiv {
 public:
  using Key = std::array<std::byte, 64>;  ///< The MAC's key, then the cipher's.
  static constexpr size_t kTagBytes = 16;

  /// The key has 64 bytes, or 32 for AES-128.
  AesSiv(std::span<const std::byte> key, const std::vector<std::string_view>& associated);

  /// Appends tag and ciphertext: kTagBytes more than `plain`.
  void Seal(std::string_view plain, std::string& out);
  /// Nothing: another key or associated data, or changed bytes.
  std::optional<std::string> Open(std::string_view sealed);

 private:
  using Block = std::array<unsigned char, 16>;
  Block Mac(std::string_view message, const Block* last_16) const;
  Block Tag(std::string_view plain) const;
  void Crypt(Block counter, std::string_view in, char* out) const;

  Aes mac_;
  Aes cipher_;
  Block subkey1_{};  // Of CMAC (NIST SP 800-38B).
  Block subkey2_{};
  Block prefix_{};  // S2V of the associated data.
};

}  // namespace sluice::privacy::internal
