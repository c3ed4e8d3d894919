#include "sluice/os/memory.h"

#include <cstddef>

#if defined(__GLIBC__)
#include <malloc.h>
#endif

// Of jemalloc, in programs that are linked with it.
extern "C" [[gnu::weak]] int mallctl(const char* name, void* old, size_t* old_size, void* next,
                                     size_t next_size);

namespace sluice::os {

void ReturnFreeMemory() {
  if (mallctl != nullptr) {
    (void)mallctl("arena.4096.purge", nullptr, nullptr, nullptr, 0);  // MALLCTL_ARENAS_ALL: of all.
    return;
  }
#if defined(__GLIBC__)
  (void)malloc_trim(0);
#endif
}

}  // namespace sluice::os
