#include "sluice/journal/internal/salvage.h"

#include <algorithm>
#include <cstring>
#include <optional>
#include <utility>

#include "sluice/base/crc32c.h"

namespace sluice::journal::internal {

namespace {

constexpr uint64_t kWindowBytes = 1 << 20;

/// The rest of a segment from the first damage on, in memory.
class Rest {
 public:
  Rest(const SegmentKey& key, uint64_t begin, std::vector<std::byte> bytes)
      : key_(key), begin_(begin), bytes_(std::move(bytes)) {
    used_ = bytes_.size();
    while (used_ > 0 && bytes_[used_ - 1] == std::byte{0}) --used_;
  }

  /// Behind the last byte that is not zero.
  uint64_t used_end() const { return begin_ + used_; }
  uint64_t end() const { return begin_ + bytes_.size(); }

  /// Returns the frame header at `position`, if a whole one is there.
  std::optional<FrameHeader> HeaderAt(uint64_t position) const {
    const uint64_t at = position - begin_;
    if (at + sizeof(FrameHeader) > bytes_.size()) return std::nullopt;
    FrameHeader header;
    std::memcpy(&header, bytes_.data() + at, sizeof(header));
    if (!IsWhole(header, key_, position)) return std::nullopt;
    return header;
  }
  /// Returns the payload behind the header at `position`, if it is what was written.
  std::optional<std::string_view> PayloadAt(uint64_t position, const FrameHeader& header) const {
    const uint64_t at = position - begin_ + sizeof(FrameHeader);
    if (header.payload_bytes > bytes_.size() - at) return std::nullopt;
    const auto payload = std::span(bytes_).subspan(at, header.payload_bytes);
    if (Crc32c(payload) != header.payload_crc) return std::nullopt;
    return std::string_view(reinterpret_cast<const char*>(payload.data()), payload.size());
  }
  /// The number of the last group that was synced when any frame from `position` on was written.
  uint64_t ProvenFrom(uint64_t position) const {
    uint64_t proven = 0;
    for (uint64_t at = RoundUp(position, 8); at < used_end(); at += 8) {
      if (const auto header = HeaderAt(at)) proven = std::max(proven, header->watermark);
    }
    return proven;
  }

 private:
  const SegmentKey key_;
  const uint64_t begin_;
  const std::vector<std::byte> bytes_;
  uint64_t used_ = 0;
};

class Scanner {
 public:
  Scanner(os::File& file, const SegmentKey& key, const Cursor& first, uint64_t end, bool sealed,
          const SegmentVisitor& visitor)
      : file_(file),
        key_(key),
        end_(end),
        sealed_(sealed),
        visitor_(visitor),
        reader_(file, key, end),
        cursor_(first) {}

  Result<ScanOfSegment> Run() {
    cursor_.position = kBlockBytes;
    while (cursor_.position < end_) {
      const uint64_t position = cursor_.position;
      const auto group = reader_.Next(cursor_);
      if (group.ok()) {
        ++result_.groups;
        SLUICE_RETURN_IF_ERROR(visitor_.frames(position, *group));
        continue;
      }
      if (group.error().code() != ErrorCode::kCorrupt) return group.status();
      SLUICE_ASSIGN_OR_RETURN(const bool go_on, PassDamage(group.error().message()));
      if (!go_on) break;
    }
    result_.next = cursor_;
    return std::move(result_);
  }

 private:
  Status LoadRest() {
    if (rest_) return {};
    std::vector<std::byte> bytes(end_ - cursor_.position);
    SLUICE_ASSIGN_OR_RETURN(const size_t read, file_.Read(cursor_.position, bytes));
    bytes.resize(read);
    rest_.emplace(key_, cursor_.position, std::move(bytes));
    return {};
  }

  /// Goes from damage to the next whole group. Returns false if there is none.
  Result<bool> PassDamage(const std::string& reason) {
    SLUICE_RETURN_IF_ERROR(LoadRest());
    const uint64_t end = sealed_ ? end_ : rest_->used_end();
    const uint64_t proven = sealed_ ? UINT64_MAX : rest_->ProvenFrom(cursor_.position);
    if (proven < cursor_.sequence) {
      result_.torn_bytes = end > cursor_.position ? end - cursor_.position : 0;
      result_.torn_reason = reason;
      result_.torn_position = cursor_.position;
      return false;
    }
    visitor_.gap({.position = cursor_.position, .sequence = cursor_.sequence, .reason = reason});
    const uint64_t last = std::min(end, rest_->end());
    uint64_t sequence = cursor_.sequence;  // Of the groups passed.
    uint64_t unreadable = 0;
    const auto tell_unreadable = [&] {
      if (unreadable > 0) visitor_.unreadable(std::exchange(unreadable, 0));
    };
    for (uint64_t at = cursor_.position; at < last;) {
      const auto header = rest_->HeaderAt(at);
      if (!header) {
        at += 8;
        unreadable += 8;
        continue;
      }
      tell_unreadable();
      if (at % kBlockBytes == 0 && header->sequence >= cursor_.sequence && IsGroup(at, *header)) {
        cursor_ = {.position = at, .sequence = header->sequence, .chain = header->previous_crc};
        return true;
      }
      sequence = std::max(sequence, header->sequence);
      if (header->sequence <= proven) SLUICE_RETURN_IF_ERROR(VisitFrame(at, *header));
      at = header->kind == kTrailerKind
               ? RoundUp(at + 1, kBlockBytes)
               : at + sizeof(FrameHeader) + RoundUp(header->payload_bytes, 8);
    }
    unreadable += end - last;  // Where the file was cut off.
    tell_unreadable();
    cursor_.position = std::max(cursor_.position, RoundUp(end, kBlockBytes));
    cursor_.sequence = std::min(sequence, proven) + 1;
    result_.ends_in_gap = true;
    return false;
  }

  bool IsGroup(uint64_t position, const FrameHeader& first) {
    Cursor cursor{.position = position, .sequence = first.sequence, .chain = first.previous_crc};
    return reader_.Next(cursor).ok();
  }

  Status VisitFrame(uint64_t position, const FrameHeader& header) {
    if (header.kind == kTrailerKind) return {};
    const auto payload = rest_->PayloadAt(position, header);
    if (payload) {
      const FrameView frame{.header = header, .payload = *payload};
      return visitor_.frames(position, {&frame, 1});
    }
    visitor_.lost(header);
    return {};
  }

  os::File& file_;
  const SegmentKey key_;
  const uint64_t end_;
  const bool sealed_;
  const SegmentVisitor& visitor_;
  SegmentReader reader_;
  Cursor cursor_;
  std::optional<Rest> rest_;
  ScanOfSegment result_;
};

}  // namespace

Result<FirstFrame> FindFirstFrame(os::File& file, uint64_t id,
                                  const std::optional<SegmentKey>& key) {
  FirstFrame found;
  std::vector<std::byte> window(kWindowBytes);
  // Windows overlap by a header, so that none lies across an edge.
  for (uint64_t position = kBlockBytes;; position += kWindowBytes - sizeof(FrameHeader)) {
    SLUICE_ASSIGN_OR_RETURN(const size_t read, file.Read(position, window));
    for (size_t at = 0; at < read; at += 8) {
      uint64_t word = 0;
      std::memcpy(&word, window.data() + at, std::min(sizeof(word), read - at));
      if (word == 0) continue;
      found.blank = false;
      if (static_cast<uint32_t>(word) != kFrameMagic || read - at < sizeof(FrameHeader)) continue;
      FrameHeader header;
      std::memcpy(&header, window.data() + at, sizeof(header));
      const SegmentKey said{.id = id, .epoch = header.epoch, .tag = header.tag};
      if (!IsWhole(header, key.value_or(said), position + at)) continue;
      found.header = header;
      return found;
    }
    if (read < window.size()) return found;
  }
}

Result<std::optional<uint64_t>> FindFirstGroup(os::File& file, const SegmentKey& key) {
  SLUICE_ASSIGN_OR_RETURN(const uint64_t size, file.Size());
  SegmentReader reader(file, key, size);
  std::vector<std::byte> window(kWindowBytes);
  for (uint64_t position = kBlockBytes; position < size; position += kWindowBytes) {
    SLUICE_ASSIGN_OR_RETURN(const size_t read, file.Read(position, window));
    for (size_t at = 0; at + sizeof(FrameHeader) <= read; at += kBlockBytes) {
      FrameHeader header;
      std::memcpy(&header, window.data() + at, sizeof(header));
      if (!IsWhole(header, key, position + at)) continue;
      Cursor cursor{
          .position = position + at, .sequence = header.sequence, .chain = header.previous_crc};
      const auto group = reader.Next(cursor);
      if (group.ok()) return std::optional(header.sequence);
      if (group.error().code() != ErrorCode::kCorrupt) return group.status();
    }
  }
  return std::optional<uint64_t>();
}

Result<ScanOfSegment> ScanSegment(os::File& file, const SegmentKey& key, const Cursor& first,
                                  uint64_t end, bool sealed, const SegmentVisitor& visitor) {
  return Scanner(file, key, first, end, sealed, visitor).Run();
}

}  // namespace sluice::journal::internal
