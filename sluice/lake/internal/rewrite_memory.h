#pragma once
/// \file
/// How memory is shared out among the parts of a rewriting.

#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "sluice/lake/compact_files.h"
#include "sluice/lake/delta_table.h"

namespace sluice::lake::internal {

/// For ReadPlan; columns take as much again while they are converted, or picked apart.
inline int64_t ReadBytes(const RewriteMemory& memory) { return memory.bytes_max / 6; }

/// How `files` that are open at once are written: their rows have a quarter of the memory, an
/// eighth where there are several and rows are picked apart for them; encoding takes as much again.
inline AppendOptions WithinMemory(AppendOptions write, const RewriteMemory& memory, size_t files) {
  if (memory.bytes_max > 0 || memory.tell) write.threads = 1;
  if (memory.bytes_max <= 0) return write;
  constexpr int64_t kLeast = int64_t{64} << 10;
  const int64_t rows = memory.bytes_max / (files > 1 ? 8 : 4);
  write.parquet.row_group_bytes_max =
      std::min(write.parquet.row_group_bytes_max,
               std::max(kLeast, rows / static_cast<int64_t>(std::max<size_t>(files, 1))));
  return write;
}

/// Tells of a rewriting's memory; of none when it goes.
///
/// Not thread-safe.
class MemoryTeller {
 public:
  /// `memory` must outlive the object.
  explicit MemoryTeller(const RewriteMemory& memory) : memory_(memory) {}
  ~MemoryTeller() {
    if (memory_.tell) memory_.tell(0);
  }
  MemoryTeller(const MemoryTeller&) = delete;
  MemoryTeller& operator=(const MemoryTeller&) = delete;

  bool wanted() const { return static_cast<bool>(memory_.tell); }
  /// `batch`: bytes of the rows that were read last; `waiting`: of those that wait to be encoded,
  /// `largest` of them for one file.
  void Tell(int64_t batch, int64_t waiting, int64_t largest) const {
    if (memory_.tell) memory_.tell(2 * batch + waiting + largest);
  }

 private:
  const RewriteMemory& memory_;
};

}  // namespace sluice::lake::internal
