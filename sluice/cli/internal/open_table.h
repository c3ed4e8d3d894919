#pragma once
/// \file
/// Opens a Delta table by its address.

#include <memory>
#include <optional>
#include <string>

#include "sluice/cli/internal/commands.h"
#include "sluice/lake/delta_table.h"
#include "sluice/os/clock.h"
#include "sluice/os/disk.h"
#include "sluice/os/expiry_clock.h"
#include "sluice/os/random.h"
#include "sluice/store/store_set.h"

namespace sluice::cli::internal {

/// A table with all that it needs.
struct OpenedTable {
  os::SystemDisk disk;
  os::SystemClock clock;
  os::ExpiryClock expiry{clock};  // What the table's project trusts.
  os::SystemRandom random;
  store::StoreSet stores{disk, random};
  std::unique_ptr<lake::DeltaTable> table;
};

/// Where a landed table lies that is named as in SQL, `bronze.orders`, in the project of `global`.
/// Anything else, and the name of a folder that is here, is returned as it is.
std::string AddressOf(const Global& global, const std::string& address);

/// `address`: a folder, or `s3://bucket/path`. In a table of a project, that of `global` or the one
/// in whose data it lies, what becomes old asks the time that the project trusts, if the clock is
/// more than an hour off. kInvalid: it is none.
Result<std::unique_ptr<OpenedTable>> OpenTable(const Global& global, const std::string& address);

/// Loads the table as it was at a version, or at a time if that is not empty, else as it is.
/// kInvalid: that is no time.
Result<std::shared_ptr<const lake::Snapshot>> LoadAsAsked(const lake::DeltaTable& table,
                                                          std::optional<int64_t> version,
                                                          const std::string& timestamp);

}  // namespace sluice::cli::internal
