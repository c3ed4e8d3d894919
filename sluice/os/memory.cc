#include "sluice/os/memory.h"

#if defined(__GLIBC__)
#include <malloc.h>
#endif

namespace sluice::os {

void ReturnFreeMemory() {
#if defined(__GLIBC__)
  // Another C library, or an allocator put in its place, has ways of its own.
  (void)malloc_trim(0);
#endif
}

}  // namespace sluice::os
