#pragma once
/// \file
/// Memory of this process.

namespace sluice::os {

/// Gives memory that was freed back to the machine. The allocator keeps it otherwise, for as long
/// as anything lives behind it, and a burst of work leaves a process as large as it ever was.
///
/// Takes some milliseconds for each 100 MiB; other threads go on. Thread-safe.
void ReturnFreeMemory();

}  // namespace sluice::os
