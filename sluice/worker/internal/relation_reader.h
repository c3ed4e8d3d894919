#pragma once
/// \file
/// Worker's side: relations out of shared memory.

#include <deque>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "sluice/os/descriptor.h"
#include "sluice/os/shared_memory.h"
#include "sluice/worker/internal/messages.h"

namespace sluice::worker::internal {

/// Maps what an answer names, and keeps it for the next query, which mostly names the same.
///
/// Not thread-safe: the worker's query thread owns it.
class RelationReader {
 public:
  /// Returns the relation with its files and batches, read where they lie.
  Result<duck::Relation> Read(RelationAnswer answer, const std::vector<os::Descriptor>& memories);

 private:
  struct Memory {
    std::shared_ptr<const os::Mapping> mapping;
    std::map<uint64_t, columnar::Batch> batches;  ///< By offset.
  };
  using Memories = std::map<uint64_t, std::shared_ptr<Memory>>;  // By number.

  std::deque<std::pair<std::string, Memories>> kept_;  // By the relation's name, newest first.
};

}  // namespace sluice::worker::internal
