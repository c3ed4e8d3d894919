#include "sluice/columnar/internal/page_values.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>

namespace sluice::columnar::internal {

namespace {

constexpr size_t kBlockValues = 128;
constexpr size_t kMiniblocks = 4;
constexpr size_t kMiniblockValues = kBlockValues / kMiniblocks;
constexpr size_t kGroupValues = 8;  // That are packed together between runs.

void AppendVarint(uint64_t value, std::string& out) {
  for (; value >= 0x80; value >>= 7) out += static_cast<char>(value | 0x80);
  out += static_cast<char>(value);
}

void AppendZigzag(uint64_t value, std::string& out) {
  AppendVarint((value << 1) ^ (value >> 63 != 0 ? ~uint64_t{0} : 0), out);
}

// Appends the low `width` bits of each, the first value in the lowest bits of the first byte. They
// fill whole bytes: there are a multiple of eight.
template <typename Word>
void AppendPacked(std::span<const Word> values, int width, std::string& out) {
  const size_t begin = out.size();
  const size_t bytes = values.size() * static_cast<size_t>(width) / 8;
  out.resize(begin + bytes + sizeof(uint64_t));  // The last word may be written in full.
  char* to = out.data() + begin;
  uint64_t word = 0;
  int bits = 0;
  for (const Word value : values) {
    const auto wide = static_cast<uint64_t>(value);
    word |= wide << bits;
    bits += width;
    if (bits < 64) continue;
    std::memcpy(to, &word, sizeof(word));
    to += sizeof(word);
    bits -= 64;
    const int written = width - bits;
    word = written == 64 ? 0 : wide >> written;
  }
  std::memcpy(to, &word, sizeof(word));
  out.resize(begin + bytes);
}

}  // namespace

void AppendDeltas(std::span<const int64_t> values, std::string& out) {
  AppendVarint(kBlockValues, out);
  AppendVarint(kMiniblocks, out);
  AppendVarint(values.size(), out);
  // Differences wrap around, as those who read them add.
  uint64_t last = values.empty() ? 0 : static_cast<uint64_t>(values.front());
  AppendZigzag(last, out);
  std::array<uint64_t, kBlockValues> deltas;
  for (size_t begin = 1; begin < values.size(); begin += kBlockValues) {
    const size_t count = std::min(kBlockValues, values.size() - begin);
    auto least = INT64_MAX;
    for (size_t i = 0; i < count; ++i) {
      const auto value = static_cast<uint64_t>(values[begin + i]);
      deltas[i] = value - last;
      last = value;
      least = std::min(least, static_cast<int64_t>(deltas[i]));
    }
    AppendZigzag(static_cast<uint64_t>(least), out);
    for (size_t i = 0; i < count; ++i) deltas[i] -= static_cast<uint64_t>(least);
    std::fill(deltas.begin() + static_cast<ptrdiff_t>(count), deltas.end(), 0);
    std::array<int, kMiniblocks> widths;
    for (size_t part = 0; part < kMiniblocks; ++part) {
      uint64_t all = 0;
      for (size_t i = 0; i < kMiniblockValues; ++i) all |= deltas[part * kMiniblockValues + i];
      widths[part] = static_cast<int>(std::bit_width(all));
      out += static_cast<char>(widths[part]);
    }
    for (size_t part = 0; part * kMiniblockValues < count; ++part) {
      if (widths[part] == 0) continue;
      AppendPacked(
          std::span<const uint64_t>(deltas).subspan(part * kMiniblockValues, kMiniblockValues),
          widths[part], out);
    }
  }
}

void AppendRuns(std::span<const uint32_t> values, int width, std::string& out) {
  const size_t size = values.size();
  size_t packed = 0;  // From here on nothing is written yet.
  const auto append_packed = [&](size_t end) {
    if (end == packed) return;
    AppendVarint(((end - packed) / kGroupValues) << 1 | 1, out);
    AppendPacked(values.subspan(packed, end - packed), width, out);
  };
  size_t at = 0;
  while (at + kGroupValues <= size) {
    uint32_t unlike = 0;
    for (size_t i = 1; i < kGroupValues; ++i) unlike |= values[at + i] ^ values[at];
    if (unlike != 0) {
      at += kGroupValues;
      continue;
    }
    append_packed(at);
    size_t end = at + kGroupValues;
    while (end < size && values[end] == values[at]) ++end;
    AppendVarint((end - at) << 1, out);
    for (int bits = 0; bits < width; bits += 8) out += static_cast<char>(values[at] >> bits);
    packed = at = end;
  }
  append_packed(at);
  if (at == size) return;
  std::array<uint32_t, kGroupValues> rest{};
  std::copy(values.begin() + static_cast<ptrdiff_t>(at), values.end(), rest.begin());
  AppendVarint(1 << 1 | 1, out);
  AppendPacked(std::span<const uint32_t>(rest), width, out);
}

}  // namespace sluice::columnar::internal
