#include "sluice/journal/internal/manifest_rebuild.h"

#include <algorithm>
#include <cstring>
#include <optional>

#include "sluice/journal/internal/segment_reader.h"

namespace sluice::journal::internal {

namespace {

Result<std::string> ReadBlock(os::File& file, uint64_t position) {
  std::string block(kBlockBytes, '\0');
  SLUICE_ASSIGN_OR_RETURN(const size_t read,
                          file.Read(position, std::as_writable_bytes(std::span(block))));
  block.resize(read);
  return block;
}

/// A segment in the folder.
struct Found {
  SegmentEntry entry;
  bool known = false;                 ///< Where its first group belongs.
  std::optional<Cursor> behind = {};  ///< It was carried, and stands for all groups before this.
};

/// Reads to the end of a segment; nothing if it was not carried.
Result<std::optional<Cursor>> EndOfCarried(os::File& file, const SegmentEntry& entry) {
  SLUICE_ASSIGN_OR_RETURN(const uint64_t size, file.Size());
  SegmentReader reader(file, entry.key, size);
  Cursor cursor = entry.first;
  while (cursor.position < size) {
    const auto group = reader.Next(cursor);
    if (!group.ok()) break;
    if (!group->empty() && group->back().header.kind == kCarriedKind) return std::optional(cursor);
  }
  return std::optional<Cursor>();
}

/// Puts carried segments where they belong, in the place of what may be left of those they were
/// made of, which are older.
std::vector<Found> InOrder(std::vector<Found> found) {
  std::vector<Found> carried;
  std::erase_if(found, [&](const Found& segment) {
    if (segment.behind) carried.push_back(segment);
    return segment.behind.has_value();
  });
  for (const Found& newer : carried) {
    const auto within = [&](const Found& segment) {
      return segment.known && segment.entry.key.id < newer.entry.key.id &&
             segment.entry.first.sequence >= newer.entry.first.sequence &&
             segment.entry.first.sequence < newer.behind->sequence;
    };
    std::erase_if(found, within);
    const auto next = std::ranges::find_if(found, [&](const Found& segment) {
      return segment.known && segment.entry.first.sequence >= newer.behind->sequence;
    });
    found.insert(next, newer);
  }
  return found;
}

}  // namespace

Result<Manifest> RebuildManifest(Storage& storage) {
  SLUICE_ASSIGN_OR_RETURN(const std::vector<uint64_t> ids, storage.ListSegments());
  Manifest manifest;
  std::vector<Found> found;
  for (const uint64_t id : ids) {
    manifest.segment_next = std::max(manifest.segment_next, id + 1);
    const std::string path = storage.SegmentPath(id);
    SLUICE_ASSIGN_OR_RETURN(const auto file, storage.disk().Open(path, os::OpenMode::kRead));
    SLUICE_ASSIGN_OR_RETURN(const std::string head, ReadBlock(*file, 0));
    const auto identity = DecodeSegmentHeader(std::as_bytes(std::span(head)));
    if (!identity || identity->key.id != id) continue;
    if (manifest.uuid.empty()) manifest.uuid = identity->uuid;
    if (manifest.uuid != identity->uuid) {
      return Corrupt("segment '{}' is of another journal than those before it", path);
    }
    manifest.epoch = std::max(manifest.epoch, identity->key.epoch);
    Found segment{.entry = {.key = identity->key, .first = {}}};
    SegmentEntry& entry = segment.entry;
    SLUICE_ASSIGN_OR_RETURN(const std::string first, ReadBlock(*file, kBlockBytes));
    if (first.find_first_not_of('\0') == std::string::npos) continue;  // Made ahead, never used.
    FrameHeader header;
    if (first.size() < sizeof(header)) continue;
    std::memcpy(&header, first.data(), sizeof(header));
    if (IsWhole(header, entry.key, kBlockBytes)) {
      entry.first.sequence = header.sequence;
      entry.first.chain = header.previous_crc;
      segment.known = true;
      SLUICE_ASSIGN_OR_RETURN(segment.behind, EndOfCarried(*file, entry));
    }
    found.push_back(segment);
  }
  for (const Found& segment : InOrder(std::move(found))) manifest.segments.push_back(segment.entry);
  if (manifest.segments.empty()) {
    return NotFound("'{}' has neither a manifest nor segments to make it from", storage.folder());
  }
  return manifest;
}

}  // namespace sluice::journal::internal
