#pragma once
/// \file
/// The rows of one data file, as the table has them.

#include <memory>
#include <string>
#include <vector>

#include "sluice/columnar/batch.h"
#include "sluice/lake/delta_table.h"
#include "sluice/lake/internal/convert_array.h"
#include "sluice/lake/internal/deletion_vector.h"
#include "sluice/lake/internal/file_places.h"

namespace sluice::lake::internal {

/// What a reader makes of each file.
struct ReadPlan {
  enum class Source : uint8_t {
    kFile,           ///< A column of the file, null if it has none.
    kPartition,      ///< From the log.
    kRowId,          ///< Stable id of the row, where rows are tracked.
    kCommitVersion,  ///< The version that last changed the row.
    kPath,           ///< The file's path in the log.
    kPosition,       ///< The row's position in the file.
    kChangeType,     ///< `_change_type` of a file of changes, or `change_type`.
  };
  struct Column {
    std::shared_ptr<arrow::Field> field;  ///< Annotated.
    Source source = Source::kFile;
  };
  std::vector<Column> columns;
  columnar::Schema schema;  ///< Of the batches; without annotations.
  ColumnMapping mapping = ColumnMapping::kNone;
  std::string zone = "UTC";
  std::string row_id_column;   ///< Where rewritten rows keep their ids; empty: nowhere.
  std::string version_column;  ///< Where they keep their versions.
  int64_t batch_rows = 64 * 1024;
  /// About so much a reader holds, of which a half is for a batch, however large rows and row
  /// groups are; 0: a whole row group as it lies in the file, and `batch_rows` of any size.
  int64_t memory_bytes_max = 0;
};

/// Which of a file's rows to give.
struct WantedRows {
  bool all = true;  ///< All but those deleted by the file's vector.
  /// If not `all`: the rows that `in` marks and `without` does not. Null marks none.
  std::shared_ptr<const DeletionVector> in = {};
  std::shared_ptr<const DeletionVector> without = {};
  std::string change_type = {};  ///< For kChangeType, where the file has no such column.
};

/// Not thread-safe.
class DataFileReader {
 public:
  /// kNotFound, kCorrupt, kUnsupported: naming the file. `plan` and `places` must outlive the
  /// reader.
  static Result<std::unique_ptr<DataFileReader>> Open(const FilePlaces& places,
                                                      const DataFile& file, const ReadPlan& plan,
                                                      WantedRows rows = {});
  virtual ~DataFileReader() = default;

  /// Returns the next rows, at least one; null at the end.
  virtual Result<columnar::Batch> Next() = 0;
};

/// Returns which rows of the file `rows` asks for, or, if those are all, which are deleted.
Result<RowSet> ReadRowSet(const FilePlaces& places, const DataFile& file, const WantedRows& rows,
                          int64_t file_rows);

/// Reads how many rows a file has, deleted ones too. Errors as Open().
Result<int64_t> CountRows(const FilePlaces& places, const DataFile& file);

}  // namespace sluice::lake::internal
