#pragma once
/// \file
/// Which process somebody was, to be asked later by others.

#include <cstdint>

namespace sluice::os {

/// Names one process among all that this machine runs: numbers alone are used again.
struct ProcessIdentity {
  int64_t number = 0;   ///< Of the process, as we see it.
  int64_t started = 0;  ///< When, in the kernel's ticks since the machine started.

  bool operator==(const ProcessIdentity&) const = default;
};

/// Returns who we are.
ProcessIdentity ThisProcess();

/// Whether that process runs now. False where it cannot be seen, as from another container.
bool Runs(const ProcessIdentity& process);

}  // namespace sluice::os
