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

}  // namespace

Hash128 KeyedHash(const std::array<std::byte, 16>& key, std::string_view bytes) {
  uint64_t k0 = 0;
  uint64_t k1 = 0;
  std::memcpy(&k0, key.data(), 8);
  std::memcpy(&k1, key.data() + 8, 8);
  State state{k0 ^ 0x736f6d6570736575, k1 ^ 0x646f72616e646f6d ^ 0xee, k0 ^ 0x6c7967656e657261,
              k1 ^ 0x7465646279746573};

  size_t at = 0;
  for (; at + 8 <= bytes.size(); at += 8) {
    uint64_t word = 0;
    std::memcpy(&word, bytes.data() + at, 8);
    state.Absorb(word);
  }
  uint64_t last = static_cast<uint64_t>(bytes.size()) << 56;
  uint64_t rest = 0;
  if (at < bytes.size()) std::memcpy(&rest, bytes.data() + at, bytes.size() - at);
  state.Absorb(last | rest);

  Hash128 hash;
  state.v2 ^= 0xee;
  hash.low = state.Squeeze();
  state.v1 ^= 0xdd;
  hash.high = state.Squeeze();
  return hash;
}

}  // namespace sluice::privacy
