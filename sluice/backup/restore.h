#pragma once
/// \file
/// Puts a backup in place.

#include <string>

#include "sluice/backup/contents.h"
#include "sluice/backup/make.h"
#include "sluice/base/error.h"
#include "sluice/os/disk.h"

namespace sluice::backup {

/// Puts the project's files into `folder`, unless there is a project file; returns whether it did.
/// The files must have been checked.
Result<bool> RestoreProject(os::Disk& disk, const std::string& source, const Contents& contents,
                            const std::string& folder);

/// Puts data and keys where the installation has them. The files must have been checked.
///
/// All data is first written beside its folder, under a name that ends with `.restoring`, and gets
/// its own name in one step: no server ever sees a part of it.
/// kConflict: the data folder is not empty, other keys are there, or an earlier call was cut short;
/// nothing was changed. kCorrupt: a file changed since it was checked. kUnavailable: a disk is full
/// or failed.
Status Restore(os::Disk& disk, const std::string& source, const Contents& contents,
               const Installation& installation);

}  // namespace sluice::backup
