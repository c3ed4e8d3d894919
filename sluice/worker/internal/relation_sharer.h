#pragma once
/// \file
/// Server's side: puts what lies in memory where workers can read it.

#include <atomic>
#include <chrono>
#include <deque>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "sluice/duck/engine.h"
#include "sluice/os/clock.h"
#include "sluice/os/shared_memory.h"
#include "sluice/worker/internal/messages.h"

namespace sluice::worker::internal {

/// Keeps batches in shared memory for as long as queries ask for them, so that each is copied once
/// and not once a query. Batches are told apart by their address: they are immutable.
///
/// Thread-safe.
class RelationSharer {
 public:
  explicit RelationSharer(const os::Clock& clock) : clock_(clock) {}

  struct Shared {
    RelationAnswer answer;
    std::vector<int> descriptors;                               ///< Of answer.memories.
    std::vector<std::shared_ptr<const os::SharedMemory>> held;  ///< Keeps the descriptors open.
  };

  /// `tenant` and the relation's names say what replaces what: only batches of the newest call stay
  /// shared.
  Result<Shared> Share(const std::string& tenant, duck::Relation relation);

  /// Forgets relations that nobody asked for since `age`.
  void DropUnused(std::chrono::milliseconds age);

  /// Memory taken by what is shared now, in bytes.
  uint64_t Bytes() const;

 private:
  /// Memory that batches are appended to until it is full.
  struct Segment {
    uint64_t number = 0;
    std::shared_ptr<os::SharedMemory> memory;
    uint64_t used = 0;
  };
  struct Place {
    columnar::Batch batch;  ///< Held, so that its address is not given to another.
    std::shared_ptr<Segment> segment;
    uint64_t offset = 0;
    uint64_t size = 0;
    bool alone = false;  ///< In a segment of its own, because it was the last one.
  };
  struct Table {
    std::mutex mutex;  ///< Guards what follows.
    std::deque<Place> indexes;
    std::vector<Place> batches;
    std::shared_ptr<Segment> open;
    os::Monotonic used{};
  };

  Result<Place> Put(Table& table, const columnar::Batch& batch, bool alone);
  Status PutBatches(Table& table, const std::vector<columnar::Batch>& batches);

  const os::Clock& clock_;
  mutable std::mutex mutex_;  // Guards what follows; never waited for while a table's is held.
  std::map<std::string, std::shared_ptr<Table>> tables_;
  std::atomic<uint64_t> next_number_{1};
};

}  // namespace sluice::worker::internal
