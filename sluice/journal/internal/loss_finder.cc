#include "sluice/journal/internal/loss_finder.h"

#include <algorithm>
#include <limits>

namespace sluice::journal::internal {

namespace {

// More rows than the bytes of a gap can have held, by far: offsets cost nothing, and none may ever
// be given away twice.
constexpr uint64_t kOffsetsLeftOutMin = 1 << 20;

}  // namespace

LossFinder::LossFinder(const std::map<PartitionId, PartitionEntry>& partitions) {
  for (const auto& [partition, entry] : partitions) {
    tracks_[partition] = {.known = true,
                          .released = entry.released,
                          .known_next = entry.next,
                          .expected = entry.released};
  }
}

void LossFinder::Add(PartitionId partition, const Track& track, Offset begin, Offset end,
                     bool exact) {
  begin = std::max(begin, track.released);
  if (begin >= end) return;
  if (!losses_.empty() && losses_.back().partition == partition && losses_.back().end == begin &&
      losses_.back().exact == exact) {
    losses_.back().end = end;
    return;
  }
  losses_.push_back({.partition = partition, .begin = begin, .end = end, .exact = exact});
}

void LossFinder::Found(const FrameHeader& frame) {
  Track& track = tracks_[frame.partition];
  if (frame.base > track.expected && gaps_ > track.gaps) {
    Add(frame.partition, track, track.expected, frame.base, track.known);
  }
  track.known = true;
  track.expected = std::max(track.expected, frame.base + frame.rows);
  track.gaps = gaps_;
  track.unknown_gaps = unknown_gaps_;
}

void LossFinder::Lost(const FrameHeader& frame) {
  if (frame.rows < 1 || frame.base > std::numeric_limits<Offset>::max() - frame.rows) return;
  const Offset begin = std::max(frame.base, tracks_[frame.partition].expected);
  Found(frame);
  Add(frame.partition, tracks_[frame.partition], begin, frame.base + frame.rows);
}

void LossFinder::Unreadable(uint64_t bytes, bool known_end) {
  ++gaps_;
  if (known_end || bytes == 0) return;
  ++unknown_gaps_;
  unknown_bytes_ += bytes;
}

void LossFinder::Finish() {
  for (auto& [partition, track] : tracks_) {
    if (track.gaps < gaps_ && track.expected < track.known_next) {
      Add(partition, track, track.expected, track.known_next);
    }
    track.expected = std::max(track.expected, track.known_next);
    if (track.unknown_gaps < unknown_gaps_) {
      const auto left_out = static_cast<Offset>(std::max(unknown_bytes_, kOffsetsLeftOutMin));
      Add(partition, track, track.expected, track.expected + left_out, false);
      track.expected += left_out;
    }
    next_[partition] = track.expected;
  }
}

}  // namespace sluice::journal::internal
