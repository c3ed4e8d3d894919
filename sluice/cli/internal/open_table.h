#pragma once
/// \file
/// Opens a Delta table by its address.

#include <memory>
#include <string>

#include "sluice/lake/delta_table.h"
#include "sluice/os/clock.h"
#include "sluice/os/disk.h"
#include "sluice/os/random.h"
#include "sluice/store/store_set.h"

namespace sluice::cli::internal {

/// A table with all that it needs.
struct OpenedTable {
  os::SystemDisk disk;
  os::SystemClock clock;
  os::SystemRandom random;
  store::StoreSet stores{disk, random};
  std::unique_ptr<lake::DeltaTable> table;
};

/// `address`: a folder, or `s3://bucket/path`. kInvalid: it is none.
Result<std::unique_ptr<OpenedTable>> OpenTable(const std::string& address);

}  // namespace sluice::cli::internal
