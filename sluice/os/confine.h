#pragma once
/// \file
/// Takes rights away from the running process, for good.

#include <cstdint>
#include <string>
#include <vector>

#include "sluice/base/error.h"

namespace sluice::os {

struct Confinement {
  std::vector<std::string> read_only;   ///< Folders; must exist.
  std::vector<std::string> read_write;  ///< Folders; must exist.
  uint64_t address_bytes_max = 0;       ///< Of the whole address space, what is mapped included.
  uint64_t data_bytes_max = 0;          ///< Of private writable memory.
  uint64_t file_bytes_max = 0;          ///< Of each file written.
  uint64_t processor_seconds_max = 0;   ///< Over the life of the process.
  int descriptors_max = 256;
};

/// What the kernel holds us to.
struct Confined {
  int landlock = 0;      ///< Version of its interface; 0: it has none, so files are not confined.
  bool seccomp = false;  ///< Network, processes, tracing and the like are out of reach.
  int threads = 0;       ///< Of the process at the call; those beyond the caller stay free.
};

/// Confines the calling thread and all that it starts later: no files but those named, no network,
/// no new programs or processes, no signals to others, no core dumps, limits on memory and time.
/// What the kernel does not offer is told, not failed for. kUnavailable: it offers, but refuses.
Result<Confined> ConfineThisProcess(const Confinement& confinement);

/// What the kernel offers; changes nothing.
Confined Confinable();

}  // namespace sluice::os
