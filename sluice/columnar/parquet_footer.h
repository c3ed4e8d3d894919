#pragma once
/// \file
/// What a Parquet file, of whoever wrote it, says of itself.

#include <arrow/type_fwd.h>

#include <cstdint>
#include <map>
#include <memory>
#include <string>

#include "sluice/base/error.h"
#include "sluice/columnar/batch.h"
#include "sluice/columnar/parquet.h"

namespace arrow::io {
class RandomAccessFile;
}  // namespace arrow::io

namespace sluice::columnar {

struct ParquetFooter {
  /// As every engine sees it: by the types of the file, not by what Arrow notes of its own beside
  /// them. Times of the old kind, INT96, are in UTC.
  Schema schema;
  int64_t rows = 0;
  /// Of columns that are not nested, where all row groups tell how many values are null. Bounds are
  /// left out where they may not be what they seem: where they are of another type, of
  /// floating-point numbers, for NaN has no part in them, and of dates and times of a calendar that
  /// was another one before 1582.
  std::map<std::string, ColumnStatistics> columns;
};

/// Reads the end of a file, not its rows. kInvalid: it is no Parquet file, or has a type that Arrow
/// does not know; kUnavailable: it could not be read.
Result<ParquetFooter> ReadParquetFooter(std::shared_ptr<arrow::io::RandomAccessFile> file);

}  // namespace sluice::columnar
