#include "sluice/privacy/internal/sha256_pair.h"

#include "sluice/base/check.h"

#if defined(__x86_64__)
#include <cpuid.h>
#include <immintrin.h>
#endif

namespace sluice::privacy::internal {

#if defined(__x86_64__)

namespace {

#define SLUICE_SHA_TARGET __attribute__((target("sha,sse4.1,ssse3"), always_inline)) inline

// The round constants (FIPS 180-4, section 4.2.2).
alignas(16) constexpr std::array<uint32_t, 64> kRounds = {
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
    0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
    0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
    0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
    0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
    0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
    0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
    0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2};

// Words a to h as the instructions take them.
struct Halves {
  __m128i abef;
  __m128i cdgh;
};

// Sixteen words of a block.
struct Words {
  __m128i part[4];
};

SLUICE_SHA_TARGET Halves Load(const Sha256State& state) {
  const __m128i low = _mm_loadu_si128(reinterpret_cast<const __m128i*>(state.data()));
  const __m128i high = _mm_loadu_si128(reinterpret_cast<const __m128i*>(state.data() + 4));
  const __m128i cdab = _mm_shuffle_epi32(low, 0xb1);
  const __m128i efgh = _mm_shuffle_epi32(high, 0x1b);
  return {_mm_alignr_epi8(cdab, efgh, 8), _mm_blend_epi16(efgh, cdab, 0xf0)};
}

SLUICE_SHA_TARGET Halves Add(const Halves& a, const Halves& b) {
  return {_mm_add_epi32(a.abef, b.abef), _mm_add_epi32(a.cdgh, b.cdgh)};
}

// Back to a, b, c, d and e, f, g, h.
SLUICE_SHA_TARGET void Order(const Halves& state, __m128i& low, __m128i& high) {
  const __m128i feba = _mm_shuffle_epi32(state.abef, 0x1b);
  const __m128i dchg = _mm_shuffle_epi32(state.cdgh, 0xb1);
  low = _mm_blend_epi16(feba, dchg, 0xf0);
  high = _mm_alignr_epi8(dchg, feba, 8);
}

SLUICE_SHA_TARGET __m128i SwapBytes(__m128i words) {
  return _mm_shuffle_epi8(words, _mm_set_epi64x(0x0c0d0e0f08090a0b, 0x0405060700010203));
}

// Both chains, a round of each in turn.
SLUICE_SHA_TARGET void Compress(Halves state[2], Words words[2]) {
  const Halves before[2] = {state[0], state[1]};
#pragma GCC unroll 16
  for (int i = 0; i < 16; ++i) {
    const __m128i constants =
        _mm_load_si128(reinterpret_cast<const __m128i*>(kRounds.data() + 4 * i));
#pragma GCC unroll 2
    for (int chain = 0; chain < 2; ++chain) {
      Halves& s = state[chain];
      __m128i* const w = words[chain].part;
      const __m128i now = w[i % 4];
      const __m128i sum = _mm_add_epi32(now, constants);
      s.cdgh = _mm_sha256rnds2_epu32(s.cdgh, s.abef, sum);
      if (i >= 3 && i < 15) {
        const __m128i shifted = _mm_alignr_epi8(now, w[(i + 3) % 4], 4);
        __m128i& next = w[(i + 1) % 4];
        next = _mm_sha256msg2_epu32(_mm_add_epi32(next, shifted), now);
      }
      s.abef = _mm_sha256rnds2_epu32(s.abef, s.cdgh, _mm_shuffle_epi32(sum, 0x0e));
      if (i >= 1 && i < 13) w[(i + 3) % 4] = _mm_sha256msg1_epu32(w[(i + 3) % 4], now);
    }
  }
  for (int chain = 0; chain < 2; ++chain) state[chain] = Add(state[chain], before[chain]);
}

__attribute__((target("sha,sse4.1,ssse3"))) void FinishPair(
    const Sha256State& inner, const Sha256State& outer,
    const std::array<const Sha256Block*, 2>& blocks, const std::array<Digest*, 2>& digests) {
  Words words[2];
  Halves state[2] = {Load(inner), Load(inner)};
  for (size_t chain = 0; chain < 2; ++chain) {
    const auto* const block = reinterpret_cast<const __m128i*>(blocks[chain]->data());
    for (int i = 0; i < 4; ++i) words[chain].part[i] = SwapBytes(_mm_loadu_si128(block + i));
  }
  Compress(state, words);
  for (size_t chain = 0; chain < 2; ++chain) {
    // The inner hash, an end mark, and the length: a block of the key and these 32 bytes.
    Order(state[chain], words[chain].part[0], words[chain].part[1]);
    words[chain].part[2] = _mm_set_epi32(0, 0, 0, static_cast<int>(0x80000000));
    words[chain].part[3] = _mm_set_epi32((64 + 32) * 8, 0, 0, 0);
    state[chain] = Load(outer);
  }
  Compress(state, words);
  for (size_t chain = 0; chain < 2; ++chain) {
    __m128i low;
    __m128i high;
    Order(state[chain], low, high);
    auto* const out = reinterpret_cast<__m128i*>(digests[chain]->data());
    _mm_storeu_si128(out, SwapBytes(low));
    _mm_storeu_si128(out + 1, SwapBytes(high));
  }
}

}  // namespace

bool HasShaInstructions() {
  static const bool has = [] {
    unsigned a = 0;
    unsigned b = 0;
    unsigned c = 0;
    unsigned d = 0;
    if (__builtin_cpu_supports("sse4.1") == 0) return false;
    return __get_cpuid_count(7, 0, &a, &b, &c, &d) != 0 && (b & bit_SHA) != 0;
  }();
  return has;
}

void FinishHmacPair(const Sha256State& inner, const Sha256State& outer,
                    const std::array<const Sha256Block*, 2>& blocks,
                    const std::array<Digest*, 2>& digests) {
  FinishPair(inner, outer, blocks, digests);
}

#else

bool HasShaInstructions() { return false; }

void FinishHmacPair(const Sha256State&, const Sha256State&,
                    const std::array<const Sha256Block*, 2>&, const std::array<Digest*, 2>&) {
  SLUICE_CHECK(HasShaInstructions());
}

#endif

}  // namespace sluice::privacy::internal
