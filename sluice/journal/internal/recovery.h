#pragma once
/// \file
/// From the bytes on the disk to a journal that can be served.

#include "sluice/base/error.h"
#include "sluice/journal/internal/state.h"
#include "sluice/journal/internal/storage.h"
#include "sluice/journal/journal.h"
#include "sluice/os/clock.h"
#include "sluice/os/random.h"

namespace sluice::journal::internal {

struct Recovered {
  State state;
  Recovery found;
};

/// Reads all segments, cuts a torn tail off, and raises the epoch; makes the journal if there is
/// none.
///
/// The folder must be locked. May be cut short at any point and run again.
/// kCorrupt: acknowledged bytes are damaged or gone; nothing was changed.
Result<Recovered> Recover(Storage& storage, const os::Clock& clock, os::Random& random);

}  // namespace sluice::journal::internal
