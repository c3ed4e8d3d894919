#include "sluice/columnar/internal/number_trial.h"

#include <arrow/api.h>
#include <arrow/util/compression.h>

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <vector>

namespace sluice::columnar::internal {

namespace {

// So many pieces of so many values, spread evenly: the beginning alone may be unlike the rest.
constexpr int64_t kPieces = 8;
constexpr int64_t kPieceValues = 2048;
constexpr int64_t kValuesMin = 1024;  // With fewer it does not matter.

template <typename Array>
std::vector<uint64_t> Sample(const arrow::ChunkedArray& column) {
  std::vector<uint64_t> bits;
  const int64_t step = std::max<int64_t>(column.length() / kPieces, 1);
  for (int64_t begin = 0; begin < column.length(); begin += step) {
    const auto piece = column.Slice(begin, std::min(step, kPieceValues));
    for (const auto& chunk : piece->chunks()) {
      const auto& values = static_cast<const Array&>(*chunk);
      for (int64_t i = 0; i < values.length(); ++i) {
        if (values.IsNull(i)) continue;
        const auto value = values.Value(i);
        std::memcpy(&bits.emplace_back(0), &value, sizeof(value));
      }
    }
  }
  return bits;
}

// Whether the `width` low bytes of each are a tenth smaller together by the codec of files.
bool Compresses(const std::vector<uint64_t>& bits, size_t width) {
  std::vector<uint8_t> plain(bits.size() * width);
  for (size_t i = 0; i < bits.size(); ++i) std::memcpy(&plain[i * width], &bits[i], width);
  const auto codec = arrow::util::Codec::Create(arrow::Compression::ZSTD, 1);
  if (!codec.ok()) return true;
  const auto size = static_cast<int64_t>(plain.size());
  std::vector<uint8_t> packed(static_cast<size_t>((*codec)->MaxCompressedLen(size, plain.data())));
  const auto packed_size =
      (*codec)->Compress(size, plain.data(), static_cast<int64_t>(packed.size()), packed.data());
  return !packed_size.ok() || *packed_size * 10 <= size * 9;
}

}  // namespace

NumberTrial TryNumbers(const arrow::ChunkedArray& column) {
  std::vector<uint64_t> bits;
  size_t width = 0;
  if (column.type()->id() == arrow::Type::DOUBLE) {
    bits = Sample<arrow::DoubleArray>(column);
    width = sizeof(double);
  } else if (column.type()->id() == arrow::Type::FLOAT) {
    bits = Sample<arrow::FloatArray>(column);
    width = sizeof(float);
  }
  if (static_cast<int64_t>(bits.size()) < kValuesMin) return {};
  NumberTrial trial{.compresses = Compresses(bits, width)};
  std::ranges::sort(bits);
  const auto distinct = std::ranges::unique(bits).begin() - bits.begin();
  trial.repeats = distinct * 8 <= static_cast<int64_t>(bits.size()) * 5;
  return trial;
}

}  // namespace sluice::columnar::internal
