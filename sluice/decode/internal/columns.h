#pragma once
/// \file
/// Columns that are being filled, row by row, and become Arrow arrays at the end.

#include <arrow/type_fwd.h>

#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <string_view>
#include <utility>
#include <vector>

#include "sluice/base/check.h"
#include "sluice/base/error.h"
#include "sluice/columnar/batch.h"

namespace sluice::decode::internal {

/// Memory that grows and is not cleared.
class Bytes {
 public:
  uint8_t* data() { return data_.get(); }
  const uint8_t* data() const { return data_.get(); }
  size_t size() const { return size_; }

  /// Keeps what it holds.
  void Grow(size_t size) {
    if (size <= size_) return;
    void* grown = std::realloc(data_.get(), size);
    SLUICE_CHECK(grown != nullptr);
    static_cast<void>(data_.release());
    data_.reset(static_cast<uint8_t*>(grown));
    size_ = size;
  }

 private:
  struct Free {
    void operator()(uint8_t* p) const { std::free(p); }
  };
  std::unique_ptr<uint8_t[], Free> data_;
  size_t size_ = 0;
};

/// One column: values by row number. A row is set at most once, in ascending order; rows left out
/// are null.
///
/// Taking a row back is to set its number again after Unset(): nothing is moved.
class Column {
 public:
  /// Bytes behind a text that writers may scribble on.
  static constexpr size_t kScribble = 64;

  /// kStruct: children at the same row numbers. kList: one child, whose rows are the elements of
  /// all lists, one list after the other.
  enum class Layout : uint8_t { kBits, kFixed, kText, kStruct, kList };

  /// `width`: bytes of a value, for kFixed.
  Column(Layout layout, size_t width)
      : layout_(layout), width_(layout == Layout::kBits ? 1 : width) {}
  /// `layout`: kStruct or kList.
  Column(Layout layout, std::vector<Column> children)
      : layout_(layout), width_(0), children_(std::move(children)) {}

  /// Whether `row` is set already; also if to null.
  bool IsSet(int64_t row) const { return filled_ > row; }
  /// Whether any row was set since Clear().
  bool empty() const { return filled_ == 0; }

  template <typename T>
  void Set(int64_t row, T value) {
    Reach(row);
    std::memcpy(values_.data() + static_cast<size_t>(row) * sizeof(T), &value, sizeof(T));
    valid_.data()[row] = 1;
    filled_ = row + 1;
  }
  void SetNull(int64_t row) { FillNulls(row + 1); }

  /// Where the text of `row` goes: at least `size` + kScribble bytes. SetText() then tells how much
  /// was used.
  char* Text(int64_t row, size_t size) {
    Reach(row);
    const size_t begin = static_cast<size_t>(offsets()[row]);
    if (text_.size() < begin + size + kScribble) text_.Grow((begin + size + kScribble) * 2);
    return reinterpret_cast<char*>(text_.data()) + begin;
  }
  /// The room that Text() gave, without kScribble.
  size_t Room(int64_t row) const {
    return text_.size() - static_cast<size_t>(offsets()[row]) - kScribble;
  }
  void SetText(int64_t row, size_t size) {
    offsets()[row + 1] = offsets()[row] + static_cast<int32_t>(size);
    valid_.data()[row] = 1;
    filled_ = row + 1;
  }
  void SetText(int64_t row, std::string_view text) {
    std::memcpy(Text(row, text.size()), text.data(), text.size());
    SetText(row, text.size());
  }

  /// Whether `row` is set, and not to null.
  bool HasValue(int64_t row) const { return filled_ > row && valid_.data()[row] != 0; }
  /// Of a row that HasValue().
  template <typename T>
  T ValueOf(int64_t row) const {
    T value;
    std::memcpy(&value, values_.data() + static_cast<size_t>(row) * sizeof(T), sizeof(T));
    return value;
  }
  std::string_view TextOf(int64_t row) const {
    const auto begin = static_cast<size_t>(offsets()[row]);
    return {reinterpret_cast<const char*>(text_.data()) + begin,
            static_cast<size_t>(offsets()[row + 1]) - begin};
  }

  /// The columns inside a struct, by field; of a list one.
  Column* children() { return children_.data(); }
  void SetStruct(int64_t row) {
    Reach(row);
    valid_.data()[row] = 1;
    filled_ = row + 1;
  }
  /// Returns the row of the child at which the list's elements begin. SetList() then tells how many
  /// were set.
  int64_t BeginList(int64_t row) {
    Reach(row);
    return offsets()[row];
  }
  void SetList(int64_t row, int64_t count) {
    offsets()[row + 1] = offsets()[row] + static_cast<int32_t>(count);
    valid_.data()[row] = 1;
    filled_ = row + 1;
  }
  /// Sets `row` to what `source` has in its row 0. Both have the same layout, which is not nested.
  void CopyFirst(int64_t row, const Column& source);

  /// Takes `row`, the last one, back.
  void Unset(int64_t row) {
    if (!children_.empty()) UnsetChildren(row);
    if (filled_ > row) filled_ = row;
  }
  void Clear() {
    for (Column& child : children_) child.Clear();
    filled_ = 0;
  }
  size_t MemoryBytes() const;

 private:
  friend class BatchMaker;

  int32_t* offsets() { return reinterpret_cast<int32_t*>(values_.data()); }
  const int32_t* offsets() const { return reinterpret_cast<const int32_t*>(values_.data()); }

  // Makes room for `row`, and nulls of the rows left out before it.
  void Reach(int64_t row) {
    if (row >= capacity_) GrowRows(row);
    if (filled_ < row) FillNulls(row);
  }
  void GrowRows(int64_t row);
  void FillNulls(int64_t end);
  void UnsetChildren(int64_t row);
  bool HasOffsets() const { return layout_ == Layout::kText || layout_ == Layout::kList; }

  Layout layout_;
  size_t width_;
  int64_t filled_ = 0;    // Rows before it are set, or null for having been left out.
  int64_t capacity_ = 0;  // Rows.
  Bytes values_;          // kText, kList: offsets, one more than rows. kStruct: nothing.
  Bytes valid_;           // One byte a row.
  Bytes text_;
  std::vector<Column> children_;
};

/// Makes batches of columns, each with one piece of memory.
///
/// Not thread-safe.
class BatchMaker {
 public:
  /// `columns` are those of `schema`, in order; a null one is null in each row. Columns are left as
  /// they are. Lists have fewer than 2^31 elements in all.
  Result<columnar::Batch> Make(const columnar::Schema& schema, const std::vector<Column*>& columns,
                               int64_t rows);

 private:
  class Assembly;

  std::shared_ptr<arrow::ArrayData> Nulls(const std::shared_ptr<arrow::DataType>& type,
                                          int64_t rows);

  // Never written, so all columns without values share them: making Arrow's objects is what a batch
  // of a few rows costs.
  std::shared_ptr<arrow::Buffer> zeros_;
  std::vector<std::shared_ptr<arrow::ArrayData>> nulls_;
};

}  // namespace sluice::decode::internal
