#include "sluice/journal/internal/format.h"

#include <bit>
#include <cstring>

#include "sluice/base/check.h"
#include "sluice/base/crc32c.h"

namespace sluice::journal::internal {

namespace {

static_assert(std::endian::native == std::endian::little);

// Up to this size copying is cheaper than a further piece of the vectored write.
constexpr size_t kCopiedBytesMax = 8192;

// What kSegmentMagic begins with; its last character is the format.
constexpr std::string_view kSegmentName("SLJ\0SEG", 7);

struct SegmentHeader {
  uint64_t magic = kSegmentMagic;
  uint64_t id = 0;
  uint64_t epoch = 0;
  uint64_t tag = 0;
  char uuid[36] = {};
  uint32_t crc = 0;  // Of what is before it.
};
static_assert(sizeof(SegmentHeader) == 72);

template <typename T>
std::span<const std::byte> BytesOf(const T& value) {
  return std::as_bytes(std::span(&value, 1));
}

template <typename T>
std::string_view TextOf(const T& value) {
  return {reinterpret_cast<const char*>(&value), sizeof(value)};
}

/// Whether a segment's first block is sound, but for a format that is not known.
bool IsOfAnotherFormat(std::span<const std::byte> block) {
  SegmentHeader header;
  std::memcpy(&header, block.data(), sizeof(header));
  return TextOf(header).starts_with(kSegmentName) && header.magic != kSegmentMagic &&
         header.crc == Crc32c(BytesOf(header).first(offsetof(SegmentHeader, crc)));
}

uint32_t CrcOf(FrameHeader header) {
  header.header_crc = 0;
  return Crc32c(BytesOf(header));
}

}  // namespace

void Seal(FrameHeader& header) { header.header_crc = CrcOf(header); }

bool IsWhole(const FrameHeader& header, const SegmentKey& key, uint64_t position) {
  const bool has_offsets =
      header.base >= 0 && header.rows >= 0 && header.rows <= INT64_MAX - header.base;
  return has_offsets && header.magic == kFrameMagic && header.version == kFrameVersion &&
         header.tag == key.tag && header.segment == key.id && header.epoch == key.epoch &&
         header.position == position && header.header_crc == CrcOf(header);
}

bool IsOfAnotherVersion(const FrameHeader& header, const SegmentKey& key) {
  return header.magic == kFrameMagic && header.version != kFrameVersion && header.tag == key.tag &&
         header.header_crc == CrcOf(header);
}

std::string EncodeSegmentHeader(const SegmentKey& key, std::string_view uuid) {
  SegmentHeader header{.id = key.id, .epoch = key.epoch, .tag = key.tag};
  SLUICE_CHECK(uuid.size() == sizeof(header.uuid));
  std::memcpy(header.uuid, uuid.data(), uuid.size());
  header.crc = Crc32c(BytesOf(header).first(offsetof(SegmentHeader, crc)));
  std::string block(TextOf(header));
  block.resize(kBlockBytes);
  return block;
}

std::optional<SegmentIdentity> DecodeSegmentHeader(std::span<const std::byte> block) {
  SegmentHeader header;
  if (block.size() < kBlockBytes) return std::nullopt;
  std::memcpy(&header, block.data(), sizeof(header));
  const uint32_t crc = Crc32c(BytesOf(header).first(offsetof(SegmentHeader, crc)));
  if (header.magic != kSegmentMagic || header.crc != crc) return std::nullopt;
  return SegmentIdentity{.key = {.id = header.id, .epoch = header.epoch, .tag = header.tag},
                         .uuid = std::string(header.uuid, sizeof(header.uuid))};
}

std::optional<std::string> UuidOfDamaged(std::span<const std::byte> block) {
  SegmentHeader header;
  if (block.size() < sizeof(header)) return std::nullopt;
  std::memcpy(&header, block.data(), sizeof(header));
  std::string uuid(header.uuid, sizeof(header.uuid));
  for (size_t i = 0; i < uuid.size(); ++i) {
    const bool dash = i == 8 || i == 13 || i == 18 || i == 23;
    const bool digit = (uuid[i] >= '0' && uuid[i] <= '9') || (uuid[i] >= 'a' && uuid[i] <= 'f');
    if (dash ? uuid[i] != '-' : !digit) return std::nullopt;
  }
  return uuid;
}

Status CheckSegmentHeader(std::span<const std::byte> block, const SegmentKey& key,
                          std::string_view uuid) {
  if (block.size() < kBlockBytes) return Corrupt("file of {} bytes has no header", block.size());
  const auto found = DecodeSegmentHeader(block);
  if (!found && IsOfAnotherFormat(block)) {
    return Unsupported("segments of format {} were written by a newer version of this program",
                       static_cast<char>(block[kSegmentName.size()]));
  }
  if (!found) return Corrupt("header is damaged");
  if (found->key.id != key.id || found->key.epoch != key.epoch || found->key.tag != key.tag) {
    return Corrupt("header is of segment {} of epoch {}, expected segment {} of epoch {}",
                   found->key.id, found->key.epoch, key.id, key.epoch);
  }
  if (found->uuid != uuid) return Corrupt("segment is of another journal");
  return {};
}

uint64_t GroupBytes(std::span<const FrameToWrite> frames) {
  uint64_t bytes = sizeof(FrameHeader);  // The trailer.
  for (const FrameToWrite& frame : frames) {
    bytes += sizeof(FrameHeader) + RoundUp(frame.payload.size(), 8);
  }
  return RoundUp(bytes, kBlockBytes);
}

void GroupBuilder::Build(const SegmentKey& key, const Cursor& cursor, int64_t received_us,
                         std::span<const FrameToWrite> frames) {
  pieces_.clear();
  scratch_.clear();
  flushed_ = 0;

  // Reserved in full: pieces point into it.
  size_t scratch_bytes = sizeof(FrameHeader) + kBlockBytes;
  for (const FrameToWrite& frame : frames) {
    scratch_bytes += sizeof(FrameHeader) + 8;
    if (frame.payload.size() <= kCopiedBytesMax) scratch_bytes += frame.payload.size();
  }
  scratch_.reserve(scratch_bytes);

  FrameHeader header{
      .previous_crc = cursor.chain,
      .tag = key.tag,
      .segment = key.id,
      .epoch = key.epoch,
      .sequence = cursor.sequence,
      .watermark = cursor.sequence - 1,  // A group is written when the last is synced.
      .position = cursor.position,
      .group_bytes = GroupBytes(frames),
      .received_us = received_us};
  uint32_t group_crc = 0;
  const auto add_header = [&] {
    Seal(header);
    scratch_ += TextOf(header);
    group_crc = Crc32c(BytesOf(header), group_crc);
    header.previous_crc = header.header_crc;
  };
  for (const FrameToWrite& frame : frames) {
    header.kind = frame.kind;
    header.partition = frame.partition;
    header.schema_id = frame.schema_id;
    header.base = frame.base;
    header.rows = frame.rows;
    header.payload_bytes = frame.payload.size();
    header.payload_crc = frame.payload_crc;
    header.received_us = frame.received_us != 0 ? frame.received_us : received_us;
    add_header();
    if (frame.payload.size() <= kCopiedBytesMax) {
      scratch_ += frame.payload;
    } else {
      Flush();
      pieces_.push_back(std::as_bytes(std::span(frame.payload)));
    }
    const uint64_t padded = RoundUp(frame.payload.size(), 8);
    scratch_.append(padded - frame.payload.size(), '\0');
    header.position += sizeof(FrameHeader) + padded;
  }
  header.kind = kTrailerKind;
  header.received_us = received_us;
  header.partition = 0;
  header.schema_id = 0;
  header.base = 0;
  header.rows = static_cast<int64_t>(frames.size());
  header.payload_bytes = 0;
  header.payload_crc = group_crc;
  add_header();
  const uint64_t used = header.position + sizeof(FrameHeader) - cursor.position;
  SLUICE_CHECK(used <= header.group_bytes && header.group_bytes - used < kBlockBytes);
  scratch_.append(header.group_bytes - used, '\0');
  Flush();
  SLUICE_CHECK(scratch_.size() <= scratch_bytes);

  next_ = {.position = cursor.position + header.group_bytes,
           .sequence = cursor.sequence + 1,
           .chain = header.header_crc};
}

void GroupBuilder::Flush() {
  const std::string_view rest = std::string_view(scratch_).substr(flushed_);
  if (!rest.empty()) pieces_.push_back(std::as_bytes(std::span(rest)));
  flushed_ = scratch_.size();
}

}  // namespace sluice::journal::internal
