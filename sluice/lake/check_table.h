#pragma once
/// \file
/// Whether the files of a table are what its log says.

#include <cstdint>
#include <string>
#include <vector>

#include "sluice/base/error.h"
#include "sluice/lake/delta_table.h"

namespace sluice::lake {

/// Something that is not as it should be.
struct TableFault {
  std::string file;  ///< Path in the log, or the name of a file of the log.
  std::string what;  ///< Found and expected.
};

struct TableReport {
  Version version = 0;
  int64_t files = 0;
  int64_t bytes = 0;
  int64_t rows = 0;          ///< Without deleted ones; of the files that could be read.
  int64_t rows_deleted = 0;  ///< By deletion vectors.
  int64_t checksums = 0;     ///< `.crc` files that were compared.
  std::vector<TableFault> faults;
};

/// Reads every byte of a data file, and compares them with the file's own checksums. Nothing is
/// decoded of files that we wrote and that are whole (columnar/parquet_check.h).
///
/// kCorrupt, kNotFound: naming the file, and the row group and column that are damaged, or that
/// what is damaged lies beside them. kUnavailable: the store failed.
Status CheckBytes(const DeltaTable& table, const DataFile& file);

/// Reads every data file and deletion vector of a snapshot, and compares bytes with their
/// checksums, sizes, row counts, bounds and null counts with the log, and the snapshot with its
/// `.crc`. Faults are in the report, at
/// most `faults_max`; errors are those of the store.
Result<TableReport> CheckTable(const DeltaTable& table, std::shared_ptr<const Snapshot> snapshot,
                               size_t faults_max = 1000);

}  // namespace sluice::lake
