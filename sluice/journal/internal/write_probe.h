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

/// Writes a few blocks both ways in turns into files of its own in `folder` (3.3 MiB each), for a
/// tenth of a second at most or one write more, and chooses: around the page cache, as it costs far
/// less processor time, unless that is clearly slower all the while. Of `asked` kDirect it only
/// looks whether the file system can. Never fails: where such a write does not work, it is not
/// chosen.
WriteChoice ChooseWrites(Writes asked, os::Disk& disk, const os::Clock& clock,
                         std::string_view folder);

}  // namespace sluice::journal::internal
