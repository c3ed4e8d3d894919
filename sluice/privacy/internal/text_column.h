#pragma once
/// \file
/// Values of any flat column as text, and columns of text being made.

#include <arrow/api.h>

#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "sluice/base/error.h"

namespace sluice::privacy::internal {

/// Reads values as their JSON text: `7`, `true`, a text or bytes as they are.
///
/// The array must outlive it. Not thread-safe.
class TextReader {
 public:
  explicit TextReader(const arrow::Array& values) : values_(values) {}
  bool IsNull(int64_t row) const { return values_.IsNull(row); }
  /// Of a row that is not null; valid until the next call.
  std::string_view operator()(int64_t row);

 private:
  const arrow::Array& values_;
  std::array<char, 48> digits_{};
  std::string other_;
};

/// Text, row by row.
class TextWriter {
 public:
  TextWriter(int64_t rows, size_t bytes);
  /// Where the next value is appended; EndValue() ends it.
  std::string& bytes() { return bytes_; }
  void EndValue() {
    const size_t row = offsets_.size() - 1;
    if (row % 8 == 0) valid_.push_back(0);
    valid_.back() = static_cast<uint8_t>(valid_.back() | 1 << row % 8);
    offsets_.push_back(static_cast<int32_t>(bytes_.size()));
  }
  void Null() {
    if ((offsets_.size() - 1) % 8 == 0) valid_.push_back(0);
    offsets_.push_back(offsets_.back());
    ++nulls_;
  }
  /// The value of an earlier row of this column, null included.
  void Repeat(int64_t row);
  /// kInvalid: the values are beyond what 32-bit offsets can reach.
  Result<std::shared_ptr<arrow::Array>> Finish();

 private:
  std::string bytes_;
  std::vector<int32_t> offsets_;
  std::vector<uint8_t> valid_;  // Bits.
  int64_t nulls_ = 0;
};

}  // namespace sluice::privacy::internal
