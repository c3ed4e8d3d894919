#pragma once
/// \file
/// HMAC-SHA-256 (RFC 2104, FIPS 198-1) of many short values under one key.

#define OPENSSL_SUPPRESS_DEPRECATED  // EVP_MAC sets itself up anew for each value: five times the
                                     // time.
#include <openssl/sha.h>

#include <array>
#include <cstddef>
#include <span>
#include <string_view>

namespace sluice::privacy::internal {

using Digest = std::array<std::byte, 32>;

/// The key's two halves of the hash are made once; a value of up to 55 bytes then costs two blocks.
///
/// Immutable. Thread-safe.
class HmacSha256 {
 public:
  explicit HmacSha256(std::span<const std::byte> key);
  Digest operator()(std::string_view message) const;

 private:
  SHA256_CTX inner_;
  SHA256_CTX outer_;
};

Digest Sha256(std::string_view message);

/// A key for one purpose, of a key for many: HMAC(key, label and parts, each with its length).
Digest DeriveKey(std::span<const std::byte> key, std::string_view label,
                 std::initializer_list<std::string_view> parts);

}  // namespace sluice::privacy::internal
