#pragma once
/// \file
/// How the process keeps memory for batches.

namespace sluice::columnar {

/// Makes Arrow use the allocator of the process, unless ARROW_DEFAULT_MEMORY_POOL says otherwise:
/// one that knows all that is free (docs/adr/0014-allocator.md). Call it before Arrow's first use.
void UseProcessMemory();

}  // namespace sluice::columnar
