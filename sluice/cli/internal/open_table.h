#pragma once
/// \file
/// Opens a Delta table by its address.

#include <memory>
#include <optional>
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

/// Loads the table as it was at a version, or at a time if that is not empty, else as it is.
/// kInvalid: that is no time.
Result<std::shared_ptr<const lake::Snapshot>> LoadAsAsked(const lake::DeltaTable& table,
                                                          std::optional<int64_t> version,
                                                          const std::string& timestamp);

}  // namespace sluice::cli::internal
