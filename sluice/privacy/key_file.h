#pragma once
/// \file
/// What can be told of a key file without its key.

#include <string>

#include "sluice/base/error.h"
#include "sluice/os/disk.h"

namespace sluice::privacy {

/// Whether the key file is sealed under another key, so that a copy of it alone opens nothing.
/// kNotFound: there is no such file.
Result<bool> IsSealedKeyFile(os::Disk& disk, const std::string& path);

}  // namespace sluice::privacy
