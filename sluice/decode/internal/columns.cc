#include "sluice/decode/internal/columns.h"

#include <arrow/array/data.h>
#include <arrow/buffer.h>
#include <arrow/record_batch.h>
#include <arrow/type.h>

#include <algorithm>
#include <bit>
#include <utility>

#include "sluice/columnar/arrow_bridge.h"

namespace sluice::decode::internal {

namespace {

static_assert(std::endian::native == std::endian::little, "columns are little-endian");

constexpr size_t kAlignment = 64;

size_t Align(size_t size) { return (size + kAlignment - 1) / kAlignment * kAlignment; }
size_t BitmapBytes(int64_t rows) { return (static_cast<size_t>(rows) + 7) / 8; }

// Packs bytes of 0 or 1 into bits, and returns how many are 1.
int64_t PackBits(const uint8_t* bytes, int64_t rows, uint8_t* out) {
  int64_t ones = 0;
  int64_t row = 0;
  for (; row + 8 <= rows; row += 8) {
    uint64_t eight;
    std::memcpy(&eight, bytes + row, sizeof(eight));
    *out++ = static_cast<uint8_t>(eight * 0x0102040810204080u >> 56);
    ones += static_cast<int64_t>(eight * 0x0101010101010101u >> 56);  // The sum of the eight.
  }
  if (row < rows) {
    uint8_t packed = 0;
    for (int bit = 0; row < rows; ++bit, ++row) {
      packed = static_cast<uint8_t>(packed | bytes[row] << bit);
      ones += bytes[row];
    }
    *out = packed;
  }
  return ones;
}

}  // namespace

void Column::GrowRows(int64_t row) {
  const int64_t capacity = std::max<int64_t>({64, row + 1, capacity_ * 2});
  const auto rows = static_cast<size_t>(capacity);
  if (layout_ == Layout::kText) {
    values_.Grow((rows + 1) * sizeof(int32_t));
    offsets()[0] = 0;
  } else {
    values_.Grow(rows * width_);
  }
  valid_.Grow(rows);
  capacity_ = capacity;
}

void Column::FillNulls(int64_t end) {
  if (end > capacity_) GrowRows(end - 1);
  const auto first = static_cast<size_t>(filled_);
  const auto count = static_cast<size_t>(end - filled_);
  std::memset(valid_.data() + first, 0, count);
  if (layout_ == Layout::kText) {
    std::fill_n(offsets() + first + 1, count, offsets()[first]);
  } else {
    std::memset(values_.data() + first * width_, 0, count * width_);
  }
  filled_ = end;
}

std::shared_ptr<arrow::ArrayData> BatchMaker::Nulls(const std::shared_ptr<arrow::DataType>& type,
                                                    int64_t rows) {
  constexpr size_t kKeptMax = 64;
  for (const auto& kept : nulls_) {
    if (kept->type == type && kept->length == rows) return kept;
  }
  const bool text = type->id() == arrow::Type::STRING || type->id() == arrow::Type::BINARY;
  const auto count = static_cast<size_t>(rows);
  const size_t bits = text ? 0 : static_cast<size_t>(type->bit_width());
  const size_t size = text ? (count + 1) * sizeof(int32_t) : (count * bits + 7) / 8;
  const size_t largest = std::max(size, BitmapBytes(rows));
  if (zeros_ == nullptr || static_cast<size_t>(zeros_->size()) < largest) {
    const auto bytes = static_cast<int64_t>(std::bit_ceil(std::max<size_t>(largest, 4096)));
    auto allocated = arrow::AllocateBuffer(bytes);
    if (!allocated.ok()) return nullptr;
    std::unique_ptr<arrow::Buffer> buffer = std::move(allocated).ValueUnsafe();
    std::memset(buffer->mutable_data(), 0, static_cast<size_t>(bytes));
    zeros_ = std::move(buffer);
  }
  std::vector<std::shared_ptr<arrow::Buffer>> buffers = {
      arrow::SliceBuffer(zeros_, 0, static_cast<int64_t>(BitmapBytes(rows))),
      arrow::SliceBuffer(zeros_, 0, static_cast<int64_t>(size))};
  if (text) buffers.push_back(arrow::SliceBuffer(zeros_, 0, 0));
  if (nulls_.size() == kKeptMax) nulls_.clear();
  return nulls_.emplace_back(arrow::ArrayData::Make(type, rows, std::move(buffers), rows));
}

Result<columnar::Batch> BatchMaker::Make(const columnar::Schema& schema,
                                         const std::vector<Column*>& columns, int64_t rows) {
  SLUICE_CHECK(columns.size() == static_cast<size_t>(schema->num_fields()));
  const auto count = static_cast<size_t>(rows);
  size_t total = 0;
  for (Column* column : columns) {
    if (column == nullptr || column->empty()) continue;
    if (column->filled_ < rows) column->FillNulls(rows);
    total += Align(BitmapBytes(rows));
    switch (column->layout_) {
      case Column::Layout::kBits:
        total += Align(BitmapBytes(rows));
        break;
      case Column::Layout::kFixed:
        total += Align(count * column->width_);
        break;
      case Column::Layout::kText:
        total += Align((count + 1) * sizeof(int32_t)) +
                 Align(static_cast<size_t>(column->offsets()[rows]));
        break;
    }
  }
  SLUICE_ASSIGN_OR_RETURN(auto allocated,
                          columnar::FromArrow(arrow::AllocateBuffer(static_cast<int64_t>(total))));
  const std::shared_ptr<arrow::Buffer> memory = std::move(allocated);
  size_t used = 0;
  // The next `size` bytes of `memory`, with what follows up to the alignment cleared.
  const auto take = [&](size_t size) {
    uint8_t* begin = memory->mutable_data() + used;
    used += Align(size);
    SLUICE_CHECK(used <= total);
    std::memset(begin + size, 0, Align(size) - size);
    return begin;
  };
  const auto slice = [&](const uint8_t* begin, size_t size) {
    return arrow::SliceBuffer(memory, begin - memory->data(), static_cast<int64_t>(size));
  };
  const auto copy = [&](const uint8_t* from, size_t size) {
    uint8_t* begin = take(size);
    if (size > 0) std::memcpy(begin, from, size);
    return slice(begin, size);
  };

  std::vector<std::shared_ptr<arrow::ArrayData>> arrays;
  arrays.reserve(columns.size());
  for (size_t i = 0; i < columns.size(); ++i) {
    const auto& type = schema->field(static_cast<int>(i))->type();
    const Column* column = columns[i];
    if (column == nullptr || column->empty()) {
      arrays.push_back(Nulls(type, rows));
      if (arrays.back() == nullptr) return Unavailable("out of memory for columns");
      continue;
    }
    uint8_t* bitmap = take(BitmapBytes(rows));
    const int64_t nulls = rows - PackBits(column->valid_.data(), rows, bitmap);
    std::vector<std::shared_ptr<arrow::Buffer>> buffers;
    buffers.reserve(3);
    buffers.push_back(nulls == 0 ? nullptr : slice(bitmap, BitmapBytes(rows)));
    switch (column->layout_) {
      case Column::Layout::kBits: {
        uint8_t* values = take(BitmapBytes(rows));
        PackBits(column->values_.data(), rows, values);
        buffers.push_back(slice(values, BitmapBytes(rows)));
        break;
      }
      case Column::Layout::kFixed:
        buffers.push_back(copy(column->values_.data(), count * column->width_));
        break;
      case Column::Layout::kText:
        buffers.push_back(copy(column->values_.data(), (count + 1) * sizeof(int32_t)));
        buffers.push_back(copy(column->text_.data(), static_cast<size_t>(column->offsets()[rows])));
        break;
    }
    arrays.push_back(arrow::ArrayData::Make(type, rows, std::move(buffers), nulls));
  }
  return arrow::RecordBatch::Make(schema, rows, std::move(arrays));
}

}  // namespace sluice::decode::internal
