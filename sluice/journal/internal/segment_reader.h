#pragma once
/// \file
/// Reads the groups of a segment back, and believes nothing.

#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include "sluice/base/error.h"
#include "sluice/journal/internal/format.h"
#include "sluice/os/disk.h"

namespace sluice::journal::internal {

/// A frame as read; the payload is valid until the next read.
struct FrameView {
  FrameHeader header;
  std::string_view payload;
};

/// Reads one segment from front to back.
///
/// Not thread-safe.
class SegmentReader {
 public:
  /// Reads up to `end`. `file` must outlive the reader.
  SegmentReader(os::File& file, const SegmentKey& key, uint64_t end)
      : file_(file), key_(key), end_(end) {}

  /// kCorrupt: the first block is damaged or of another segment.
  Status CheckHeader(std::string_view uuid);

  /// Reads the whole group expected at `cursor`, and moves `cursor` behind it: for the last group
  /// of a carried segment, to the group that follows those it stands for. kCorrupt: what is there
  /// is not that group; the message says why.
  Result<std::span<const FrameView>> Next(Cursor& cursor);

  /// What lies at and behind a place where no group is.
  struct Rest {
    uint64_t used_bytes = 0;  ///< Up to the last byte that is not zero.
    bool proof = false;       ///< A later frame says that the group had been synced.
    uint64_t proof_position = 0;
  };
  /// Looks behind `cursor` for a whole frame that was written when the group expected there was
  /// durable.
  Result<Rest> LookAhead(const Cursor& cursor);

 private:
  // Returns the bytes [position, position + size), fewer at the end; valid until the next call.
  Result<std::span<const std::byte>> Bytes(uint64_t position, uint64_t size);

  os::File& file_;
  const SegmentKey key_;
  const uint64_t end_;
  std::vector<std::byte> window_;
  uint64_t window_begin_ = 0;
  uint64_t window_size_ = 0;
  std::vector<FrameView> frames_;
};

}  // namespace sluice::journal::internal
