#include "sluice/base/crc32c.h"

#include <array>
#include <bit>
#include <cstring>

namespace sluice {

namespace {

static_assert(std::endian::native == std::endian::little);

constexpr uint32_t kPolynomial = 0x82f63b78;  // Castagnoli's, reflected.

using Tables = std::array<std::array<uint32_t, 256>, 8>;

// Table k steps a byte over k further bytes, so eight bytes need eight look-ups that do not wait
// for each other.
constexpr Tables MakeTables() {
  Tables tables{};
  for (uint32_t i = 0; i < 256; ++i) {
    uint32_t crc = i;
    for (int bit = 0; bit < 8; ++bit) crc = (crc >> 1) ^ ((crc & 1) != 0 ? kPolynomial : 0);
    tables[0][i] = crc;
  }
  for (size_t k = 1; k < tables.size(); ++k) {
    for (size_t i = 0; i < 256; ++i) {
      const uint32_t crc = tables[k - 1][i];
      tables[k][i] = (crc >> 8) ^ tables[0][crc & 0xff];
    }
  }
  return tables;
}

constexpr Tables kTables = MakeTables();

uint64_t Load8(const std::byte* bytes) {
  uint64_t value;
  std::memcpy(&value, bytes, sizeof(value));
  return value;
}

#if defined(__x86_64__)
// The instruction takes three cycles but can start at each: three streams of a block each keep it
// busy.
constexpr size_t kBlock = 2048;

// A checksum is linear: column `i` is what becomes of its bit `i`.
using Matrix = std::array<uint32_t, 32>;

constexpr uint32_t Apply(const Matrix& matrix, uint32_t crc) {
  uint32_t sum = 0;
  for (size_t i = 0; i < 32; ++i) {
    if ((crc >> i & 1) != 0) sum ^= matrix[i];
  }
  return sum;
}

// Byte by byte, what becomes of a checksum when `kBlock` zeros follow.
constexpr std::array<std::array<uint32_t, 256>, 4> MakeBlockTables() {
  Matrix step{};  // One zero byte; squared, two; and so on.
  for (uint32_t i = 0; i < 32; ++i) {
    const uint32_t bit = uint32_t{1} << i;
    step[i] = (bit >> 8) ^ kTables[0][bit & 0xff];
  }
  for (size_t bytes = 1; bytes < kBlock; bytes *= 2) {
    Matrix twice{};
    for (size_t i = 0; i < 32; ++i) twice[i] = Apply(step, step[i]);
    step = twice;
  }
  std::array<std::array<uint32_t, 256>, 4> tables{};
  for (uint32_t k = 0; k < 4; ++k) {
    for (uint32_t value = 0; value < 256; ++value) {
      tables[k][value] = Apply(step, value << (8 * k));
    }
  }
  return tables;
}

constexpr auto kBlockTables = MakeBlockTables();

uint64_t SkipBlock(uint64_t crc) {
  return kBlockTables[0][crc & 0xff] ^ kBlockTables[1][crc >> 8 & 0xff] ^
         kBlockTables[2][crc >> 16 & 0xff] ^ kBlockTables[3][crc >> 24 & 0xff];
}

__attribute__((target("sse4.2"))) uint32_t Crc32cByInstruction(std::span<const std::byte> bytes,
                                                               uint32_t so_far) {
  uint64_t crc = ~so_far;
  const std::byte* next = bytes.data();
  size_t left = bytes.size();
  for (; left >= 3 * kBlock; left -= 3 * kBlock, next += 3 * kBlock) {
    uint64_t second = 0;
    uint64_t third = 0;
    for (size_t at = 0; at < kBlock; at += 8) {
      crc = __builtin_ia32_crc32di(crc, Load8(next + at));
      second = __builtin_ia32_crc32di(second, Load8(next + kBlock + at));
      third = __builtin_ia32_crc32di(third, Load8(next + 2 * kBlock + at));
    }
    crc = SkipBlock(SkipBlock(crc) ^ second) ^ third;
  }
  for (; left >= 8; left -= 8, next += 8) crc = __builtin_ia32_crc32di(crc, Load8(next));
  auto narrow = static_cast<uint32_t>(crc);
  for (; left > 0; --left, ++next) {
    narrow = __builtin_ia32_crc32qi(narrow, static_cast<unsigned char>(*next));
  }
  return ~narrow;
}
#endif

}  // namespace

namespace internal {

uint32_t Crc32cByTable(std::span<const std::byte> bytes, uint32_t so_far) {
  uint32_t crc = ~so_far;
  const std::byte* next = bytes.data();
  size_t left = bytes.size();
  for (; left >= 8; left -= 8, next += 8) {
    const uint64_t word = Load8(next) ^ crc;
    crc = 0;
    for (size_t k = 0; k < 8; ++k) crc ^= kTables[7 - k][(word >> (8 * k)) & 0xff];
  }
  for (; left > 0; --left, ++next) {
    crc = (crc >> 8) ^ kTables[0][(crc ^ static_cast<uint32_t>(*next)) & 0xff];
  }
  return ~crc;
}

}  // namespace internal

uint32_t Crc32c(std::span<const std::byte> bytes, uint32_t so_far) {
#if defined(__x86_64__)
  static const bool has_instruction = __builtin_cpu_supports("sse4.2") != 0;
  if (has_instruction) return Crc32cByInstruction(bytes, so_far);
#endif
  return internal::Crc32cByTable(bytes, so_far);
}

}  // namespace sluice
