#pragma once
/// \file
/// Parquet files of more rows than shall be in memory at once.

#include <cstdint>
#include <memory>

#include "sluice/base/error.h"
#include "sluice/columnar/batch.h"
#include "sluice/columnar/byte_sink.h"
#include "sluice/columnar/parquet.h"

namespace sluice::columnar {

/// Writes one file, row group by row group. Holds the rows of one group: up to
/// `options.row_group_rows_max`, and `options.row_group_bytes_max` with the batch that reaches it;
/// while a group is encoded, its largest column once more.
///
/// Not thread-safe.
class ParquetWriter {
 public:
  /// `sink` gets the bytes as they are encoded. Its errors are those of the writer, which is of no
  /// more use then.
  static Result<std::unique_ptr<ParquetWriter>> Open(Schema schema, ParquetOptions options,
                                                     ByteSink sink);
  virtual ~ParquetWriter() = default;

  /// `batch` has the schema of the file.
  virtual Status Write(Batch batch) = 0;
  virtual int64_t rows() const = 0;
  /// Of the row groups that are encoded.
  virtual int64_t encoded_bytes() const = 0;
  /// Of the rows that wait for their group to be whole, in memory.
  virtual int64_t waiting_bytes() const = 0;
  /// Ends the file, whose bytes are with the sink; the writer is of no more use.
  virtual Result<ParquetFile> Finish() = 0;
};

}  // namespace sluice::columnar
