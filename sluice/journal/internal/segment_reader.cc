#include "sluice/journal/internal/segment_reader.h"

#include <algorithm>
#include <cstring>

#include "sluice/base/crc32c.h"

namespace sluice::journal::internal {

namespace {

constexpr uint64_t kWindowBytes = 1 << 20;

FrameHeader HeaderAt(std::span<const std::byte> bytes, uint64_t at) {
  FrameHeader header;
  std::memcpy(&header, bytes.data() + at, sizeof(header));
  return header;
}

}  // namespace

Result<std::span<const std::byte>> SegmentReader::Bytes(uint64_t position, uint64_t size) {
  size = position < end_ ? std::min(size, end_ - position) : 0;
  if (position < window_begin_ || position + size > window_begin_ + window_size_) {
    const uint64_t wanted = std::min(std::max(size, kWindowBytes), end_ - std::min(position, end_));
    if (window_.size() < wanted) window_.resize(wanted);
    window_size_ = 0;
    SLUICE_ASSIGN_OR_RETURN(window_size_, file_.Read(position, std::span(window_).first(wanted)));
    window_begin_ = position;
    size = std::min(size, window_size_);
  }
  return std::span<const std::byte>(window_).subspan(position - window_begin_, size);
}

Status SegmentReader::CheckHeader(std::string_view uuid) {
  SLUICE_ASSIGN_OR_RETURN(const auto block, Bytes(0, kBlockBytes));
  return CheckSegmentHeader(block, key_, uuid);
}

Result<std::span<const FrameView>> SegmentReader::Next(Cursor& cursor) {
  frames_.clear();
  SLUICE_ASSIGN_OR_RETURN(auto bytes, Bytes(cursor.position, kBlockBytes));
  if (bytes.size() < kBlockBytes) return Corrupt("file ends");
  const FrameHeader first = HeaderAt(bytes, 0);
  if (first.magic != kFrameMagic) return Corrupt("no frame begins here");
  // Never to be taken for a torn tail, which would be cut off.
  if (IsOfAnotherVersion(first, key_)) {
    return Unsupported("frames of format {} were written by a newer version of this program",
                       first.version);
  }
  if (!IsWhole(first, key_, cursor.position)) return Corrupt("frame header is damaged");
  if (first.group_bytes == 0 || first.group_bytes % kBlockBytes != 0 ||
      first.group_bytes > end_ - cursor.position) {
    return Corrupt("group of {} bytes does not fit the segment", first.group_bytes);
  }
  const uint64_t group_bytes = first.group_bytes;
  SLUICE_ASSIGN_OR_RETURN(bytes, Bytes(cursor.position, group_bytes));
  if (bytes.size() < group_bytes) return Corrupt("file ends within a group");

  uint32_t chain = cursor.chain;
  uint32_t group_crc = 0;
  for (uint64_t at = 0; at + sizeof(FrameHeader) <= group_bytes;) {
    const FrameHeader header = HeaderAt(bytes, at);
    if (!IsWhole(header, key_, cursor.position + at)) {
      return Corrupt("header of frame {} is damaged", frames_.size());
    }
    if (header.previous_crc != chain || header.sequence != cursor.sequence ||
        header.watermark >= header.sequence || header.group_bytes != group_bytes) {
      return Corrupt("frame {} of group {} does not follow group {}", frames_.size(),
                     header.sequence, cursor.sequence - 1);
    }
    chain = header.header_crc;
    if (header.kind == kTrailerKind) {
      if (header.payload_crc != group_crc || header.rows != static_cast<int64_t>(frames_.size())) {
        return Corrupt("trailer of group {} does not match its frames", cursor.sequence);
      }
      Cursor next = {.position = cursor.position + group_bytes,
                     .sequence = cursor.sequence + 1,
                     .chain = chain};
      if (!frames_.empty() && frames_.back().header.kind == kCarriedKind) {
        const FrameHeader& carried = frames_.back().header;
        if (carried.base < static_cast<int64_t>(next.sequence)) {
          return Corrupt("group {} goes back to {}", cursor.sequence, carried.base);
        }
        next.sequence = static_cast<uint64_t>(carried.base);
        next.chain = static_cast<uint32_t>(carried.schema_id);
      }
      cursor = next;
      return std::span<const FrameView>(frames_);
    }
    group_crc = Crc32c(bytes.subspan(at, sizeof(FrameHeader)), group_crc);
    const uint64_t room = group_bytes - at - sizeof(FrameHeader);
    if (header.payload_bytes > room) {
      return Corrupt("frame {} of {} bytes does not fit its group", frames_.size(),
                     header.payload_bytes);
    }
    const auto payload = bytes.subspan(at + sizeof(FrameHeader), header.payload_bytes);
    if (const uint32_t crc = Crc32c(payload); crc != header.payload_crc) {
      return Corrupt("checksum of frame {} is {:08x}, expected {:08x}", frames_.size(), crc,
                     header.payload_crc);
    }
    frames_.push_back({header, {reinterpret_cast<const char*>(payload.data()), payload.size()}});
    at += sizeof(FrameHeader) + RoundUp(header.payload_bytes, 8);
  }
  return Corrupt("group {} has no trailer", cursor.sequence);
}

Result<SegmentReader::Rest> SegmentReader::LookAhead(const Cursor& cursor) {
  Rest rest;
  for (uint64_t position = cursor.position; position < end_;) {
    // Windows overlap by a header, so that none lies across an edge.
    SLUICE_ASSIGN_OR_RETURN(const auto bytes, Bytes(position, kWindowBytes));
    if (bytes.empty()) break;
    for (uint64_t at = 0; at + 8 <= bytes.size(); at += 8) {
      uint64_t word;
      std::memcpy(&word, bytes.data() + at, sizeof(word));
      if (word == 0) continue;
      rest.used_bytes = position + at + 8 - cursor.position;
      if (static_cast<uint32_t>(word) != kFrameMagic || at + sizeof(FrameHeader) > bytes.size()) {
        continue;
      }
      const FrameHeader header = HeaderAt(bytes, at);
      if (!rest.proof && IsWhole(header, key_, position + at) &&
          header.watermark >= cursor.sequence) {
        rest.proof = true;
        rest.proof_position = position + at;
      }
    }
    for (uint64_t at = bytes.size() / 8 * 8; at < bytes.size(); ++at) {  // An odd end of the file.
      if (bytes[at] != std::byte{0}) rest.used_bytes = position + at + 1 - cursor.position;
    }
    if (position + bytes.size() >= end_ || bytes.size() < kWindowBytes) break;
    position += bytes.size() - sizeof(FrameHeader);
  }
  return rest;
}

}  // namespace sluice::journal::internal
