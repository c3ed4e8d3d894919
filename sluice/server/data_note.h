#pragma once
/// \file
/// A note beside the keys of which data folders were made with them: without it a folder that was
/// moved away, or whose disk is not mounted, looks like that of a new project.

#include <string>

#include "sluice/base/error.h"
#include "sluice/os/disk.h"

namespace sluice::server {

/// Where the note is, in the folder of the keys: a path a line.
std::string DataNote(const std::string& keys_folder);

/// kNotFound: by the note there are data in the folder `data`, an absolute path, and there are
/// none.
Status CheckDataAreThere(os::Disk& disk, const std::string& keys_folder, const std::string& data);

/// Notes the folder, durably, unless it is noted. To be called once its journal is durable.
/// kDenied, kUnavailable: it cannot be written.
Status NoteData(os::Disk& disk, const std::string& keys_folder, const std::string& data);

}  // namespace sluice::server
