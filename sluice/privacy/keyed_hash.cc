#include "sluice/privacy/keyed_hash.h"

#include <bit>
#include <cstring>

namespace sluice::privacy {
namespace {

static_assert(std::endian::native == std::endian::little, "the hash reads words in memory order");

struct State {
  uint64_t v0, v1, v2, v3;

  void Round() {
    v0 += v1;
    v1 = std::rotl(v1, 13) ^ v0;
    v0 = std::rotl(v0, 32);
    v2 += v3;
    v3 = std::rotl(v3, 16) ^ v2;
    v0 += v3;
    v3 = std::rotl(v3, 21) ^ v0;
    v2 += v1;
    v1 = std::rotl(v1, 17) ^ v2;
    v2 = std::rotl(v2, 32);
  }

  void Absorb(uint64_t word) {
    v3 ^= word;
    Round();
    Round();
    v0 ^= word;
  }

  uint64_t Squeeze() {
    for (int i = 0; i < 4; ++i) Round();
    return v0 ^ v1 ^ v2 ^ v3;
  }
};

State Begin(const std::array<std::byte, 16>& key) {
  uint64_t k0 = 0;
  uint64_t k1 = 0;
  std::memcpy(&k0, key.data(), 8);
  std::memcpy(&k1, key.data() + 8, 8);
  return {k0 ^ 0x736f6d6570736575, k1 ^ 0x646f72616e646f6d ^ 0xee, k0 ^ 0x6c7967656e657261,
          k1 ^ 0x7465646279746573};
}

uint64_t LoadWord(const char* bytes, size_t size) {
  uint64_t word = 0;
  if (size > 0) std::memcpy(&word, bytes, size);
  return word;
}

}  // namespace

Hash128 KeyedHash(const std::array<std::byte, 16>& key, std::string_view bytes) {
  return PrefixedHash(key, {})(bytes);
}

PrefixedHash::PrefixedHash(const std::array<std::byte, 16>& key, std::string_view prefix)
    : size_(prefix.size()) {
  State state = Begin(key);
  size_t at = 0;
  for (; at + 8 <= prefix.size(); at += 8) state.Absorb(LoadWord(prefix.data() + at, 8));
  rest_ = LoadWord(prefix.data() + at, prefix.size() - at);
  state_ = {state.v0, state.v1, state.v2, state.v3};
}

Hash128 PrefixedHash::operator()(std::string_view bytes) const {
  State state{state_[0], state_[1], state_[2], state_[3]};
  const size_t shift = size_ % 8 * 8;  // Bits of `rest` that are taken.
  uint64_t rest = rest_;
  size_t at = 0;
  for (; at + 8 <= bytes.size(); at += 8) {
    const uint64_t word = LoadWord(bytes.data() + at, 8);
    state.Absorb(rest | word << shift);
    rest = shift == 0 ? 0 : word >> (64 - shift);
  }
  const size_t left = bytes.size() - at;
  const uint64_t word = LoadWord(bytes.data() + at, left);
  rest |= word << shift;
  if (shift / 8 + left >= 8) {
    state.Absorb(rest);
    rest = shift == 0 ? 0 : word >> (64 - shift);
  }
  state.Absorb(static_cast<uint64_t>(size_ + bytes.size()) << 56 | rest);

  Hash128 hash;
  state.v2 ^= 0xee;
  hash.low = state.Squeeze();
  state.v1 ^= 0xdd;
  hash.high = state.Squeeze();
  return hash;
}

}  // namespace sluice::privacy
