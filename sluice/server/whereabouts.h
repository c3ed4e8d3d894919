#pragma once
/// \file
/// Where a running server can be reached, as it leaves word of it for commands on its project.

#include <cstdint>
#include <optional>
#include <string>

#include "sluice/base/error.h"
#include "sluice/os/disk.h"
#include "sluice/os/process_identity.h"

namespace sluice::server {

/// What `sluice dev` or `-X serve.http=…` serve is not always what the project file says.
struct Whereabouts {
  std::string address = {};  ///< One to connect to.
  uint16_t port = 0;
  bool tls = false;
  os::ProcessIdentity process = os::ThisProcess();
};

/// Leaves word in the data folder `data`. It is for now: nothing makes it durable.
Status LeaveWord(os::Disk& disk, const std::string& data, const Whereabouts& where);

/// Takes it back. Fine if there is none.
void TakeWordBack(os::Disk& disk, const std::string& data);

/// Returns where the server of the data folder is. Nothing: none runs, it cannot be seen from here,
/// or what it left cannot be read.
std::optional<Whereabouts> FindServer(os::Disk& disk, const std::string& data);

}  // namespace sluice::server
