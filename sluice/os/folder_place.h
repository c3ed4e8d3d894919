#pragma once
/// \file
/// What a folder's name stands for.

#include <cstdint>
#include <string>

#include "sluice/base/error.h"

namespace sluice::os {

/// Whether the folder is a mount point, or its name a symbolic link: then no other folder can take
/// its name. False where there is nothing.
bool IsMountOrLink(const std::string& folder);

/// Names a file among all that this machine has, as long as it is there.
struct FileIdentity {
  uint64_t device = 0;
  uint64_t number = 0;

  bool operator==(const FileIdentity&) const = default;
};

/// Returns which file a path leads to. kNotFound: to none. kUnavailable: that cannot be told now.
Result<FileIdentity> IdentityOf(const std::string& path);

}  // namespace sluice::os
