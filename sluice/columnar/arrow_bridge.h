#pragma once
/// \file
/// Where Arrow's errors end: for `.cc` files that call Arrow.

#include <arrow/result.h>
#include <arrow/status.h>

#include <utility>

#include "sluice/base/error.h"

namespace sluice::columnar {

/// Turns Arrow's status into ours: out of memory is kUnavailable, bad data kInvalid, I/O
/// kUnavailable.
Status FromArrow(const arrow::Status& status);

/// Makes Arrow's functions (casts, filters, comparisons) known. Cheap after the first time; needed
/// before each call that may be the first.
Status InitializeCompute();

template <typename T>
Result<T> FromArrow(arrow::Result<T> result) {
  if (!result.ok()) return FromArrow(result.status()).error();
  return std::move(result).ValueUnsafe();
}

}  // namespace sluice::columnar
