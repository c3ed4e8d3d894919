#pragma once
/// \file
/// Values of any ordered type as bytes that compare alike.

#include <arrow/type_fwd.h>

#include <cstdint>
#include <memory>
#include <string>

#include "sluice/base/error.h"

namespace sluice::lake::internal {

/// Reads a column as keys: null before all else. Texts are cut to their first bytes, so that those
/// that begin alike may be equal.
///
/// Immutable. Thread-safe.
class SortKeys {
 public:
  /// kUnsupported: the type has no order.
  static Result<SortKeys> Of(const std::shared_ptr<arrow::Array>& column);

  std::string At(int64_t row) const;

 private:
  explicit SortKeys(std::shared_ptr<arrow::Array> values) : values_(std::move(values)) {}

  std::shared_ptr<arrow::Array> values_;  // Of 64-bit integers, doubles, or texts.
};

}  // namespace sluice::lake::internal
