#pragma once
/// \file
/// Which offsets are missing, by what is left around the damage.

#include <cstdint>
#include <map>
#include <vector>

#include "sluice/journal/internal/format.h"
#include "sluice/journal/internal/manifest.h"
#include "sluice/journal/journal.h"

namespace sluice::journal::internal {

/// Offsets of a partition are dense, so what lies between two frames of it and is not there was
/// lost, if there is damage between them too: else the offset was raised on purpose.
///
/// Told of frames, damaged frames and gaps in the order of the journal. Not thread-safe.
class LossFinder {
 public:
  /// What was released is not missed.
  explicit LossFinder(const std::map<PartitionId, PartitionEntry>& partitions);

  void Found(const FrameHeader& frame);
  /// A frame whose rows are gone; its header still tells which those were.
  void Lost(const FrameHeader& frame);
  /// Bytes that tell nothing. `known_end`: the manifest was written after them, so that it knows up
  /// to where offsets were given away.
  void Unreadable(uint64_t bytes, bool known_end);
  /// Call once, last: what is missing at the ends.
  void Finish();

  const std::vector<Loss>& losses() const { return losses_; }
  /// The offset from which on a partition may go on: no lost row can have had it.
  const std::map<PartitionId, Offset>& next() const { return next_; }

 private:
  struct Track {
    bool known = false;  ///< To the manifest, or by a frame.
    Offset released = 0;
    Offset known_next = 0;  ///< By the manifest.
    Offset expected = 0;
    uint64_t gaps = 0;          ///< How many there were in front of the last frame.
    uint64_t unknown_gaps = 0;  ///< Of them, those without a known end.
  };
  void Add(PartitionId partition, const Track& track, Offset begin, Offset end, bool exact = true);

  std::map<PartitionId, Track> tracks_;
  uint64_t gaps_ = 0;
  uint64_t unknown_gaps_ = 0;
  uint64_t unknown_bytes_ = 0;
  std::vector<Loss> losses_;
  std::map<PartitionId, Offset> next_;
};

}  // namespace sluice::journal::internal
