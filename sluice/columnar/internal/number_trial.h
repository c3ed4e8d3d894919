#pragma once
/// \file
/// Whether a dictionary, or compression, would make a column of floating-point numbers smaller.

#include <arrow/type_fwd.h>

namespace sluice::columnar::internal {

struct NumberTrial {
  bool repeats = true;     ///< A dictionary pays.
  bool compresses = true;  ///< Without a dictionary, compression wins a tenth at least.
};

/// Tries both with some thousand values of a float or double column, spread over it. Of other
/// types, and of a few values, nothing is known: both may pay.
NumberTrial TryNumbers(const arrow::ChunkedArray& column);

}  // namespace sluice::columnar::internal
