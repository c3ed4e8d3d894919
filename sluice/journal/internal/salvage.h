#pragma once
/// \file
/// Reads what is left of a segment: goes on behind damage, where SegmentReader stops.

#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "sluice/base/error.h"
#include "sluice/journal/internal/format.h"
#include "sluice/journal/internal/segment_reader.h"
#include "sluice/os/disk.h"

namespace sluice::journal::internal {

/// What stands behind the header block of a segment.
struct FirstFrame {
  bool blank = true;  ///< Nothing but zeros.
  /// The first frame header that is whole: it tells the segment's key, too. Nothing: there is none.
  std::optional<FrameHeader> header = {};
};
/// Looks for the first frame of segment `id` in its file; of any key, unless `key` is given.
Result<FirstFrame> FindFirstFrame(os::File& file, uint64_t id,
                                  const std::optional<SegmentKey>& key);

/// Returns the number of the first whole group in the file of a segment; nothing if it has none.
Result<std::optional<uint64_t>> FindFirstGroup(os::File& file, const SegmentKey& key);

/// Bytes that should be groups, and are not, begin here.
struct Gap {
  uint64_t position = 0;
  uint64_t sequence = 0;  ///< Of the group that was expected there.
  std::string reason = {};
};

/// What is told of a segment, in the order of its bytes. Spans and payloads are valid during the
/// call.
struct SegmentVisitor {
  /// Frames that are what was written: all of a group, or those left of a damaged one.
  std::function<Status(uint64_t position, std::span<const FrameView> frames)> frames;
  std::function<void(const Gap& gap)> gap;
  /// In a gap: a frame whose payload is damaged.
  std::function<void(const FrameHeader& header)> lost;
  /// In a gap: of these not even frame headers could be read, so how many rows they held is not
  /// known.
  std::function<void(uint64_t bytes)> unreadable;
};

struct ScanOfSegment {
  Cursor next;               ///< Behind the last group.
  uint64_t groups = 0;       ///< Whole ones.
  bool ends_in_gap = false;  ///< No group is behind the last damage.
  uint64_t torn_bytes = 0;   ///< At the end of an active segment: never acknowledged.
  std::string torn_reason;   ///< Why the group there is none.
  uint64_t torn_position = 0;
};

/// Reads `file` up to `end`, beginning with the group expected at `first`.
///
/// In a sealed segment all of it was acknowledged. In an active one the end may be torn: what no
/// later frame proves to have been synced. After damage holds the rest of the segment in memory.
Result<ScanOfSegment> ScanSegment(os::File& file, const SegmentKey& key, const Cursor& first,
                                  uint64_t end, bool sealed, const SegmentVisitor& visitor);

}  // namespace sluice::journal::internal
