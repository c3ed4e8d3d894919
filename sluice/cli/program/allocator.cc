// How the allocator of the program behaves; docs/adr/0014-allocator.md has the measurements.

/// Read by jemalloc before `main`. Two arenas, as batches go from thread to thread and every arena
/// has a reserve of its own; what nobody used for a quarter of a second goes back to the kernel;
/// nothing is kept as reserved addresses, which would count against the limits of the query
/// workers.
extern "C" const char* malloc_conf;
const char* malloc_conf = "narenas:2,dirty_decay_ms:250,muzzy_decay_ms:0,retain:false";
