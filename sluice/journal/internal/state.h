#pragma once
/// \file
/// What an open journal knows about itself.

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "sluice/journal/internal/manifest.h"

namespace sluice::journal::internal {

/// What a partition has in a segment.
struct SegmentShare {
  Offset end = 0;      ///< Behind its last row there.
  uint64_t bytes = 0;  ///< Of its frames.
};

/// A segment that holds groups.
struct Segment {
  SegmentEntry entry;
  uint64_t durable_end = kBlockBytes;
  uint64_t file_bytes = 0;
  /// Looked up for each frame, of thousands.
  std::unordered_map<PartitionId, SegmentShare> shares = {};
};

/// A schema, and where its newest copy is.
struct Schema {
  std::shared_ptr<const std::string> payload;
  Offset base = 0;
  int64_t received_us = 0;
  uint64_t segment = 0;
};
using SchemaKey = std::pair<PartitionId, uint64_t>;

/// All of it is durable. The last segment takes the next group, unless it is sealed.
///
/// Not thread-safe: a mutex of the journal guards it; only who writes for the journal changes what
/// is written.
struct State {
  std::string uuid;
  uint64_t epoch = 0;
  uint64_t segment_next = 1;
  Cursor next;  ///< Of the next group; its position is that in the last segment.
  int64_t received_us = 0;
  std::vector<Segment> segments;
  uint64_t prepared_bytes = 0;  ///< Of the file that will be the next segment.
  std::map<PartitionId, PartitionEntry> partitions;
  std::map<SchemaKey, Schema> schemas;
  std::vector<std::string> recoveries;
  std::vector<Loss> losses;

  Manifest ToManifest() const {
    Manifest manifest{.uuid = uuid,
                      .epoch = epoch,
                      .segment_next = segment_next,
                      .next = next,
                      .received_us = received_us,
                      .partitions = partitions,
                      .recoveries = recoveries};
    for (const Segment& segment : segments) manifest.segments.push_back(segment.entry);
    for (const Loss& loss : losses) {
      const auto partition = partitions.find(loss.partition);
      const bool released = partition != partitions.end() && loss.end <= partition->second.released;
      if (!released) manifest.losses.push_back(loss);
    }
    return manifest;
  }
};

}  // namespace sluice::journal::internal
