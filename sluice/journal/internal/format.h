#pragma once
/// \file
/// The bytes of a segment: a header block, then groups of frames.
///
/// A group is all frames of one sync: frames, then a trailer frame, padded with zeros to a whole
/// number of blocks. It starts on a block, so that no later write can tear what is already
/// acknowledged. Every frame is a header and a payload, padded to 8 bytes. All numbers are
/// little-endian.

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "sluice/base/error.h"

namespace sluice::journal::internal {

constexpr uint64_t kBlockBytes = 4096;
constexpr uint32_t kFrameMagic = 0x464a4c53;             // "SLJF"
constexpr uint64_t kSegmentMagic = 0x31474553'004a4c53;  // "SLJ\0SEG1"
constexpr uint16_t kFrameVersion = 1;
constexpr uint8_t kTrailerKind = 255;  // Beside those of FrameKind.
/// The last frame of a segment that took the place of others (Carrier): the group behind it has the
/// sequence `base`, and `schema_id` is what links that to the groups that were there.
constexpr uint8_t kCarriedKind = 254;

constexpr uint64_t RoundUp(uint64_t bytes, uint64_t unit) {
  return (bytes + unit - 1) / unit * unit;
}

/// More boots than there can be: such an epoch was never written.
constexpr uint64_t kEpochMax = INT64_MAX;

/// What every frame of a segment has in common. The tag is random, so that neither stale blocks nor
/// a payload made to look like a frame can pass for one.
struct SegmentKey {
  uint64_t id = 0;
  uint64_t epoch = 0;  ///< Of the boot that wrote it.
  uint64_t tag = 0;
};

/// The header of a frame, as stored.
struct FrameHeader {
  uint32_t magic = kFrameMagic;
  uint16_t version = kFrameVersion;
  uint8_t kind = 0;  ///< A FrameKind, or kTrailerKind.
  uint8_t reserved = 0;
  uint32_t header_crc = 0;    ///< Of this header, with zero here.
  uint32_t previous_crc = 0;  ///< `header_crc` of the frame before, across segments.
  uint64_t tag = 0;
  uint64_t segment = 0;
  uint64_t epoch = 0;
  uint64_t sequence = 0;  ///< Of the group: dense, across segments.
  uint64_t watermark =
      0;                  ///< Sequence of the last group that was synced when this one was written.
  uint64_t position = 0;  ///< Of this header in the segment.
  uint64_t group_bytes = 0;  ///< Of the whole group, with padding.
  uint64_t payload_bytes = 0;
  uint64_t schema_id = 0;
  int64_t base = 0;
  int64_t rows = 0;  ///< In a trailer: the number of frames.
  int64_t received_us = 0;
  uint32_t partition = 0;
  uint32_t payload_crc = 0;  ///< In a trailer: of all headers of the group.
};
static_assert(sizeof(FrameHeader) == 120 && alignof(FrameHeader) == 8);

/// Sets `header_crc`.
void Seal(FrameHeader& header);
/// Whether the header is whole, of this segment, lies where it says, and names offsets that can be.
bool IsWhole(const FrameHeader& header, const SegmentKey& key, uint64_t position);

/// Whether the header is whole, of this segment, but of a format that this program does not know.
bool IsOfAnotherVersion(const FrameHeader& header, const SegmentKey& key);

/// Returns the first block of a segment.
std::string EncodeSegmentHeader(const SegmentKey& key, std::string_view uuid);
/// What the first block says of its segment.
struct SegmentIdentity {
  SegmentKey key;
  std::string uuid;  ///< Of the journal.
};
/// Nothing: the block is damaged.
std::optional<SegmentIdentity> DecodeSegmentHeader(std::span<const std::byte> block);
/// What stands where a damaged block has the journal's uuid, if it looks like one.
std::optional<std::string> UuidOfDamaged(std::span<const std::byte> block);
/// kCorrupt: the block is damaged or of another segment. kUnsupported: it is of a newer format.
Status CheckSegmentHeader(std::span<const std::byte> block, const SegmentKey& key,
                          std::string_view uuid);

/// Where a group goes or is expected, and what links it to the one before.
struct Cursor {
  uint64_t position = kBlockBytes;
  uint64_t sequence = 1;
  uint32_t chain = 0;  ///< `header_crc` of the frame before.
};

/// A frame that is to be written.
struct FrameToWrite {
  uint8_t kind = 0;
  uint32_t partition = 0;
  uint64_t schema_id = 0;
  int64_t base = 0;
  int64_t rows = 0;
  std::string_view payload = {};
  uint32_t payload_crc = 0;
  int64_t received_us = 0;  ///< 0: as the group.
};

/// Returns how much a frame takes in a group.
constexpr uint64_t FrameBytes(uint64_t payload_bytes) {
  return sizeof(FrameHeader) + RoundUp(payload_bytes, 8);
}

/// Returns the size of the group that these frames make.
uint64_t GroupBytes(std::span<const FrameToWrite> frames);

/// Lays groups out for one vectored write, and keeps its memory from one to the next.
///
/// Not thread-safe.
class GroupBuilder {
 public:
  /// Builds the group to be written at `cursor`. The pieces borrow the payloads.
  void Build(const SegmentKey& key, const Cursor& cursor, int64_t received_us,
             std::span<const FrameToWrite> frames);

  std::span<const std::span<const std::byte>> pieces() const { return pieces_; }
  /// Where the next group goes.
  const Cursor& next() const { return next_; }

 private:
  void Flush();

  std::string scratch_;  // Headers, padding and small payloads, contiguous.
  size_t flushed_ = 0;   // Of scratch_.
  std::vector<std::span<const std::byte>> pieces_;
  Cursor next_;
};

}  // namespace sluice::journal::internal
