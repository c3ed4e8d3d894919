#pragma once
/// \file
/// Which way of writing is the better one on this disk.

#include <string>
#include <string_view>

#include "sluice/journal/journal.h"
#include "sluice/os/clock.h"
#include "sluice/os/disk.h"

namespace sluice::journal::internal {

struct WriteChoice {
  Writes writes = Writes::kCached;  ///< kCached or kDirect.
  std::string reason = {};          ///< With what was measured, for people.
};

/// Writes a few blocks both ways into a file of its own in `folder`, for at most a tenth of a
/// second, and chooses: around the page cache where that is not slower, as it costs far less
/// processor time. Of `asked` kDirect it only looks whether the file system can. Never fails: what
/// cannot be measured is not chosen.
WriteChoice ChooseWrites(Writes asked, os::Disk& disk, const os::Clock& clock,
                         std::string_view folder);

}  // namespace sluice::journal::internal
