#pragma once
/// \file
/// The AES block cipher (FIPS 197) under one key, for a few blocks at a time.

#include <openssl/types.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>

namespace sluice::privacy::internal {

inline constexpr size_t kAesBlock = 16;

/// Who encrypts.
enum class AesBy : uint8_t {
  kFastest,  ///< The processor, where it has the instructions.
  kOpenSsl,  ///< So that a test can compare them.
};

/// By the processor's AES instructions where it has them, else by OpenSSL, whose call takes longer
/// than a block.
///
/// Not thread-safe.
class Aes {
 public:
  /// The key has 16 or 32 bytes.
  explicit Aes(std::span<const std::byte> key, AesBy by = AesBy::kFastest);
  /// Encrypts whole blocks, each on its own; `out` may be `in`.
  void Encrypt(const unsigned char* in, unsigned char* out, size_t blocks) const;

 private:
  struct FreeContext {
    void operator()(evp_cipher_ctx_st* context) const;
  };

  std::unique_ptr<evp_cipher_ctx_st, FreeContext> openssl_;  // Null: the schedule is used.
  alignas(16) std::array<unsigned char, 15 * kAesBlock> schedule_{};
  size_t rounds_ = 0;
};

/// Whether the processor has AES instructions.
bool HasAesInstructions();

}  // namespace sluice::privacy::internal
