#include "sluice/journal/internal/recovery.h"

#include <algorithm>
#include <limits>
#include <optional>

#include "sluice/base/in_parallel.h"
#include "sluice/journal/internal/manifest_age.h"
#include "sluice/journal/internal/segment_reader.h"

namespace sluice::journal::internal {

namespace {

constexpr size_t kRecoveriesKept = 16;
constexpr std::string_view kAdvice =
    "see with `sluice journal verify` what is lost, and give that up with `sluice journal repair "
    "--accept-loss`";
// An older copy of what is being written would lack groups without anybody's notice.
constexpr std::string_view kAdviceIfSealed =
    "put the segment back from a copy; or see with `sluice journal verify` what is lost, and give "
    "that up with `sluice journal repair --accept-loss`";
constexpr std::string_view kManifestAdvice =
    "see with `sluice journal verify` what is lost, if anything, and have it made again by `sluice "
    "journal repair`";

// With so many bytes in sealed segments a second thread reads some of them.
constexpr uint64_t kTwoThreadsBytes = 64 << 20;

/// What the groups of one segment say.
struct Contents {
  Segment segment;
  Cursor next;  ///< Behind the last.
  uint64_t groups = 0;
  int64_t received_us = 0;
  std::map<PartitionId, Offset> begins;  ///< First rows.
  std::map<PartitionId, int64_t> duplicates;
  std::map<SchemaKey, Schema> schemas;
};

Error GoesBack(PartitionId partition, Offset base, Offset floor) {
  return Corrupt("partition {} goes back to offset {} from {}", partition, base, floor);
}

Status Take(std::span<const FrameView> group, Contents& contents) {
  ++contents.groups;
  for (const FrameView& frame : group) {
    const FrameHeader& header = frame.header;
    contents.received_us = std::max(contents.received_us, header.received_us);
    if (header.kind == static_cast<uint8_t>(FrameKind::kSchema)) {
      contents.schemas[{header.partition, header.schema_id}] = {
          .payload = std::make_shared<const std::string>(frame.payload),
          .base = header.base,
          .received_us = header.received_us,
          .segment = contents.segment.entry.key.id};
    } else if (header.kind == static_cast<uint8_t>(FrameKind::kData)) {
      if (header.base < 0 || header.rows < 1 ||
          header.base > std::numeric_limits<Offset>::max() - header.rows) {
        return Corrupt("partition {} has {} rows at offset {}", header.partition, header.rows,
                       header.base);
      }
      const bool first = contents.begins.try_emplace(header.partition, header.base).second;
      SegmentShare& share = contents.segment.shares[header.partition];
      if (!first && header.base < share.end) {
        return GoesBack(header.partition, header.base, share.end);
      }
      share.end = header.base + header.rows;
      share.bytes += FrameBytes(header.payload_bytes);
    } else if (header.kind == static_cast<uint8_t>(FrameKind::kDuplicates)) {
      int64_t& sum = contents.duplicates[header.partition];
      sum = std::max(sum, header.base);
    } else if (header.kind != kCarriedKind) {
      return Unsupported("frames of kind {} are of a newer version", header.kind);
    }
  }
  return {};
}

class Recoverer {
 public:
  Recoverer(Storage& storage, const os::Clock& clock, os::Random& random)
      : storage_(storage), clock_(clock), random_(random) {}

  Result<Recovered> Run() {
    SLUICE_ASSIGN_OR_RETURN(auto manifest, LoadManifest());
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

    const auto sealed = ReadSealed(*manifest);
    for (size_t i = 0; i < manifest->segments.size(); ++i) {
      // Those that are sealed may stand before one that is not, never behind it.
      auto contents = i < sealed.size() ? sealed[i] : ReadSegment(*manifest, i);
      SLUICE_RETURN_IF_ERROR(contents.status(), "journal '{}'", storage_.folder());
      SLUICE_RETURN_IF_ERROR(Merge(std::move(*contents)), "journal '{}'", storage_.folder());
    }
    if (manifest->segments.empty()) state.next = manifest->next;
    result_.found.segments = state.segments.size();
    result_.found.received = os::Timestamp(std::chrono::microseconds(state.received_us));

    // First, as it makes the room that the rest may need on a full disk.
    storage_.RemoveCarried();
    SLUICE_RETURN_IF_ERROR(RemoveStrays(manifest->segments));
    // Only now is a new boot known to be able to serve. The first durable change is the epoch,
    // together with the ends found: from here on nothing in the old segments is open to doubt.
    ++state.epoch;
    const Manifest recovered = state.ToManifest();
    SLUICE_RETURN_IF_ERROR(storage_.StoreManifest(recovered));
    SLUICE_RETURN_IF_ERROR(RemoveStrays(recovered.segments));
    SLUICE_RETURN_IF_ERROR(storage_.EndRepair());
    return std::move(result_);
  }

 private:
  // What it does not name is removed, so it must be the newest there was.
  Result<std::optional<Manifest>> LoadManifest() {
    auto manifest = storage_.LoadManifest();
    if (!manifest.ok() && manifest.error().code() == ErrorCode::kCorrupt) {
      return Corrupt("{}; {}", manifest.error().message(), kManifestAdvice);
    }
    if (!manifest.ok() || !*manifest) return manifest;
    SLUICE_ASSIGN_OR_RETURN(const auto why, internal::WhyOutdated(storage_, **manifest));
    if (!why) return manifest;
    return Corrupt("'{}/manifest' is older than its journal: {}; {}", storage_.folder(), *why,
                   kManifestAdvice);
  }

  // The sealed segments, but for the last: what one holds does not depend on the others, so two
  // threads may read them. After a failure the list may end early.
  std::vector<Result<Contents>> ReadSealed(const Manifest& manifest) {
    size_t count = 0;
    uint64_t bytes = 0;
    while (count + 1 < manifest.segments.size() && manifest.segments[count].sealed()) {
      bytes += manifest.segments[count++].end;
    }
    std::vector<std::optional<Result<Contents>>> read(count);
    InParallel(count, bytes >= kTwoThreadsBytes ? 2 : 1, [&](size_t i) {
      read[i] = ReadSegment(manifest, i);
      return read[i]->ok();
    });
    std::vector<Result<Contents>> contents;
    for (size_t i = 0; i < count && read[i]; ++i) contents.push_back(std::move(*read[i]));
    return contents;
  }

  Result<Contents> ReadSegment(const Manifest& manifest, size_t number) {
    const SegmentEntry& entry = manifest.segments[number];
    const Cursor& expected = number + 1 == manifest.segments.size()
                                 ? manifest.next
                                 : manifest.segments[number + 1].first;
    const std::string path = storage_.SegmentPath(entry.key.id);
    auto opened =
        storage_.disk().Open(path, entry.sealed() ? os::OpenMode::kRead : os::OpenMode::kWrite);
    if (!opened.ok() && opened.error().code() == ErrorCode::kNotFound) {
      return Corrupt("segment '{}' is missing; {}", path, AdviceFor(entry.sealed()));
    }
    SLUICE_RETURN_IF_ERROR(opened.status());
    os::File& file = **opened;
    // After a failed sync the cache may show bytes that the disk does not have.
    if (!entry.sealed()) file.DropCache();
    SLUICE_ASSIGN_OR_RETURN(const uint64_t file_bytes, file.Size());

    SegmentReader reader(file, entry.key, entry.sealed() ? entry.end : file_bytes);
    if (Status header = reader.CheckHeader(manifest.uuid); !header.ok()) {
      if (header.error().code() == ErrorCode::kCorrupt) {
        return Corrupt("segment '{}': {}; {}", path, header.error().message(),
                       AdviceFor(entry.sealed()));
      }
      return std::move(header).error().Wrap("segment '" + path + "'");
    }
    Contents contents;
    Segment& segment = contents.segment;
    segment.entry = entry;
    segment.file_bytes = file_bytes;
    Cursor cursor = entry.first;
    cursor.position = kBlockBytes;
    while (!entry.sealed() || cursor.position < entry.end) {
      const auto group = reader.Next(cursor);
      if (group.ok()) {
        SLUICE_RETURN_IF_ERROR(Take(*group, contents), "segment '{}'", path);
        continue;
      }
      if (group.error().code() != ErrorCode::kCorrupt) return group.status().error();
      if (entry.sealed()) return Damaged(path, cursor, group.error().message(), true);
      SLUICE_RETURN_IF_ERROR(EndActive(file, path, reader, cursor, group.error().message()));
      segment.file_bytes = cursor.position;
      break;
    }
    if (entry.sealed() && (cursor.position != entry.end || cursor.sequence != expected.sequence ||
                           cursor.chain != expected.chain)) {
      return Damaged(path, cursor, "the groups do not end as they did when it was sealed", true);
    }
    segment.entry.end = cursor.position;
    segment.durable_end = cursor.position;
    contents.next = cursor;
    return contents;
  }

  // Adds what the next segment holds to the state.
  Status Merge(Contents contents) {
    for (const auto& [partition, begin] : contents.begins) {
      const auto floor = floors_.find(partition);
      if (floor != floors_.end() && begin < floor->second) {
        return GoesBack(partition, begin, floor->second)
            .Wrap("segment '" + storage_.SegmentPath(contents.segment.entry.key.id) + "'");
      }
    }
    for (const auto& [partition, share] : contents.segment.shares) {
      floors_[partition] = share.end;
      PartitionEntry& entry = state().partitions[partition];
      entry.next = std::max(entry.next, share.end);
    }
    for (const auto& [partition, sum] : contents.duplicates) {
      int64_t& known = state().partitions[partition].duplicates;
      known = std::max(known, sum);
    }
    for (auto& [key, schema] : contents.schemas) state().schemas[key] = std::move(schema);
    state().received_us = std::max(state().received_us, contents.received_us);
    state().next = contents.next;
    result_.found.groups += contents.groups;
    // A segment that got no group is not worth keeping; RemoveStrays() takes its file.
    if (contents.next.position > kBlockBytes) {
      state().segments.push_back(std::move(contents.segment));
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
                                 reason, rest.proof_position),
                     false);
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

  static std::string_view AdviceFor(bool sealed) { return sealed ? kAdviceIfSealed : kAdvice; }

  static Error Damaged(const std::string& path, const Cursor& cursor, std::string_view reason,
                       bool sealed) {
    return Corrupt("segment '{}' at byte {}, group {}: {}; {}", path, cursor.position,
                   cursor.sequence, reason, AdviceFor(sealed));
  }

  // Files that the newest manifest does not name hold no group that anybody was told of and that is
  // still needed: segments made ahead, released or replaced ones whose removal was cut short,
  // copies that were not to be.
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
