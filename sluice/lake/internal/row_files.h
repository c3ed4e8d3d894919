#pragma once
/// \file
/// Writes rows of any partition to files of a table.

#include <arrow/type_fwd.h>

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "sluice/base/work_line.h"
#include "sluice/columnar/batch.h"
#include "sluice/lake/delta_table.h"
#include "sluice/lake/internal/data_file.h"
#include "sluice/lake/internal/table_state.h"

namespace sluice::lake::internal {

/// Rows of one partition.
struct PartitionRows {
  PartitionValues values;  ///< By the table's names of columns.
  columnar::Batch rows;
};

/// Sorts rows by the table's partition columns, which they have. kInvalid: a value that cannot
/// partition a table.
Result<std::vector<PartitionRows>> SplitByPartition(const TableState& table,
                                                    const columnar::Batch& rows);

/// How large the table wants its files: `delta.targetFileSize`, 128 MiB if it does not say.
int64_t TargetFileBytes(const TableState& table);

/// Files that one change writes. A file ends when it is as large as it should be, or when more
/// partitions are open than fit in memory. With more than one thread in the options, many rows are
/// encoded on one of their own, while the caller reads the next ones.
///
/// Not thread-safe.
class RowFiles {
 public:
  struct Options {
    AppendOptions write = {};
    std::vector<std::shared_ptr<arrow::Field>> extra = {};  ///< Columns behind the table's.
    std::string folder = {};                                ///< With its final '/'.
    int64_t file_bytes = 0;                                 ///< 0: as the table asks for.
    /// Of all files that are open, in memory.
    int64_t open_bytes_max = int64_t{256} << 20;
  };

  /// `table` is the state that `state` is of; all must outlive the files.
  RowFiles(const DeltaTable& table, const TableState& state, Options options);
  RowFiles(const RowFiles&) = delete;
  RowFiles& operator=(const RowFiles&) = delete;
  ~RowFiles();

  /// `rows` have all columns of the table in its order, then the extra ones.
  Status Write(const columnar::Batch& rows);
  /// Ends all files that are open; what follows tells of them all only then.
  Status Finish();

  const std::vector<DataFile>& files() const { return files_; }
  int64_t rows() const { return rows_; }
  /// Of rows that wait to be encoded. Only where the options have one thread.
  int64_t waiting_bytes() const;
  /// Deletes what was written: best effort, since a file that the log never names costs space
  /// alone.
  void Discard();

 private:
  using Open = std::map<PartitionValues, std::unique_ptr<DataFileWriter>>;

  Status Encode(const columnar::Batch& rows);
  Status Encode(const PartitionRows& part);
  Status End(Open::iterator file);

  const DeltaTable& table_;
  const TableState& state_;
  const Options options_;
  const int64_t file_bytes_max_;
  Open open_;
  std::vector<DataFile> files_;
  std::vector<std::string> written_;
  int64_t rows_ = 0;
  std::optional<WorkLine<columnar::Batch>> line_;  // Last: its thread uses what stands above.
};

}  // namespace sluice::lake::internal
