#include "sluice/privacy/internal/aes.h"

#include <openssl/evp.h>

#include <cstdint>
#include <cstring>

#include "sluice/base/check.h"

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace sluice::privacy::internal {

#if defined(__x86_64__)

namespace {

#define SLUICE_AES_TARGET __attribute__((target("aes,sse4.1")))

// The four bytes through the S-box; with `turned` also turned by one, as the schedule wants them.
SLUICE_AES_TARGET uint32_t Substitute(uint32_t word, bool turned) {
  const __m128i words = _mm_aeskeygenassist_si128(_mm_set1_epi32(static_cast<int>(word)), 0);
  return static_cast<uint32_t>(turned ? _mm_extract_epi32(words, 1) : _mm_extract_epi32(words, 0));
}

// FIPS 197, section 5.2, on words in memory order.
SLUICE_AES_TARGET void Expand(std::span<const std::byte> key, size_t rounds,
                              unsigned char* schedule) {
  const size_t key_words = key.size() / 4;
  std::array<uint32_t, 60> words{};
  std::memcpy(words.data(), key.data(), key.size());
  uint32_t constant = 1;
  for (size_t i = key_words; i < 4 * (rounds + 1); ++i) {
    uint32_t word = words[i - 1];
    if (i % key_words == 0) {
      word = Substitute(word, true) ^ constant;
      constant = (constant << 1) ^ ((constant & 0x80) != 0 ? 0x11b : 0);
    } else if (key_words > 6 && i % key_words == 4) {
      word = Substitute(word, false);
    }
    words[i] = words[i - key_words] ^ word;
  }
  std::memcpy(schedule, words.data(), (rounds + 1) * kAesBlock);
}

SLUICE_AES_TARGET void EncryptBlocks(const unsigned char* schedule, size_t rounds,
                                     const unsigned char* in, unsigned char* out, size_t blocks) {
  const auto* const keys = reinterpret_cast<const __m128i*>(schedule);
  for (size_t i = 0; i < blocks; ++i) {
    __m128i block = _mm_loadu_si128(reinterpret_cast<const __m128i*>(in) + i);
    block = _mm_xor_si128(block, _mm_load_si128(keys));
    for (size_t round = 1; round < rounds; ++round) {
      block = _mm_aesenc_si128(block, _mm_load_si128(keys + round));
    }
    block = _mm_aesenclast_si128(block, _mm_load_si128(keys + rounds));
    _mm_storeu_si128(reinterpret_cast<__m128i*>(out) + i, block);
  }
}

}  // namespace

bool HasAesInstructions() {
  static const bool has =
      __builtin_cpu_supports("aes") != 0 && __builtin_cpu_supports("sse4.1") != 0;
  return has;
}

#else

namespace {

void Expand(std::span<const std::byte>, size_t, unsigned char*) {}
void EncryptBlocks(const unsigned char*, size_t, const unsigned char*, unsigned char*, size_t) {}

}  // namespace

bool HasAesInstructions() { return false; }

#endif

void Aes::FreeContext::operator()(evp_cipher_ctx_st* context) const {
  EVP_CIPHER_CTX_free(context);
}

Aes::Aes(std::span<const std::byte> key, AesBy by) : rounds_(key.size() == 32 ? 14 : 10) {
  SLUICE_CHECK(key.size() == 16 || key.size() == 32);
  if (by == AesBy::kFastest && HasAesInstructions()) {
    Expand(key, rounds_, schedule_.data());
    return;
  }
  // Fetching one anew takes longer than a batch of values.
  static const EVP_CIPHER* const kAes256 = EVP_CIPHER_fetch(nullptr, "AES-256-ECB", nullptr);
  static const EVP_CIPHER* const kAes128 = EVP_CIPHER_fetch(nullptr, "AES-128-ECB", nullptr);
  openssl_.reset(EVP_CIPHER_CTX_new());
  const int ok =
      EVP_EncryptInit_ex2(openssl_.get(), key.size() == 32 ? kAes256 : kAes128,
                          reinterpret_cast<const unsigned char*>(key.data()), nullptr, nullptr);
  SLUICE_CHECK(ok == 1);
  EVP_CIPHER_CTX_set_padding(openssl_.get(), 0);
}

void Aes::Encrypt(const unsigned char* in, unsigned char* out, size_t blocks) const {
  if (openssl_ == nullptr) return EncryptBlocks(schedule_.data(), rounds_, in, out, blocks);
  int written = 0;
  const auto bytes = static_cast<int>(blocks * kAesBlock);
  const int ok = EVP_EncryptUpdate(openssl_.get(), out, &written, in, bytes);
  SLUICE_CHECK(ok == 1 && written == bytes);
}

}  // namespace sluice::privacy::internal
