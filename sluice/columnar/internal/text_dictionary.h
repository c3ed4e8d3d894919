#pragma once
/// \file
/// Finds out how a column of text is best stored, by trying.

#include <arrow/array.h>
#include <arrow/chunked_array.h>

#include <cstdint>
#include <memory>

#include "sluice/base/error.h"

namespace sluice::columnar::internal {

/// A column of text with each of its values once.
struct DictionaryColumn {
  std::shared_ptr<arrow::DictionaryArray> rows;
  std::shared_ptr<arrow::StringArray> values;  ///< In the order of their first rows.
};

/// Makes a dictionary of a column of text, if its values come again often enough: then `rows`
/// is set, and takes less space and time to write. Gives up soon if they do not.
///
/// Half the time of the Parquet writer's own dictionary, which also encodes what does not repeat
/// twice: into a dictionary, and once that is full, plain.
Result<DictionaryColumn> MakeDictionary(const arrow::ChunkedArray& column);

}  // namespace sluice::columnar::internal
