#pragma once
/// \file
/// Memory of this process.

namespace sluice::os {

/// Gives memory that was freed back to the machine, whichever allocator the program has. It keeps
/// some otherwise until it is asked for more, and a burst of work leaves a process larger than it
/// need be.
///
/// Takes some milliseconds for each 100 MiB, and whoever needs memory next gets it zeroed by the
/// kernel: for when a burst is over. Other threads go on. Thread-safe.
void ReturnFreeMemory();

}  // namespace sluice::os
