#include "sluice/journal/internal/manifest_rebuild.h"

#include <algorithm>
#include <cstring>
#include <optional>

namespace sluice::journal::internal {

namespace {

Result<std::string> ReadBlock(os::File& file, uint64_t position) {
  std::string block(kBlockBytes, '\0');
  SLUICE_ASSIGN_OR_RETURN(const size_t read,
                          file.Read(position, std::as_writable_bytes(std::span(block))));
  block.resize(read);
  return block;
}

}  // namespace

Result<Manifest> RebuildManifest(Storage& storage) {
  SLUICE_ASSIGN_OR_RETURN(const std::vector<uint64_t> ids, storage.ListSegments());
  Manifest manifest;
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
    SegmentEntry entry{.key = identity->key, .first = {}};
    SLUICE_ASSIGN_OR_RETURN(const std::string first, ReadBlock(*file, kBlockBytes));
    if (first.find_first_not_of('\0') == std::string::npos) continue;  // Made ahead, never used.
    FrameHeader header;
    if (first.size() < sizeof(header)) continue;
    std::memcpy(&header, first.data(), sizeof(header));
    if (IsWhole(header, entry.key, kBlockBytes)) {
      entry.first.sequence = header.sequence;
      entry.first.chain = header.previous_crc;
    }
    manifest.segments.push_back(entry);
  }
  if (manifest.segments.empty()) {
    return NotFound("'{}' has neither a manifest nor segments to make it from", storage.folder());
  }
  return manifest;
}

}  // namespace sluice::journal::internal
