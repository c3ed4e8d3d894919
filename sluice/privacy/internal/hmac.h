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

#include "sluice/privacy/internal/sha256_pair.h"

namespace sluice::privacy::internal {

/// The key's two halves of the hash are made once; a value of up to 55 bytes then costs two blocks.
///
/// Immutable. Thread-safe.
class HmacSha256 {
 public:
  explicit HmacSha256(std::span<const std::byte> key);
  Digest operator()(std::string_view message) const;

 private:
  friend class HmacBatch;
  SHA256_CTX inner_;
  SHA256_CTX outer_;
};

/// Some messages under one key, two at a time where the processor can.
///
/// Not thread-safe.
class HmacBatch {
 public:
  static constexpr size_t kMessagesMax = 64;

  /// `hmac` must outlive it.
  explicit HmacBatch(const HmacSha256& hmac);
  /// Notes a message, at most kMessagesMax. It need not stay.
  void Add(std::string_view message);
  /// The digests of all messages since the last call, in their order; valid until the next Add().
  std::span<const Digest> Finish();

 private:
  const HmacSha256& hmac_;
  const Sha256State inner_;
  const Sha256State outer_;
  const bool pairs_;
  std::array<Digest, kMessagesMax> digests_;
  size_t added_ = 0;
  std::array<Sha256Block, kMessagesMax> blocks_;  // Of those that are still to be hashed,
  std::array<Digest*, kMessagesMax> waiting_{};   // and where to.
  size_t waiting_count_ = 0;
};

Digest Sha256(std::string_view message);

/// A key for one purpose, of a key for many: HMAC(key, label and parts, each with its length).
Digest DeriveKey(std::span<const std::byte> key, std::string_view label,
                 std::initializer_list<std::string_view> parts);

}  // namespace sluice::privacy::internal
