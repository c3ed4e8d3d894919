#pragma once
/// \file
/// The settings of a project one by one, each with the place that it comes from.

#include <string>
#include <vector>

#include "sluice/base/error.h"
#include "sluice/os/disk.h"

namespace sluice::server {

struct Setting {
  std::string key;     ///< `land.every`
  std::string value;   ///< As the project file would have it.
  std::string origin;  ///< `sluice.yaml:3`, or `default`.
};

/// Returns all settings that hold: those of `folder`/sluice.yaml, and defaults for the others.
/// Errors are those of LoadConfig().
Result<std::vector<Setting>> LoadSettings(os::Disk& disk, const std::string& folder);

}  // namespace sluice::server
