#pragma once
/// \file
/// Puts a backup in place.

#include <string>

#include "sluice/backup/contents.h"
#include "sluice/backup/make.h"
#include "sluice/base/error.h"
#include "sluice/os/disk.h"

namespace sluice::backup {

/// Where data lies until all that is restored is there: a folder beside the one that it will be.
/// While it exists and the data folder is empty, a restore was cut short, and no server may start.
std::string UnfinishedFolder(const std::string& data);

/// The file that says so where they lie in the data folder itself from the first on. While it is
/// there no server may start.
std::string UnfinishedMark(const std::string& data);

/// Puts project, data and keys where the installation has them. The files must have been checked.
///
/// All data is first written into UnfinishedFolder(), and gets its own name in one step, last of
/// all: no server ever sees a part of it. A data folder that must stay as it is, or that has empty
/// folders, such as mount points, is filled in place instead, and has UnfinishedMark() until all is
/// there. The project's files go into the project folder unless
/// there is a project file; it is the last of them, and comes after all data. Once this has
/// returned, a power loss takes nothing of it away. kConflict: the data folder has files, other
/// keys or schemas are there, tables would have to be elsewhere than the backup has them, or an
/// earlier call was cut short; nothing was changed. kCorrupt: a file changed since it was checked.
/// kUnavailable: a disk is full or failed.
Status Restore(os::Disk& disk, const std::string& source, const Contents& contents,
               const Installation& installation);

}  // namespace sluice::backup
