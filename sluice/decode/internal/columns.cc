#include "sluice/decode/internal/columns.h"

#include <arrow/array/array_base.h>
#include <arrow/array/data.h>
#include <arrow/array/util.h>
#include <arrow/buffer.h>
#include <arrow/record_batch.h>
#include <arrow/type.h>

#include <algorithm>
#include <bit>
#include <optional>
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
  if (HasOffsets()) {
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
  if (HasOffsets()) {
    std::fill_n(offsets() + first + 1, count, offsets()[first]);
  } else if (width_ > 0) {  // Structs have no values.
    std::memset(values_.data() + first * width_, 0, count * width_);
  }
  filled_ = end;
}

void Column::UnsetChildren(int64_t row) {
  int64_t child_row = row;
  if (layout_ == Layout::kList) {
    // Elements of a list that was begun stand behind those of the rows before it.
    child_row = capacity_ == 0 ? 0 : offsets()[std::min(filled_, row)];
  }
  for (Column& child : children_) child.Unset(child_row);
}

void Column::CopyFirst(int64_t row, const Column& source) {
  if (!source.HasValue(0)) return SetNull(row);
  if (layout_ == Layout::kText) return SetText(row, source.TextOf(0));
  Reach(row);
  std::memcpy(values_.data() + static_cast<size_t>(row) * width_, source.values_.data(), width_);
  valid_.data()[row] = 1;
  filled_ = row + 1;
}

size_t Column::MemoryBytes() const {
  size_t bytes = values_.size() + valid_.size() + text_.size();
  for (const Column& child : children_) bytes += child.MemoryBytes();
  return bytes;
}

std::shared_ptr<arrow::ArrayData> BatchMaker::Nulls(const std::shared_ptr<arrow::DataType>& type,
                                                    int64_t rows) {
  constexpr size_t kKeptMax = 64;
  for (const auto& kept : nulls_) {
    if (kept->type == type && kept->length == rows) return kept;
  }
  if (type->num_fields() > 0) {
    auto made = arrow::MakeArrayOfNull(type, rows);
    return made.ok() ? (*made)->data() : nullptr;
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

// The arrays of one batch, cut from one piece of memory.
class BatchMaker::Assembly {
 public:
  explicit Assembly(BatchMaker& maker) : maker_(maker) {}

  // Counts the memory that a column needs. Sets the rows that were left out.
  void Measure(Column& column, int64_t rows) {
    if (column.empty()) return;
    if (column.filled_ < rows) column.FillNulls(rows);
    const auto count = static_cast<size_t>(rows);
    total_ += Align(BitmapBytes(rows));
    pieces_ += 3;  // At most.
    switch (column.layout_) {
      case Column::Layout::kBits:
        total_ += Align(BitmapBytes(rows));
        break;
      case Column::Layout::kFixed:
        total_ += Align(count * column.width_);
        break;
      case Column::Layout::kText:
        total_ += Align((count + 1) * sizeof(int32_t)) +
                  Align(static_cast<size_t>(column.offsets()[rows]));
        break;
      case Column::Layout::kStruct:
        for (Column& child : column.children_) Measure(child, rows);
        break;
      case Column::Layout::kList:
        total_ += Align((count + 1) * sizeof(int32_t));
        Measure(column.children_[0], column.offsets()[rows]);
        break;
    }
  }

  Status Allocate() {
    SLUICE_ASSIGN_OR_RETURN(
        auto allocated, columnar::FromArrow(arrow::AllocateBuffer(static_cast<int64_t>(total_))));
    memory_ = std::make_shared<Memory>();
    memory_->bytes = std::move(allocated);
    memory_->pieces = std::make_unique<std::optional<arrow::Buffer>[]>(pieces_);
    return {};
  }

  // Null: out of memory.
  std::shared_ptr<arrow::ArrayData> Assemble(const Column* column,
                                             const std::shared_ptr<arrow::DataType>& type,
                                             int64_t rows) {
    if (column == nullptr || column->empty()) return maker_.Nulls(type, rows);
    const auto count = static_cast<size_t>(rows);
    uint8_t* bitmap = Take(BitmapBytes(rows));
    const int64_t nulls = rows - PackBits(column->valid_.data(), rows, bitmap);
    std::vector<std::shared_ptr<arrow::Buffer>> buffers;
    buffers.reserve(3);
    buffers.push_back(nulls == 0 ? nullptr : Slice(bitmap, BitmapBytes(rows)));
    switch (column->layout_) {
      case Column::Layout::kBits: {
        uint8_t* values = Take(BitmapBytes(rows));
        PackBits(column->values_.data(), rows, values);
        buffers.push_back(Slice(values, BitmapBytes(rows)));
        break;
      }
      case Column::Layout::kFixed:
        buffers.push_back(Copy(column->values_.data(), count * column->width_));
        break;
      case Column::Layout::kText:
        buffers.push_back(Copy(column->values_.data(), (count + 1) * sizeof(int32_t)));
        buffers.push_back(Copy(column->text_.data(), static_cast<size_t>(column->offsets()[rows])));
        break;
      case Column::Layout::kStruct:
        return WithChildren(*column, type, rows, rows, std::move(buffers), nulls);
      case Column::Layout::kList:
        buffers.push_back(Copy(column->values_.data(), (count + 1) * sizeof(int32_t)));
        return WithChildren(*column, type, rows, column->offsets()[rows], std::move(buffers),
                            nulls);
    }
    return arrow::ArrayData::Make(type, rows, std::move(buffers), nulls);
  }

 private:
  std::shared_ptr<arrow::ArrayData> WithChildren(
      const Column& column, const std::shared_ptr<arrow::DataType>& type, int64_t rows,
      int64_t child_rows, std::vector<std::shared_ptr<arrow::Buffer>> buffers, int64_t nulls) {
    std::vector<std::shared_ptr<arrow::ArrayData>> children;
    for (size_t i = 0; i < column.children_.size(); ++i) {
      children.push_back(
          Assemble(&column.children_[i], type->field(static_cast<int>(i))->type(), child_rows));
      if (children.back() == nullptr) return nullptr;
    }
    return arrow::ArrayData::Make(type, rows, std::move(buffers), std::move(children), nulls);
  }

  // The next `size` bytes of the memory, with what follows up to the alignment cleared.
  uint8_t* Take(size_t size) {
    uint8_t* begin = memory_->bytes->mutable_data() + used_;
    used_ += Align(size);
    SLUICE_CHECK(used_ <= total_);
    std::memset(begin + size, 0, Align(size) - size);
    return begin;
  }
  std::shared_ptr<arrow::Buffer> Slice(const uint8_t* begin, size_t size) {
    SLUICE_CHECK(pieces_used_ < pieces_);
    arrow::Buffer& piece =
        memory_->pieces[pieces_used_++].emplace(begin, static_cast<int64_t>(size));
    return {memory_, &piece};
  }
  std::shared_ptr<arrow::Buffer> Copy(const uint8_t* from, size_t size) {
    uint8_t* begin = Take(size);
    if (size > 0) std::memcpy(begin, from, size);
    return Slice(begin, size);
  }

  // The bytes, and the objects that name parts of them: one allocation, instead of one for each of
  // them. Whoever has one of these has all of them.
  struct Memory {
    std::unique_ptr<arrow::Buffer> bytes;
    std::unique_ptr<std::optional<arrow::Buffer>[]> pieces;
  };

  BatchMaker& maker_;
  std::shared_ptr<Memory> memory_;
  size_t total_ = 0;
  size_t used_ = 0;
  size_t pieces_ = 0;
  size_t pieces_used_ = 0;
};

Result<columnar::Batch> BatchMaker::Make(const columnar::Schema& schema,
                                         const std::vector<Column*>& columns, int64_t rows) {
  SLUICE_CHECK(columns.size() == static_cast<size_t>(schema->num_fields()));
  Assembly assembly(*this);
  for (Column* column : columns) {
    if (column != nullptr) assembly.Measure(*column, rows);
  }
  SLUICE_RETURN_IF_ERROR(assembly.Allocate());
  std::vector<std::shared_ptr<arrow::ArrayData>> arrays;
  arrays.reserve(columns.size());
  for (size_t i = 0; i < columns.size(); ++i) {
    arrays.push_back(
        assembly.Assemble(columns[i], schema->field(static_cast<int>(i))->type(), rows));
    if (arrays.back() == nullptr) return Unavailable("out of memory for columns");
  }
  return arrow::RecordBatch::Make(schema, rows, std::move(arrays));
}

}  // namespace sluice::decode::internal
