// How the allocator of the program behaves; docs/adr/0014-allocator.md has the measurements.

/// Read by jemalloc before `main`. Two arenas, as batches go from thread to thread and every arena
/// has a reserve of its own; what nobody used for a second goes back to the kernel.
extern "C" const char* malloc_conf;
const char* malloc_conf = "narenas:2,dirty_decay_ms:1000,muzzy_decay_ms:0";
