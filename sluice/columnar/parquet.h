#pragma once
/// \file
/// Parquet files: settings chosen once for all tables.

#include <arrow/type_fwd.h>

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "sluice/base/error.h"
#include "sluice/columnar/batch.h"

namespace arrow::io {
class RandomAccessFile;
}  // namespace arrow::io

namespace sluice::columnar {

/// What a Parquet file holds, by column: for table statistics.
struct ColumnStatistics {
  int64_t null_count = 0;
  /// Smallest and largest non-null value as scalars of the column's type; null if there is none, or
  /// the type has no order of use (binary, boolean, nested).
  std::shared_ptr<arrow::Scalar> minimum;
  std::shared_ptr<arrow::Scalar> maximum;
};

struct ParquetFile {
  std::string bytes;  ///< Empty, if they went to a sink.
  int64_t size = 0;   ///< In bytes.
  int64_t rows = 0;
  std::map<std::string, ColumnStatistics> columns;
};

enum class Compression : uint8_t {
  kZstd,  ///< Level 1; a file of a few rows is left as it is.
  kNone,
};

struct ParquetOptions {
  int64_t row_group_rows_max = 1 << 20;
  /// Of the rows of one group in memory, as ParquetWriter counts them; WriteParquet() has them all.
  int64_t row_group_bytes_max = int64_t{64} << 20;
  /// Columns of random values: no dictionary, no compression, no statistics.
  std::vector<std::string> random_columns = {};
  /// Columns in which single values are looked for: a Bloom filter a row group, of about a byte a
  /// row, tells readers where they need not look; one look in 20 is in vain.
  std::vector<std::string> bloom_filter_columns = {};
  /// Columns of text that nothing makes smaller but a dictionary, such as hashes: without one, no
  /// compression. Zstandard would win a quarter of the bytes for most of the file's time.
  std::vector<std::string> incompressible_columns = {};
  /// Columns of personal data: no statistics, in the file or made of it, and no page index.
  std::vector<std::string> private_columns = {};
  Compression compression = Compression::kZstd;
};

/// Writes batches of one schema as one file: timestamps in microseconds, page index.
Result<ParquetFile> WriteParquet(const Schema& schema, const std::vector<Batch>& batches,
                                 const ParquetOptions& options = {});

/// Reads the named columns, all if none is named, of a whole file that lies in memory. Those that
/// the file does not have are absent from the result: files are older than columns, or foreign.
/// Timestamps are in microseconds, whatever the file has.
Result<std::vector<Batch>> ReadParquet(std::string_view bytes,
                                       const std::vector<std::string>& columns = {});

/// As above, of a file of any size: `use` gets its rows in turn, at most 64 Ki at once. Holds those
/// and `buffer_bytes` or a page of each column, whichever is more. An error of `use` ends it.
Status ReadParquet(const std::shared_ptr<arrow::io::RandomAccessFile>& file,
                   const std::vector<std::string>& columns, int64_t buffer_bytes,
                   const std::function<Status(const Batch&)>& use);

}  // namespace sluice::columnar
