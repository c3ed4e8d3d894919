#pragma once
/// \file
/// From rows to a data file of a table.

#include <string>
#include <string_view>
#include <vector>

#include "sluice/columnar/batch.h"
#include "sluice/columnar/parquet.h"
#include "sluice/lake/delta_table.h"

namespace sluice::lake::internal {

/// Rows as they stand in a file of the table.
struct FileRows {
  columnar::Schema schema;
  std::vector<columnar::Batch> batches;
  int64_t rows = 0;
};

/// Brings rows to the table's columns: in its order and types, without partition columns, and
/// without nullable columns that no batch has. kInvalid: a column the table does not have, another
/// type, or a null where none may be.
Result<FileRows> ToTableRows(const Snapshot& table, const std::vector<columnar::Batch>& batches);

/// Returns the path of a new file in the table, as the store spells it:
/// `country=US%2FEast/part-<uuid>.parquet`. kInvalid: the values are not those of the partition
/// columns.
Result<std::string> NewFilePath(const Snapshot& table, const NewFile& file, std::string_view uuid);

/// A file's bytes and what the log says about it.
struct EncodedFile {
  std::string store_path;  ///< Relative to the table's root.
  std::string bytes;
  DataFile entry;
};

Result<EncodedFile> EncodeFile(const Snapshot& table, const NewFile& file,
                               const columnar::ParquetOptions& options, std::string_view uuid,
                               int64_t now_ms);

}  // namespace sluice::lake::internal
