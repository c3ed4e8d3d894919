#pragma once
/// \file
/// Makes a backup of one installation, beside its server or without one.

#include <string>

#include "sluice/backup/contents.h"
#include "sluice/base/error.h"
#include "sluice/os/clock.h"
#include "sluice/os/disk.h"
#include "sluice/os/random.h"
#include "sluice/store/object_store.h"

namespace sluice::backup {

/// Where the parts of an installation are.
struct Installation {
  std::string project;  ///< Its name, for people.
  std::string folder;   ///< With the project file and `schemas/`.
  std::string data;     ///< With `journal/` and `control/`.
  std::string key_file;
  std::string tokens_file;
  std::string tables_at;  ///< Address of the tables, where they are not in `data`.
  /// The data folder is a mount point or a symbolic link, so that no other can take its name.
  bool data_stays = false;
};

struct MakeOptions {
  /// The key file, too, when it is not sealed.
  bool clear_keys = false;
  std::string program;  ///< Version, for people.
};

/// Writes a backup into `target`, which must be empty or absent: the journal up to a moment after
/// the call, control state, and each table at its last version that has nothing later than the
/// journal's end. So every event that was acknowledged before the call is in the backup, once.
///
/// `tables` is the store of tables. Those elsewhere (`tables_at`) are not copied; the versions that
/// go with the backup are noted. Nothing in the installation is changed, and nothing stops.
/// kConflict: `target` is not empty, or schemas or tables changed again and again meanwhile.
/// kCorrupt: something is damaged, which a backup would only hide. kUnavailable: a disk is full or
/// failed. What was written then has no list, so it never passes for a backup.
Result<Contents> Make(const Installation& installation, const std::string& target,
                      const MakeOptions& options, os::Disk& disk, store::ObjectStore& tables,
                      const os::Clock& clock, os::Random& random);

}  // namespace sluice::backup
