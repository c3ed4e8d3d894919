#include "sluice/columnar/memory.h"

#include <malloc.h>

#include <cstdlib>

namespace sluice::columnar {

void UseProcessMemory() {
  // Arrow has no other way to choose its default pool.
  ::setenv("ARROW_DEFAULT_MEMORY_POOL", "system", /*overwrite=*/0);
#ifdef M_ARENA_MAX
  // Batches go from thread to thread: with an arena for each, every one holds its own reserve.
  ::mallopt(M_ARENA_MAX, 2);
  ::mallopt(M_MMAP_THRESHOLD, 32 << 20);
  ::mallopt(M_TRIM_THRESHOLD, 64 << 20);
#endif
}

}  // namespace sluice::columnar
