#pragma once
/// \file
/// All versions of topics' contracts, one file each: what rows of old versions meant.

#include <string>
#include <vector>

#include "sluice/base/error.h"
#include "sluice/event/contract.h"
#include "sluice/os/disk.h"

namespace sluice::catalog {

/// Keeps the contract under its version, durably, before the next one takes its place in the
/// catalog. `folder` is that of one incarnation of a topic. What is there under that version is
/// replaced: earlier programs kept versions that were never taken into the catalog.
Status KeepVersion(os::Disk& disk, const std::string& folder, const event::Contract& contract);

/// Reads the versions before `current`, from the first on; those that were never kept are left out.
/// kCorrupt: a file cannot be read back.
Result<std::vector<event::Contract>> ReadVersions(os::Disk& disk, const std::string& folder,
                                                  int32_t current);

}  // namespace sluice::catalog
