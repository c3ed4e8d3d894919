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

/// Reads every data file and deletion vector of a snapshot, and compares sizes, row counts, bounds
/// and null counts with the log, and the snapshot with its `.crc`. Faults are in the report, at
/// most `faults_max`; errors are those of the store.
Result<TableReport> CheckTable(const DeltaTable& table, std::shared_ptr<const Snapshot> snapshot,
                               size_t faults_max = 1000);

}  // namespace sluice::lake
