#include "sluice/privacy/internal/siv.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>

#include <algorithm>
#include <cstring>

#include "sluice/base/check.h"

namespace sluice::privacy::internal {
namespace {

constexpr size_t kBlock = 16;

const unsigned char* Unsigned(const char* bytes) {
  return reinterpret_cast<const unsigned char*>(bytes);
}

// Doubling in GF(2^128).
template <typename Block>
Block Double(const Block& block) {
  Block out;
  for (size_t i = 0; i + 1 < kBlock; ++i) {
    out[i] = static_cast<unsigned char>(block[i] << 1 | block[i + 1] >> 7);
  }
  out[kBlock - 1] = static_cast<unsigned char>(block[kBlock - 1] << 1);
  if ((block[0] & 0x80) != 0) out[kBlock - 1] ^= 0x87;
  return out;
}

template <typename Block>
void Xor(Block& into, const unsigned char* other, size_t bytes = kBlock) {
  for (size_t i = 0; i < bytes; ++i) into[i] ^= other[i];
}

}  // namespace

void AesSiv::FreeContext::operator()(evp_cipher_ctx_st* context) const {
  EVP_CIPHER_CTX_free(context);
}

AesSiv::Cipher AesSiv::MakeCipher(std::span<const std::byte> key) {
  // Fetching one anew takes longer than a batch of values.
  static const EVP_CIPHER* const kAes256 = EVP_CIPHER_fetch(nullptr, "AES-256-ECB", nullptr);
  static const EVP_CIPHER* const kAes128 = EVP_CIPHER_fetch(nullptr, "AES-128-ECB", nullptr);
  SLUICE_CHECK(key.size() == 16 || key.size() == 32);
  Cipher cipher(EVP_CIPHER_CTX_new());
  const int ok =
      EVP_EncryptInit_ex2(cipher.get(), key.size() == 32 ? kAes256 : kAes128,
                          reinterpret_cast<const unsigned char*>(key.data()), nullptr, nullptr);
  SLUICE_CHECK(ok == 1);
  EVP_CIPHER_CTX_set_padding(cipher.get(), 0);
  return cipher;
}

void AesSiv::Encrypt(const Cipher& cipher, const unsigned char* in, unsigned char* out,
                     size_t bytes) {
  int written = 0;
  const int ok = EVP_EncryptUpdate(cipher.get(), out, &written, in, static_cast<int>(bytes));
  SLUICE_CHECK(ok == 1 && static_cast<size_t>(written) == bytes);
}

AesSiv::AesSiv(std::span<const std::byte> key, const std::vector<std::string_view>& associated)
    : mac_(MakeCipher(key.first(key.size() / 2))),
      cipher_(MakeCipher(key.subspan(key.size() / 2))) {
  const Block zero{};
  Block encrypted;
  Encrypt(mac_, zero.data(), encrypted.data(), kBlock);
  subkey1_ = Double(encrypted);
  subkey2_ = Double(subkey1_);
  prefix_ = Mac({reinterpret_cast<const char*>(zero.data()), kBlock}, nullptr);
  for (const std::string_view part : associated) {
    const Block mac = Mac(part, nullptr);
    prefix_ = Double(prefix_);
    Xor(prefix_, mac.data());
  }
}

// CMAC of `message`, whose last 16 bytes are first XORed with `*last_16` if given.
AesSiv::Block AesSiv::Mac(std::string_view message, const Block* last_16) const {
  Block state{};
  size_t at = 0;
  const size_t size = message.size();
  // `last_16` may straddle the last two blocks.
  const size_t mixed_from = last_16 == nullptr ? size : size - kBlock;
  const auto mix = [&](size_t begin, size_t bytes) {
    Xor(state, Unsigned(message.data() + begin), bytes);
    for (size_t i = 0; i < bytes; ++i) {
      if (begin + i >= mixed_from) state[i] ^= (*last_16)[begin + i - mixed_from];
    }
  };
  for (; size - at > kBlock; at += kBlock) {
    mix(at, kBlock);
    Encrypt(mac_, state.data(), state.data(), kBlock);
  }
  const size_t rest = size - at;
  mix(at, rest);
  if (rest == kBlock) {
    Xor(state, subkey1_.data());
  } else {
    state[rest] ^= 0x80;
    Xor(state, subkey2_.data());
  }
  Encrypt(mac_, state.data(), state.data(), kBlock);
  return state;
}

AesSiv::Block AesSiv::Tag(std::string_view plain) const {
  if (plain.size() >= kBlock) return Mac(plain, &prefix_);
  Block last = Double(prefix_);
  Xor(last, Unsigned(plain.data()), plain.size());
  last[plain.size()] ^= 0x80;
  return Mac({reinterpret_cast<const char*>(last.data()), kBlock}, nullptr);
}

void AesSiv::Crypt(Block counter, std::string_view in, char* out) const {
  counter[8] &= 0x7f;
  counter[12] &= 0x7f;
  const size_t blocks = (in.size() + kBlock - 1) / kBlock;
  keystream_.resize(blocks * kBlock);
  for (size_t i = 0; i < blocks; ++i) {
    std::memcpy(keystream_.data() + i * kBlock, counter.data(), kBlock);
    for (size_t byte = kBlock; byte-- > 0;) {
      if (++counter[byte] != 0) break;
    }
  }
  if (blocks == 0) return;
  Encrypt(cipher_, keystream_.data(), keystream_.data(), keystream_.size());
  for (size_t i = 0; i < in.size(); ++i) {
    out[i] = static_cast<char>(static_cast<unsigned char>(in[i]) ^ keystream_[i]);
  }
}

void AesSiv::Seal(std::string_view plain, std::string& out) {
  const Block tag = Tag(plain);
  const size_t begin = out.size();
  out.resize(begin + kTagBytes + plain.size());
  std::memcpy(out.data() + begin, tag.data(), kTagBytes);
  Crypt(tag, plain, out.data() + begin + kTagBytes);
}

std::optional<std::string> AesSiv::Open(std::string_view sealed) {
  if (sealed.size() < kTagBytes) return std::nullopt;
  Block tag;
  std::memcpy(tag.data(), sealed.data(), kTagBytes);
  std::string plain(sealed.size() - kTagBytes, '\0');
  Crypt(tag, sealed.substr(kTagBytes), plain.data());
  const Block expected = Tag(plain);
  if (CRYPTO_memcmp(tag.data(), expected.data(), kTagBytes) != 0) return std::nullopt;
  return plain;
}

}  // namespace sluice::privacy::internal
