#pragma once
/// \file
/// Parquet files of more rows than shall be in memory at once.

#include <cstdint>
#include <memory>

#include "sluice/base/error.h"
#include "sluice/columnar/batch.h"
#include "sluice/columnar/parquet.h"

namespace sluice::columnar {

/// Writes one file, row group by row group. Holds the encoded bytes and the rows of one group, at
/// most `options.row_group_rows_max` or 64 MiB of them.
///
/// Not thread-safe.
class ParquetWriter {
 public:
  /// `bytes_expected` spares the copies of a growing buffer.
  static Result<std::unique_ptr<ParquetWriter>> Open(Schema schema, ParquetOptions options = {},
                                                     int64_t bytes_expected = 0);
  virtual ~ParquetWriter() = default;

  /// `batch` has the schema of the file.
  virtual Status Write(Batch batch) = 0;
  virtual int64_t rows() const = 0;
  /// Of the row groups that are encoded, and of the rows that wait.
  virtual int64_t bytes() const = 0;
  /// Ends the file; the writer is of no more use.
  virtual Result<ParquetFile> Finish() = 0;
};

}  // namespace sluice::columnar
