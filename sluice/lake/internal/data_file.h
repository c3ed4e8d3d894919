#pragma once
/// \file
/// From rows to a data file of a table.

#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "sluice/columnar/batch.h"
#include "sluice/columnar/parquet.h"
#include "sluice/lake/delta_table.h"
#include "sluice/lake/internal/row_rules.h"

namespace sluice::lake::internal {

/// Returns the path of a new file in the table, as the store spells it:
/// `country=US%2FEast/part-<uuid>.parquet`; with two random characters for a folder where the table
/// maps its columns or asks for it. kInvalid: the values are not those of the partition columns.
Result<std::string> NewFilePath(const TableState& table, const PartitionValues& partition_values,
                                std::string_view uuid);

/// Returns partition values by the names, and with the nulls, that the log has.
PartitionValues InLog(const TableState& table, const PartitionValues& values);

/// A file's bytes and what the log says about it.
struct EncodedFile {
  std::string store_path;  ///< Relative to the table's root.
  std::string bytes;
  DataFile entry;
};

/// Brings rows to the table's columns and writes them. `identities` move forward. kInvalid: the
/// rows are not what the table asks for.
Result<EncodedFile> EncodeFile(const TableState& table, const RowRules& rules, const NewFile& file,
                               const AppendOptions& options, std::string_view uuid, int64_t now_ms,
                               std::map<std::string, Identity>& identities);

/// Writes rows that are what the table asks for, or were when they came, to one file. What is
/// encoded goes to the table's store as it comes; destroyed before Finish() has returned, the
/// writer gives the file up.
///
/// Not thread-safe.
class DataFileWriter {
 public:
  /// Rows have all columns of the table in its order, then `extra`, which get no statistics.
  /// `partition_values` by the table's names of columns; `folder`, with its final '/', is put
  /// before the path. `table`, and `state` that is of it, must outlive the writer.
  static Result<std::unique_ptr<DataFileWriter>> Open(
      const DeltaTable& table, const TableState& state, const PartitionValues& partition_values,
      const AppendOptions& options, const std::vector<std::shared_ptr<arrow::Field>>& extra,
      std::string_view uuid, std::string_view folder = "");
  virtual ~DataFileWriter() = default;

  virtual Status Write(const arrow::RecordBatch& rows) = 0;
  /// Where the file will be, relative to the table's root.
  virtual const std::string& store_path() const = 0;
  /// Of the file so far, with the rows that wait to be encoded.
  virtual int64_t bytes() const = 0;
  /// Of these, the rows that wait.
  virtual int64_t waiting_bytes() const = 0;
  /// Of all, what may be in memory.
  virtual int64_t memory_bytes() const = 0;
  /// The file is in the store when this returns, and the writer of no more use.
  virtual Result<DataFile> Finish() = 0;
};

}  // namespace sluice::lake::internal
