#include "sluice/journal/internal/manifest_age.h"

#include <algorithm>
#include <vector>

#include <fmt/format.h>

#include "sluice/journal/internal/salvage.h"
#include "sluice/journal/internal/segment_reader.h"

namespace sluice::journal::internal {

namespace {

using Reason = std::optional<std::string>;

class Judge {
 public:
  Judge(Storage& storage, const Manifest& manifest) : storage_(storage), manifest_(manifest) {}

  Result<Reason> Run() {
    SLUICE_ASSIGN_OR_RETURN(const std::vector<uint64_t> ids, storage_.ListSegments());
    SLUICE_ASSIGN_OR_RETURN(const auto repair, storage_.RepairBegun());
    const bool complete = std::ranges::all_of(manifest_.segments, [&](const SegmentEntry& entry) {
      return std::ranges::binary_search(ids, entry.key.id);
    });
    const bool repaired = repair && std::ranges::any_of(manifest_.segments, [&](const auto& entry) {
                            return entry.key.id >= *repair;
                          });
    for (const uint64_t id : ids) {
      const bool named = std::ranges::any_of(
          manifest_.segments, [&](const SegmentEntry& entry) { return entry.key.id == id; });
      if (named || (repair && !repaired && id >= *repair)) continue;
      SLUICE_ASSIGN_OR_RETURN(Reason reason, ByStray(id, complete));
      if (reason) return reason;
    }
    return ByLast();
  }

 private:
  /// Whether a segment that the manifest does not name is newer than it.
  Result<Reason> ByStray(uint64_t id, bool complete) {
    const std::string path = storage_.SegmentPath(id);
    const auto opened = storage_.disk().Open(path, os::OpenMode::kRead);
    if (!opened.ok() && opened.error().code() == ErrorCode::kNotFound) return Reason();
    SLUICE_RETURN_IF_ERROR(opened.status());
    os::File& file = **opened;
    SLUICE_ASSIGN_OR_RETURN(const auto identity, ReadIdentity(file));
    std::optional<SegmentKey> key;
    if (identity && identity->key.id == id) {
      key = identity->key;
    } else {
      SLUICE_ASSIGN_OR_RETURN(const FirstFrame first, FindFirstFrame(file, id, std::nullopt));
      // What is left of it, if anything, can be of use to nobody.
      if (!first.header || first.header->epoch >= kEpochMax) return Reason();
      key = SegmentKey{.id = id, .epoch = first.header->epoch, .tag = first.header->tag};
    }
    if (key->epoch > manifest_.epoch) {
      return Reason(fmt::format("segment '{}' is of epoch {}, the manifest of epoch {}", path,
                                key->epoch, manifest_.epoch));
    }
    // Whoever wrote the manifest in a later epoch had read all that there was.
    if (key->epoch < manifest_.epoch) return Reason();
    if (identity && identity->key.id == id && identity->uuid != manifest_.uuid) {
      return Reason(fmt::format("segment '{}' is of another journal", path));
    }
    SLUICE_ASSIGN_OR_RETURN(const auto sequence, FindFirstGroup(file, *key));
    if (!sequence) return Reason();
    // A copy begins like what it was made of, which is all there until the manifest names the copy.
    // Where some of what the manifest names is gone, a copy may have taken its place since.
    const bool like_named = std::ranges::any_of(manifest_.segments, [&](const SegmentEntry& entry) {
      return entry.first.sequence == *sequence;
    });
    const bool known = *sequence < manifest_.next.sequence || like_named;
    if (complete && known) return Reason();
    return Reason(fmt::format(
        "segment '{}' has groups from {} on, which the manifest does not know", path, *sequence));
  }

  /// Whether groups were added to the last segment after the manifest said where it ends.
  Result<Reason> ByLast() {
    if (manifest_.segments.empty() || !manifest_.segments.back().sealed()) return Reason();
    const SegmentEntry& last = manifest_.segments.back();
    const std::string path = storage_.SegmentPath(last.key.id);
    const auto opened = storage_.disk().Open(path, os::OpenMode::kRead);
    if (!opened.ok() && opened.error().code() == ErrorCode::kNotFound) return Reason();
    SLUICE_RETURN_IF_ERROR(opened.status());
    SLUICE_ASSIGN_OR_RETURN(const uint64_t size, (*opened)->Size());
    SegmentReader reader(**opened, last.key, size);
    Cursor cursor = manifest_.next;
    cursor.position = last.end;
    const auto group = reader.Next(cursor);
    if (!group.ok() && group.error().code() == ErrorCode::kCorrupt) return Reason();
    SLUICE_RETURN_IF_ERROR(group.status());
    return Reason(fmt::format("segment '{}' has groups behind byte {}, where the manifest ends it",
                              path, last.end));
  }

  static Result<std::optional<SegmentIdentity>> ReadIdentity(os::File& file) {
    std::string head(kBlockBytes, '\0');
    SLUICE_ASSIGN_OR_RETURN(const size_t read,
                            file.Read(0, std::as_writable_bytes(std::span(head))));
    head.resize(read);
    return DecodeSegmentHeader(std::as_bytes(std::span(head)));
  }

  Storage& storage_;
  const Manifest& manifest_;
};

}  // namespace

Result<std::optional<std::string>> WhyOutdated(Storage& storage, const Manifest& manifest) {
  return Judge(storage, manifest).Run();
}

}  // namespace sluice::journal::internal
