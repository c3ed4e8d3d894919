#pragma once
/// \file
/// How columns are encoded in our Parquet files, and what is known of them without looking at each
/// value once more.

#include <arrow/type_fwd.h>
#include <parquet/properties.h>
#include <parquet/statistics.h>

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "sluice/columnar/parquet.h"

namespace sluice::columnar::internal {

/// Rows as they are written, and what is known of columns beyond what the writer finds out.
struct PreparedRows {
  std::shared_ptr<arrow::Table> table;
  /// The values of columns that became dictionaries: each is in some row.
  std::map<std::string, std::shared_ptr<arrow::StringArray>> dictionaries;
};

/// Texts that repeat become dictionaries.
Result<PreparedRows> Prepare(const Schema& schema, const std::vector<Batch>& batches,
                             const ParquetOptions& options);

/// The settings for a file of `schema` whose first, or only, rows are `prepared`.
std::shared_ptr<parquet::WriterProperties> MakeProperties(const arrow::Schema& schema,
                                                          const PreparedRows& prepared,
                                                          const ParquetOptions& options);

/// Whether values of the type have an order that all readers agree on, NaN apart.
bool HasUsefulOrder(const arrow::DataType& type);
/// Whether the smallest and largest value of the column are of use to readers.
bool HasBounds(const arrow::ChunkedArray& column);

/// Widens `bounds` by the statistics of one row group. False: these say nothing.
bool Widen(ColumnStatistics& bounds, const parquet::Statistics* statistics);
/// Widens `bounds` by all values of a dictionary. False: some are too long.
bool Widen(ColumnStatistics& bounds, const arrow::StringArray& values);

}  // namespace sluice::columnar::internal
