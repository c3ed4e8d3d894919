#include "sluice/privacy/internal/siv.h"

#include <openssl/crypto.h>

#include <algorithm>
#include <cstdint>
#include <cstring>

namespace sluice::privacy::internal {
namespace {

constexpr size_t kBlock = kAesBlock;

const unsigned char* Unsigned(const char* bytes) {
  return reinterpret_cast<const unsigned char*>(bytes);
}

uint64_t LoadBigEndian(const unsigned char* bytes) {
  uint64_t word = 0;
  std::memcpy(&word, bytes, sizeof(word));
  return __builtin_bswap64(word);
}

void StoreBigEndian(uint64_t word, unsigned char* bytes) {
  word = __builtin_bswap64(word);
  std::memcpy(bytes, &word, sizeof(word));
}

// Doubling in GF(2^128).
template <typename Block>
Block Double(const Block& block) {
  const uint64_t high = LoadBigEndian(block.data());
  const uint64_t low = LoadBigEndian(block.data() + 8);
  Block out;
  StoreBigEndian(high << 1 | low >> 63, out.data());
  StoreBigEndian(low << 1 ^ (high >> 63) * 0x87, out.data() + 8);
  return out;
}

template <typename Block>
void Xor(Block& into, const unsigned char* other, size_t bytes = kBlock) {
  for (size_t i = 0; i < bytes; ++i) into[i] ^= other[i];
}

}  // namespace

AesSiv::AesSiv(std::span<const std::byte> key, const std::vector<std::string_view>& associated)
    : mac_(key.first(key.size() / 2)), cipher_(key.subspan(key.size() / 2)) {
  const Block zero{};
  Block encrypted;
  mac_.Encrypt(zero.data(), encrypted.data(), 1);
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
    mac_.Encrypt(state.data(), state.data(), 1);
  }
  const size_t rest = size - at;
  mix(at, rest);
  if (rest == kBlock) {
    Xor(state, subkey1_.data());
  } else {
    state[rest] ^= 0x80;
    Xor(state, subkey2_.data());
  }
  mac_.Encrypt(state.data(), state.data(), 1);
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
  const uint64_t high = LoadBigEndian(counter.data());
  uint64_t low = LoadBigEndian(counter.data() + 8);  // Never overflows: its first bit is clear.
  constexpr size_t kAtOnce = 8;
  std::array<unsigned char, kAtOnce * kBlock> keystream;
  for (size_t at = 0; at < in.size(); at += keystream.size()) {
    const size_t bytes = std::min(in.size() - at, keystream.size());
    const size_t blocks = (bytes + kBlock - 1) / kBlock;
    for (size_t i = 0; i < blocks; ++i) {
      StoreBigEndian(high, keystream.data() + i * kBlock);
      StoreBigEndian(low++, keystream.data() + i * kBlock + 8);
    }
    cipher_.Encrypt(keystream.data(), keystream.data(), blocks);
    for (size_t i = 0; i < bytes; ++i) {
      out[at + i] = static_cast<char>(static_cast<unsigned char>(in[at + i]) ^ keystream[i]);
    }
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
