#pragma once
/// \file
/// What a project folder says: its file and its schemas, read and checked together.

#include <string>
#include <vector>

#include "sluice/base/diagnostic.h"
#include "sluice/base/error.h"
#include "sluice/event/contract.h"
#include "sluice/os/disk.h"
#include "sluice/server/config.h"

namespace sluice::server {

/// Applies what the project file says about a contract's topic.
event::Contract Configure(const Config& config, event::Contract contract);

/// Reads the schema files of `folder`/schemas, by name; there need not be any.
Result<event::SchemaFiles> ReadSchemas(os::Disk& disk, const std::string& folder);

/// Compiles every schema of `folder`/schemas; there need not be any. The contracts are as the files
/// say, before Configure().
/// The error carries the diagnostics of all files.
Result<std::vector<event::Contract>> LoadSchemas(os::Disk& disk, const std::string& folder);

struct Checked {
  size_t files = 0;   ///< Looked at.
  size_t topics = 0;  ///< Made by schemas or by the project file.
  std::vector<Diagnostic> warnings;
};

/// Checks the project file and all schemas. The error carries the diagnostics of all of them.
Result<Checked> CheckProject(os::Disk& disk, const std::string& folder,
                             const Overrides& overrides = {});

/// Checks single files, wherever they lie: project files by their ending `.yaml` or `.yml`, schemas
/// together with those in their folder, which they may import. kNotFound: there is no such file.
/// kInvalid: mistakes, or a file that is neither.
Result<Checked> CheckFiles(os::Disk& disk, const std::vector<std::string>& paths);

}  // namespace sluice::server
