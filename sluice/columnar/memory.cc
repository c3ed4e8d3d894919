#include "sluice/columnar/memory.h"

#include <cstdlib>

namespace sluice::columnar {

void UseProcessMemory() {
  // Arrow has no other way to choose its default pool.
  ::setenv("ARROW_DEFAULT_MEMORY_POOL", "system", /*overwrite=*/0);
}

}  // namespace sluice::columnar
