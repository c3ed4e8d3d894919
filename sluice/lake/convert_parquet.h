#pragma once
/// \file
/// Making a table of Parquet files that are there, where they are.

#include <arrow/type_fwd.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "sluice/lake/alter_table.h"
#include "sluice/lake/delta_table.h"

namespace sluice::lake {

struct ConvertOptions {
  struct PartitionColumn {
    std::string name;
    std::shared_ptr<arrow::DataType> type = {};  ///< Null: text.
  };
  /// The columns whose values the names of folders have (`day=2026-01-31/country=de/`), from the
  /// outermost folder on. Absent: as the folders of the first file say, all of them text.
  std::optional<std::vector<PartitionColumn>> partitioned_by = {};
  /// Footers that are read at the same time.
  int threads = 8;
  /// Nothing is written; the report says what would be.
  bool dry_run = false;
};

struct ConvertReport {
  std::shared_ptr<const Snapshot> snapshot;  ///< Null after a dry run.
  std::string schema_json;                   ///< As the log has it.
  std::vector<std::string> partition_columns;
  int64_t files = 0;
  int64_t bytes = 0;
  int64_t rows = 0;
  /// Objects that are no part of the table: their names, or those of their folders, begin with '_'
  /// or '.'.
  int64_t files_left_out = 0;
  std::vector<std::string> columns_left_out;  ///< Without a type, for all their values are null.
  std::vector<std::string> widened;           ///< Columns of which some files have narrower types.
  std::vector<LockedOut> locked_out;          ///< Engines that do not know the features it needs.
};

/// Makes `table`, which is a folder of Parquet files and not a table yet, one, in one commit: its
/// schema is that of all files together, statistics are those of their footers, and no file is
/// touched. Files lie in the folder itself or in folders named `COLUMN=VALUE`; a value of
/// `__HIVE_DEFAULT_PARTITION__` is null. Nobody else may write into the folder meanwhile.
///
/// At most 1,000,000 files, with a commit of 1 GiB. kConflict: there is a table already,
/// or one in a folder of it. kNotFound:
/// there are no files. kInvalid: naming a file that is no Parquet file or does not fit to the
/// others, and the column. kUnsupported: a type that tables cannot have. kUnavailable: the store
/// failed; when it was the commit that failed, look whether there is a table.
Result<ConvertReport> ConvertParquet(DeltaTable& table, const ConvertOptions& options = {});

}  // namespace sluice::lake
