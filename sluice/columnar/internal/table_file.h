#pragma once
/// \file
/// A Parquet file from tables, one a row group.

#include <arrow/io/interfaces.h>
#include <arrow/result.h>
#include <arrow/status.h>
#include <arrow/table.h>
#include <arrow/type_fwd.h>
#include <parquet/metadata.h>
#include <parquet/properties.h>

#include <memory>

namespace sluice::columnar::internal {

/// Not thread-safe: the writer of one file owns it.
class TableFile {
 public:
  virtual ~TableFile() = default;

  /// Begins a file of the columns of `schema`, which may be dictionaries where `plain` has text;
  /// `plain` is the schema of the rows that come. Files of flat columns are encoded here, those
  /// with nested ones by the library. Timestamps are in microseconds.
  static arrow::Result<std::unique_ptr<TableFile>> Open(
      const arrow::Schema& plain, const arrow::Schema& schema,
      std::shared_ptr<arrow::io::OutputStream> output,
      std::shared_ptr<parquet::WriterProperties> properties);

  virtual arrow::Status WriteGroup(const arrow::Table& rows) = 0;
  /// Writes indexes and footer, with `entries` in it. Nothing can be written any more.
  virtual arrow::Status Close(const std::shared_ptr<const arrow::KeyValueMetadata>& entries) = 0;
  /// What the footer says; known once the file is closed.
  virtual std::shared_ptr<parquet::FileMetaData> metadata() const = 0;
};

}  // namespace sluice::columnar::internal
