#pragma once
/// \file
/// Commands that make a backup and put it in place: without a server, or (making) beside it.

#include <string>

#include "sluice/cli/internal/commands.h"

namespace sluice::cli::internal {

struct BackupArguments {
  std::string folder;
  bool keys = false;   ///< The key file, too, when it is not sealed.
  bool check = false;  ///< `restore`: changes nothing.
};

int MakeBackup(const Global& global, const BackupArguments& arguments);
/// Into the project folder, which gets the project's files if it has no project file.
int RestoreBackup(const Global& global, const BackupArguments& arguments);

}  // namespace sluice::cli::internal
