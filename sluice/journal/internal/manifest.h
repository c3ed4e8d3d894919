#pragma once
/// \file
/// What the journal knows beside its segments; the one file that is replaced as a whole.

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "sluice/base/error.h"
#include "sluice/journal/internal/format.h"
#include "sluice/journal/journal.h"

namespace sluice::journal::internal {

/// A segment that is in use: only listed ones hold groups.
struct SegmentEntry {
  SegmentKey key;
  Cursor first;      ///< Of its first group.
  uint64_t end = 0;  ///< Where its last group ends; 0 while it is written.

  bool sealed() const { return end != 0; }
};

struct PartitionEntry {
  Offset released = 0;
  Offset next = 0;
  int64_t duplicates = 0;  ///< Ever answered so.
};

/// The content of the manifest.
///
/// It is written at start (it raises the epoch), before a new segment takes its first group, before
/// segments are removed, and at an orderly stop.
struct Manifest {
  std::string uuid = {};
  uint64_t epoch = 0;
  bool clean = false;
  uint64_t segment_next = 1;
  Cursor next = {};  ///< Sequence and chain of the group behind all that are sealed.
  int64_t received_us = 0;
  /// Oldest first; all but the last are sealed. One that took the place of others has a larger
  /// number than those behind it.
  std::vector<SegmentEntry> segments = {};
  std::map<PartitionId, PartitionEntry> partitions = {};
  std::vector<std::string> recoveries = {};  ///< What the last ones cut off, and why.
  std::vector<Loss> losses = {};             ///< Not released yet.
};

std::string Encode(const Manifest& manifest);
/// kCorrupt: not what Encode() wrote. kUnsupported: of a newer version.
Result<Manifest> DecodeManifest(std::string_view text);

}  // namespace sluice::journal::internal
