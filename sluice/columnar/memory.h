#pragma once
/// \file
/// How the process keeps memory for batches.

namespace sluice::columnar {

/// Makes Arrow use the allocator of the process, unless ARROW_DEFAULT_MEMORY_POOL says otherwise,
/// and that keep what was free a moment ago for the next batch.
///
/// By their defaults both give memory back to the kernel soon, and get it again, zeroed, for the
/// next batch: a third of the time of ingest went there. Call it before Arrow's first use and
/// before other threads start.
void UseProcessMemory();

}  // namespace sluice::columnar
