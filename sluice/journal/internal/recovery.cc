#include "sluice/journal/internal/recovery.h"

#include <algorithm>
#include <limits>
#include <optional>

#include "sluice/journal/internal/segment_reader.h"

namespace sluice::journal::internal {

namespace {

constexpr size_t kRecoveriesKept = 16;
constexpr std::string_view kAdvice =
    "restore the file from a copy; or see with `sluice journal verify` what is lost, and give that "
    "up with `sluice journal repair --accept-loss`";

class Recoverer {
 public:
  Recoverer(Storage& storage, const os::Clock& clock, os::Random& random)
      : storage_(storage), clock_(clock), random_(random) {}

  Result<Recovered> Run() {
    SLUICE_ASSIGN_OR_RETURN(auto manifest, storage_.LoadManifest());
    if (!manifest) manifest = Manifest{.uuid = random_.Uuid(), .clean = true};
    State& state = result_.state;
    state.uuid = manifest->uuid;
    state.epoch = manifest->epoch;
    state.segment_next = manifest->segment_next;
    state.received_us = manifest->received_us;
    state.partitions = manifest->partitions;
    state.recoveries = manifest->recoveries;
    state.losses = manifest->losses;
    result_.found.clean = manifest->clean;

    for (size_t i = 0; i < manifest->segments.size(); ++i) {
      const bool last = i + 1 == manifest->segments.size();
      const Cursor& next = last ? manifest->next : manifest->segments[i + 1].first;
      SLUICE_RETURN_IF_ERROR(ReadSegment(manifest->segments[i], next), "journal '{}'",
                             storage_.folder());
    }
    if (manifest->segments.empty()) state.next = manifest->next;
    result_.found.segments = state.segments.size();

    // First, as it makes the room that the rest may need on a full disk.
    SLUICE_RETURN_IF_ERROR(RemoveStrays(manifest->segments));
    // Only now is a new boot known to be able to serve. The first durable change is the epoch,
    // together with the ends found: from here on nothing in the old segments is open to doubt.
    ++state.epoch;
    const Manifest recovered = state.ToManifest();
    SLUICE_RETURN_IF_ERROR(storage_.StoreManifest(recovered));
    SLUICE_RETURN_IF_ERROR(RemoveStrays(recovered.segments));
    return std::move(result_);
  }

 private:
  Status ReadSegment(const SegmentEntry& entry, const Cursor& expected) {
    const std::string path = storage_.SegmentPath(entry.key.id);
    auto opened =
        storage_.disk().Open(path, entry.sealed() ? os::OpenMode::kRead : os::OpenMode::kWrite);
    if (!opened.ok() && opened.error().code() == ErrorCode::kNotFound) {
      return Corrupt("segment '{}' is missing; {}", path, kAdvice);
    }
    SLUICE_RETURN_IF_ERROR(opened.status());
    os::File& file = **opened;
    // After a failed sync the cache may show bytes that the disk does not have.
    if (!entry.sealed()) file.DropCache();
    SLUICE_ASSIGN_OR_RETURN(const uint64_t file_bytes, file.Size());

    SegmentReader reader(file, entry.key, entry.sealed() ? entry.end : file_bytes);
    if (Status header = reader.CheckHeader(state().uuid); !header.ok()) {
      return std::move(header).error().Wrap("segment '" + path + "'");
    }
    Segment segment{.entry = entry, .file_bytes = file_bytes};
    Cursor cursor = entry.first;
    cursor.position = kBlockBytes;
    while (!entry.sealed() || cursor.position < entry.end) {
      const auto group = reader.Next(cursor);
      if (group.ok()) {
        SLUICE_RETURN_IF_ERROR(Take(*group, segment), "segment '{}'", path);
        continue;
      }
      if (group.error().code() != ErrorCode::kCorrupt) return group.status();
      if (entry.sealed()) return Damaged(path, cursor, group.error().message());
      SLUICE_RETURN_IF_ERROR(EndActive(file, path, reader, cursor, group.error().message()));
      segment.file_bytes = cursor.position;
      break;
    }
    if (entry.sealed() && (cursor.position != entry.end || cursor.sequence != expected.sequence ||
                           cursor.chain != expected.chain)) {
      return Damaged(path, cursor, "the groups do not end as they did when it was sealed");
    }
    segment.entry.end = cursor.position;
    segment.durable_end = cursor.position;
    state().next = cursor;
    // A segment that got no group is not worth keeping; RemoveStrays() takes its file.
    if (cursor.position > kBlockBytes) state().segments.push_back(std::move(segment));
    return {};
  }

  Status Take(std::span<const FrameView> group, Segment& segment) {
    ++result_.found.groups;
    for (const FrameView& frame : group) {
      const FrameHeader& header = frame.header;
      state().received_us = std::max(state().received_us, header.received_us);
      if (header.kind == static_cast<uint8_t>(FrameKind::kSchema)) {
        state().schemas[{header.partition, header.schema_id}] = {
            .payload = std::make_shared<const std::string>(frame.payload),
            .base = header.base,
            .received_us = header.received_us,
            .segment = segment.entry.key.id};
      } else if (header.kind == static_cast<uint8_t>(FrameKind::kData)) {
        if (header.base < 0 || header.rows < 1 ||
            header.base > std::numeric_limits<Offset>::max() - header.rows) {
          return Corrupt("partition {} has {} rows at offset {}", header.partition, header.rows,
                         header.base);
        }
        Offset& end = segment.ends[header.partition];
        Offset& floor = floors_[header.partition];
        if (header.base < floor) {
          return Corrupt("partition {} goes back to offset {} from {}", header.partition,
                         header.base, floor);
        }
        floor = end = header.base + header.rows;
        PartitionEntry& partition = state().partitions[header.partition];
        partition.next = std::max(partition.next, end);
      } else if (header.kind == static_cast<uint8_t>(FrameKind::kDuplicates)) {
        int64_t& sum = state().partitions[header.partition].duplicates;
        sum = std::max(sum, header.base);
      } else {
        return Unsupported("frames of kind {} are of a newer version", header.kind);
      }
    }
    return {};
  }

  // The groups that can be read end at `cursor`. Either the rest was never acknowledged, or it is
  // damaged.
  Status EndActive(os::File& file, const std::string& path, SegmentReader& reader,
                   const Cursor& cursor, const std::string& reason) {
    SLUICE_ASSIGN_OR_RETURN(const SegmentReader::Rest rest, reader.LookAhead(cursor));
    if (rest.proof) {
      return Damaged(path, cursor,
                     fmt::format("{}, and the frame at byte {} says that it had been acknowledged",
                                 reason, rest.proof_position));
    }
    // What could be read may lie in the cache alone, left by a process that was killed before its
    // sync. Readers will see it, so it must not be taken back by the next power loss.
    SLUICE_RETURN_IF_ERROR(storage_.Sync(file), "'{}'", path);
    SLUICE_RETURN_IF_ERROR(file.Truncate(cursor.position), "'{}'", path);
    SLUICE_RETURN_IF_ERROR(storage_.Sync(file), "'{}'", path);
    SLUICE_RETURN_IF_ERROR(storage_.SyncFolder());
    result_.found.torn_bytes += rest.used_bytes;
    if (rest.used_bytes == 0) return {};
    auto& recoveries = state().recoveries;
    recoveries.push_back(fmt::format(
        "epoch {} at {} us: segment {}: cut {} bytes off at byte {}, before group {}: {}",
        state().epoch + 1, clock_.Now().time_since_epoch().count(), SegmentOfPath(path),
        rest.used_bytes, cursor.position, cursor.sequence, reason));
    if (recoveries.size() > kRecoveriesKept) recoveries.erase(recoveries.begin());
    return {};
  }

  static std::string_view SegmentOfPath(std::string_view path) {
    return path.substr(path.rfind('/') + 1);
  }

  static Error Damaged(const std::string& path, const Cursor& cursor, std::string_view reason) {
    return Corrupt("segment '{}' at byte {}, group {}: {}; {}", path, cursor.position,
                   cursor.sequence, reason, kAdvice);
  }

  // Files that the durable manifest does not name hold no group that anybody was told of: segments
  // made ahead, or released ones whose removal was cut short.
  Status RemoveStrays(const std::vector<SegmentEntry>& named) {
    SLUICE_ASSIGN_OR_RETURN(std::vector<uint64_t> strays, storage_.ListSegments());
    std::erase_if(strays, [&](uint64_t id) {
      return std::ranges::any_of(named,
                                 [&](const SegmentEntry& entry) { return entry.key.id == id; });
    });
    for (const uint64_t id : strays) {
      state().segment_next = std::max(state().segment_next, id + 1);
    }
    return storage_.RemoveSegments(strays);
  }

  State& state() { return result_.state; }

  Storage& storage_;
  const os::Clock& clock_;
  os::Random& random_;
  Recovered result_;
  std::map<PartitionId, Offset> floors_;
};

}  // namespace

Result<Recovered> Recover(Storage& storage, const os::Clock& clock, os::Random& random) {
  return Recoverer(storage, clock, random).Run();
}

}  // namespace sluice::journal::internal
