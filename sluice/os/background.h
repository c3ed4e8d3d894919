#pragma once
/// \file
/// Threads whose work gives way to that of all others.

#include <chrono>

namespace sluice::os {

/// Puts the calling thread behind all others, for the processor and for the disk, as far as the
/// system knows such a thing.
void GiveWayToOtherThreads();

/// Processor time that the calling thread has used since it began.
std::chrono::microseconds ThreadProcessorTime();

}  // namespace sluice::os
