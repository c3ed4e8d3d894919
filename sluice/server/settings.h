#pragma once
/// \file
/// The settings of a project one by one, each with the place that it comes from.

#include <string>
#include <vector>

#include "sluice/base/error.h"
#include "sluice/os/disk.h"
#include "sluice/server/config.h"

namespace sluice::server {

struct Setting {
  std::string key;     ///< `land.every`
  std::string value;   ///< As the project file would have it.
  std::string origin;  ///< `sluice.yaml:3`, `$SLUICE_LAND_EVERY`, `default`.
};

/// Returns all settings that hold: those laid over the project file, those of `folder`/sluice.yaml,
/// and defaults for the others. Errors are those of LoadConfig().
Result<std::vector<Setting>> LoadSettings(os::Disk& disk, const std::string& folder,
                                          const Overrides& overrides = {});

/// Returns the key of each setting that is one value: all but those of topics.
std::vector<std::string> SettingKeys();

}  // namespace sluice::server
