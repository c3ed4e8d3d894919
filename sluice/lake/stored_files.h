#pragma once
/// \file
/// What an engine must know that reads the data files of a table by itself: where columns are found
/// in them, what stands in the log alone, and which rows count. (Scan does all this, and reads.)

#include <arrow/type_fwd.h>

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "sluice/columnar/batch.h"
#include "sluice/columnar/row_runs.h"
#include "sluice/lake/delta_table.h"

namespace sluice::lake {

/// How columns are found in the files of a table.
struct StoredColumns {
  /// A schema's columns in its order and shape, by their names in the files, with their ids as
  /// `PARQUET:field_id`. Null: the table does not map its columns, and all are as they are called.
  columnar::Schema schema;
  bool match_field_ids = false;  ///< By id, not by name. Columns without an id: by name.
};

/// `wanted`: columns of the table; others are taken to be called the same in files.
StoredColumns StoredAs(const Snapshot& snapshot, const arrow::Schema& wanted);

/// Returns the name by which statistics and partition values in the log know a top-level column.
std::string NameInLog(const Snapshot& snapshot, std::string_view column);

/// Returns what all rows of a file have in a partition column. kCorrupt: the log's text is no value
/// of the column's type. `zone` as in ScanOptions.
Result<std::shared_ptr<arrow::Scalar>> PartitionValueOf(const Snapshot& snapshot,
                                                        const DataFile& file,
                                                        std::string_view column,
                                                        const std::string& zone = "UTC");

/// Reads which rows of a file are deleted; none if it has no deletion vector.
Result<columnar::RowRuns> DeletedRows(const DeltaTable& table, const DataFile& file);

/// A file with rows that a commit changed.
struct ChangedFile {
  DataFile file;
  std::string change_type;    ///< Of all its rows; empty: they have a column `_change_type`.
  columnar::RowRuns deleted;  ///< Rows that are not part of the change.
  Version version = 0;
  int64_t commit_ms = 0;
};

struct ChangedFiles {
  std::shared_ptr<const Snapshot> last;  ///< At the last version: whose columns the changes have.
  std::vector<ChangedFile> files;
};

/// Returns the files to read for the changes of `from` to `to`, as ChangeFeed has them; with its
/// errors, and kUnsupported for more than `files_max`.
Result<ChangedFiles> ListChanges(const DeltaTable& table, Version from, std::optional<Version> to,
                                 size_t files_max);

}  // namespace sluice::lake
