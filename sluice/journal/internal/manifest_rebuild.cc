#include "sluice/journal/internal/manifest_rebuild.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "sluice/journal/internal/salvage.h"
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

/// Whether the file ends where a group does. One that is being written has its space in front of
/// it.
Result<bool> EndsWithGroup(os::File& file, uint64_t size) {
  if (size <= kBlockBytes) return false;
  SLUICE_ASSIGN_OR_RETURN(const std::string last, ReadBlock(file, size - kBlockBytes));
  return last.find_first_not_of('\0') != std::string::npos;
}

/// A segment in the folder.
struct Found {
  SegmentEntry entry;
  /// Of the first frame that can be read. Nothing: none can.
  std::optional<uint64_t> sequence = {};
  bool known = false;    ///< Its first group can be read: `entry.first` is that.
  Cursor behind = {};    ///< The groups that can be read from there on.
  bool carried = false;  ///< It stands for all groups before `behind`.
};

/// Reads from the first group on, as far as that goes.
Status ReadGroups(os::File& file, uint64_t size, Found& segment) {
  SegmentReader reader(file, segment.entry.key, size);
  segment.behind = segment.entry.first;
  while (segment.behind.position < size) {
    const auto group = reader.Next(segment.behind);
    if (!group.ok() && group.error().code() == ErrorCode::kCorrupt) return {};
    SLUICE_RETURN_IF_ERROR(group.status());
    segment.carried = !group->empty() && group->back().header.kind == kCarriedKind;
    if (segment.carried) return {};
  }
  return {};
}

/// Puts the segments in the order of their groups. A carried one takes the place of what may be
/// left of those it was made of, which are older.
std::vector<Found> InOrder(std::vector<Found> found) {
  // Those without any frame are the newest.
  std::ranges::stable_sort(
      found, {}, [](const Found& segment) { return segment.sequence.value_or(UINT64_MAX); });
  std::vector<Found> in_order;
  for (const Found& segment : found) {
    const bool replaced = std::ranges::any_of(found, [&](const Found& newer) {
      return newer.carried && segment.sequence && segment.entry.key.id < newer.entry.key.id &&
             *segment.sequence >= newer.entry.first.sequence &&
             *segment.sequence < newer.behind.sequence;
    });
    if (!replaced) in_order.push_back(segment);
  }
  return in_order;
}

class Rebuilder {
 public:
  explicit Rebuilder(Storage& storage) : storage_(storage) {}

  Result<RebuiltManifest> Run() {
    SLUICE_ASSIGN_OR_RETURN(std::vector<uint64_t> ids, storage_.ListSegments());
    SLUICE_ASSIGN_OR_RETURN(const auto repair, storage_.RepairBegun());
    if (repair) std::erase_if(ids, [&](uint64_t id) { return id >= *repair; });
    if (ids.empty()) {
      return NotFound("'{}' has neither a manifest nor segments to make it from",
                      storage_.folder());
    }
    for (const uint64_t id : ids) {
      manifest().segment_next = std::max(manifest().segment_next, id + 1);
      SLUICE_RETURN_IF_ERROR(Add(id), "segment '{}'", storage_.SegmentPath(id));
    }
    if (manifest().uuid.empty()) manifest().uuid = uuid_of_damaged_.value_or("");
    PlaceUnread();
    found_ = InOrder(std::move(found_));
    Cursor behind;
    for (Found& segment : found_) {
      Cursor& first = segment.entry.first;
      if (!segment.known) {
        // Where the one before it ends, as far as that is known; never behind what it has.
        first = behind;
        if (segment.sequence) first.sequence = std::min(first.sequence, *segment.sequence);
        segment.behind = first;
      }
      first.position = kBlockBytes;
      behind = segment.behind;
      manifest().segments.push_back(segment.entry);
    }
    return std::move(result_);
  }

 private:
  Manifest& manifest() { return result_.manifest; }

  Status Add(uint64_t id) {
    SLUICE_ASSIGN_OR_RETURN(const auto file,
                            storage_.disk().Open(storage_.SegmentPath(id), os::OpenMode::kRead));
    SLUICE_ASSIGN_OR_RETURN(const uint64_t size, file->Size());
    SLUICE_ASSIGN_OR_RETURN(const std::string head, ReadBlock(*file, 0));
    const auto block = std::as_bytes(std::span(head));
    const auto identity = DecodeSegmentHeader(block);
    std::optional<SegmentKey> key;
    if (identity && identity->key.id == id) {
      key = identity->key;
      if (manifest().uuid.empty()) manifest().uuid = identity->uuid;
      if (manifest().uuid != identity->uuid) {
        return Corrupt("it is of another journal than those before it");
      }
    } else {
      Status checked = CheckSegmentHeader(block, {.id = id}, {});
      if (checked.error().code() != ErrorCode::kCorrupt) return checked;
      if (!uuid_of_damaged_) uuid_of_damaged_ = UuidOfDamaged(block);
    }
    SLUICE_ASSIGN_OR_RETURN(const FirstFrame first, FindFirstFrame(*file, id, key));
    if (key && first.blank) return {};  // Made ahead, never used.
    if (!key && first.header && first.header->epoch < kEpochMax) {
      key = SegmentKey{.id = id, .epoch = first.header->epoch, .tag = first.header->tag};
    }
    if (!key) {
      result_.unreadable.push_back(storage_.SegmentPath(id));
      return {};
    }
    manifest().epoch = std::max(manifest().epoch, key->epoch);
    Found segment{.entry = {.key = *key, .first = {}}};
    SLUICE_ASSIGN_OR_RETURN(const bool sealed, EndsWithGroup(*file, size));
    if (sealed) segment.entry.end = size;
    if (first.header) {
      segment.sequence = first.header->sequence;
      segment.known = first.header->position == kBlockBytes;
    }
    if (segment.known) {
      segment.entry.first.sequence = first.header->sequence;
      segment.entry.first.chain = first.header->previous_crc;
    }
    // Not only where the groups end: one of a newer format is never taken for damage.
    SLUICE_RETURN_IF_ERROR(ReadGroups(*file, size, segment));
    found_.push_back(segment);
    return {};
  }

  /// Of a segment without any frame only the newest can be one that was being written: its first
  /// group is torn. Others had groups.
  void PlaceUnread() {
    uint64_t newest = 0;
    for (const Found& segment : found_) {
      if (segment.sequence) newest = std::max(newest, segment.entry.key.id);
    }
    std::erase_if(found_, [&](const Found& segment) {
      const bool torn = !segment.entry.sealed() && segment.entry.key.id > newest;
      if (segment.sequence || torn) return false;
      result_.unreadable.push_back(storage_.SegmentPath(segment.entry.key.id));
      return true;
    });
  }

  Storage& storage_;
  std::vector<Found> found_;
  std::optional<std::string> uuid_of_damaged_;
  RebuiltManifest result_;
};

}  // namespace

Result<RebuiltManifest> RebuildManifest(Storage& storage) { return Rebuilder(storage).Run(); }

}  // namespace sluice::journal::internal
