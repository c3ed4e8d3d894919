#include "sluice/journal/repair.h"

#include <algorithm>
#include <optional>
#include <utility>

#include <fmt/format.h>

#include "sluice/base/crc32c.h"
#include "sluice/journal/internal/recovery.h"
#include "sluice/journal/internal/storage.h"
#include "sluice/journal/internal/survey.h"
#include "sluice/os/copy_file.h"

namespace sluice::journal {

namespace {

using internal::Cursor;
using internal::FrameToWrite;
using internal::FrameView;
using internal::Manifest;
using internal::SegmentKey;
using internal::Storage;
using internal::Survey;

constexpr uint64_t kSegmentBytes = 64 << 20;
constexpr size_t kNoteBytesMax = 200;

/// Writes groups into segments that no manifest names yet.
///
/// Not thread-safe.
class Rewriter {
 public:
  /// `next` is where the first group goes.
  Rewriter(Storage& storage, std::string uuid, uint64_t epoch, uint64_t segment_next,
           const Cursor& next, os::Random& random)
      : storage_(storage),
        uuid_(std::move(uuid)),
        epoch_(epoch),
        segment_next_(segment_next),
        next_(next),
        random_(random) {}

  Status Write(std::span<const FrameView> views) {
    frames_.clear();
    for (const FrameView& view : views) {
      const internal::FrameHeader& header = view.header;
      if (header.kind == internal::kTrailerKind || header.kind == internal::kCarriedKind) continue;
      frames_.push_back({.kind = header.kind,
                         .partition = header.partition,
                         .schema_id = header.schema_id,
                         .base = header.base,
                         .rows = header.rows,
                         .payload = view.payload,
                         .payload_crc = header.payload_crc,
                         .received_us = header.received_us});
    }
    if (frames_.empty()) return {};
    const uint64_t bytes = internal::GroupBytes(frames_);
    if (file_ && next_.position + bytes > file_bytes_) SLUICE_RETURN_IF_ERROR(Seal());
    if (!file_) SLUICE_RETURN_IF_ERROR(Begin(bytes));
    builder_.Build(segments_.back().key, next_, views.front().header.received_us, frames_);
    SLUICE_RETURN_IF_ERROR(file_->Write(next_.position, builder_.pieces()));
    next_ = builder_.next();
    return {};
  }

  /// Makes all of it durable, as segments that are sealed.
  Status Finish() { return file_ ? Seal() : Status(); }

  const std::vector<internal::SegmentEntry>& segments() const { return segments_; }
  uint64_t segment_next() const { return segment_next_; }
  const Cursor& next() const { return next_; }

 private:
  Status Begin(uint64_t group_bytes) {
    const SegmentKey key{.id = segment_next_++, .epoch = epoch_, .tag = random_.Next()};
    file_bytes_ = internal::RoundUp(std::max(kSegmentBytes, internal::kBlockBytes + group_bytes),
                                    internal::kBlockBytes);
    SLUICE_ASSIGN_OR_RETURN(file_, storage_.CreateSegment(key, uuid_, internal::kBlockBytes),
                            "segment {}", key.id);
    segments_.push_back({.key = key, .first = next_});
    segments_.back().first.position = internal::kBlockBytes;
    next_.position = internal::kBlockBytes;
    return {};
  }

  Status Seal() {
    SLUICE_RETURN_IF_ERROR(storage_.Sync(*file_));
    segments_.back().end = next_.position;
    file_.reset();
    return {};
  }

  Storage& storage_;
  const std::string uuid_;
  const uint64_t epoch_;
  uint64_t segment_next_;
  Cursor next_;
  os::Random& random_;
  internal::GroupBuilder builder_;
  std::vector<FrameToWrite> frames_;
  std::unique_ptr<os::File> file_;
  uint64_t file_bytes_ = 0;
  std::vector<internal::SegmentEntry> segments_;
};

std::string OneLine(std::string_view text) {
  std::string line(text.substr(0, kNoteBytesMax));
  std::ranges::replace_if(line, [](char c) { return static_cast<unsigned char>(c) < ' '; }, ' ');
  return line;
}

/// One repair, with the journal's lock held.
class Repairer {
 public:
  Repairer(os::Disk& disk, const std::string& folder, const RepairOptions& options,
           const os::Clock& clock, os::Random& random)
      : storage_(disk, folder, [](const Error&) {}),
        options_(options),
        clock_(clock),
        random_(random) {}

  Result<Repaired> Run() {
    SLUICE_RETURN_IF_ERROR(ClearEarlier());
    SLUICE_ASSIGN_OR_RETURN(survey_, internal::TakeSurvey(storage_, options_.partitions, {}));
    result_.found = survey_.inspection;
    if (!survey_.inspection.Sound()) {
      SLUICE_RETURN_IF_ERROR(CheckAccepted());
      SLUICE_RETURN_IF_ERROR(KeepCopies());
      SLUICE_RETURN_IF_ERROR(WriteAnew());
      result_.losses = NewLosses();
      result_.changed = true;
    }
    if (survey_.inspection.TornBytes() > 0 && !rewritten_tail_) {
      // What every start does, and writes down.
      SLUICE_ASSIGN_OR_RETURN(const auto recovered, internal::Recover(storage_, clock_, random_));
      result_.changed = true;
      result_.cut_bytes = recovered.found.torn_bytes;
    } else if (rewritten_tail_) {
      result_.cut_bytes = survey_.inspection.TornBytes();
    }
    return std::move(result_);
  }

 private:
  Status CheckAccepted() const {
    if (survey_.inspection.lost.empty() || options_.accept_loss) return {};
    int64_t rows = 0;
    for (const Loss& loss : survey_.inspection.lost) rows += loss.end - loss.begin;
    return Corrupt(
        "{} acknowledged rows in {} ranges of offsets are lost, the first at offset {} of "
        "partition {}; {}give them up with `sluice journal repair --accept-loss`",
        rows, survey_.inspection.lost.size(), survey_.inspection.lost.front().begin,
        survey_.inspection.lost.front().partition, FromACopy());
  }

  /// Which segment would be worth to have from a copy. Not the last one, of which a copy may lack
  /// groups without anybody's notice, nor the manifest.
  std::string FromACopy() const {
    const auto& segments = survey_.inspection.segments;
    for (size_t i = 0; i + 1 < segments.size(); ++i) {
      if (segments[i].damaged)
        return fmt::format("put '{}' back from a copy, or ", segments[i].file);
    }
    return {};
  }

  /// Removes what a repair that was cut short has left.
  Status ClearEarlier() {
    SLUICE_ASSIGN_OR_RETURN(const auto first, storage_.RepairBegun());
    if (!first) return {};
    const auto manifest = storage_.LoadManifest();
    if (!manifest.ok() && manifest.error().code() != ErrorCode::kCorrupt) return manifest.status();
    const bool complete =
        manifest.ok() && *manifest &&
        std::ranges::any_of((*manifest)->segments, [&](const internal::SegmentEntry& entry) {
          return entry.key.id >= *first;
        });
    if (!complete) {
      SLUICE_ASSIGN_OR_RETURN(std::vector<uint64_t> copies, storage_.ListSegments());
      std::erase_if(copies, [&](uint64_t id) { return id < *first; });
      SLUICE_RETURN_IF_ERROR(storage_.RemoveSegments(copies));
    }
    return storage_.EndRepair();
  }

  /// Damaged files stay beside the journal, for whoever can make more of them.
  Status KeepCopies() {
    std::string last;
    for (const Damage& damage : survey_.inspection.damages) {
      if (damage.file == last) continue;
      last = damage.file;
      SLUICE_ASSIGN_OR_RETURN(const bool exists, storage_.disk().Exists(damage.file));
      if (!exists) continue;
      const std::string copy =
          fmt::format("{}.damaged-{}", damage.file, clock_.Now().time_since_epoch().count());
      SLUICE_RETURN_IF_ERROR(Copy(damage.file, copy), "copy of '{}'", damage.file);
      result_.kept_files.push_back(copy);
    }
    return storage_.SyncFolder();
  }

  Status Copy(const std::string& from, const std::string& to) {
    SLUICE_ASSIGN_OR_RETURN(const auto source, storage_.disk().Open(from, os::OpenMode::kRead));
    SLUICE_ASSIGN_OR_RETURN(const uint64_t bytes, source->Size());
    return os::CopyToNewFile(*source, bytes, storage_.disk(), to).status();
  }

  Status WriteAnew() {
    Manifest manifest = survey_.manifest;
    // No segment tells it, so all of them are written anew.
    if (manifest.uuid.empty()) manifest.uuid = random_.Uuid();
    const size_t first = survey_.first_damaged;
    const bool rewrites = first < manifest.segments.size();
    const Cursor next = rewrites ? manifest.segments[first].first : manifest.next;
    manifest.segments.clear();
    for (size_t i = 0; i < first; ++i) {
      // An end that only the active segment's bytes tell must stand in the manifest when others
      // follow. One that got no group has no end.
      const uint64_t end = survey_.inspection.segments[i].used_bytes;
      const bool last = i + 1 == survey_.manifest.segments.size();
      if (end == internal::kBlockBytes && !last) continue;
      manifest.segments.push_back(survey_.manifest.segments[i]);
      manifest.segments.back().end = end;
    }
    // Numbers of files that the manifest does not name are taken, too.
    SLUICE_ASSIGN_OR_RETURN(const std::vector<uint64_t> ids, storage_.ListSegments());
    uint64_t segment_next = manifest.segment_next;
    for (const uint64_t id : ids) segment_next = std::max(segment_next, id + 1);
    Rewriter rewriter(storage_, manifest.uuid, manifest.epoch + 1, segment_next, next, random_);
    if (rewrites) {
      SLUICE_RETURN_IF_ERROR(storage_.BeginRepair(segment_next));
      const internal::VisitFrames copy = [&](size_t segment, uint64_t,
                                             std::span<const FrameView> frames) {
        return segment < first ? Status() : rewriter.Write(frames);
      };
      SLUICE_RETURN_IF_ERROR(internal::TakeSurvey(storage_, options_.partitions, copy).status());
      SLUICE_RETURN_IF_ERROR(rewriter.Finish());
      rewritten_tail_ = true;
      manifest.next = rewriter.next();
    } else if (!manifest.segments.empty()) {
      // Only the manifest was damaged: the last segment is read as one that was being written.
      manifest.segments.back().end = 0;
      manifest.next = manifest.segments.back().first;
    }
    manifest.segments.insert(manifest.segments.end(), rewriter.segments().begin(),
                             rewriter.segments().end());
    ++manifest.epoch;
    manifest.segment_next = rewriter.segment_next();
    manifest.clean = false;
    manifest.received_us = std::max(manifest.received_us, survey_.received_us);
    for (const auto& [partition, offset] : survey_.next) {
      Offset& known = manifest.partitions[partition].next;
      known = std::max(known, offset);
    }
    for (const auto& [partition, sum] : survey_.duplicates) {
      int64_t& known = manifest.partitions[partition].duplicates;
      known = std::max(known, sum);
    }
    for (const Loss& loss : NewLosses()) manifest.losses.push_back(loss);
    const Damage& damage = survey_.inspection.damages.front();
    manifest.recoveries.push_back(fmt::format(
        "epoch {} at {} us: repaired: {} damages, the first in '{}' at byte {}: {}; {} ranges of "
        "offsets given up",
        manifest.epoch, clock_.Now().time_since_epoch().count(), survey_.inspection.damages.size(),
        damage.file, damage.position, damage.reason, survey_.inspection.lost.size()));
    // From here on the journal is the repaired one. What it no longer names goes at its next
    // opening.
    SLUICE_RETURN_IF_ERROR(storage_.StoreManifest(manifest));
    return storage_.EndRepair();
  }

  std::vector<Loss> NewLosses() const {
    std::vector<Loss> losses = survey_.inspection.lost;
    for (Loss& loss : losses) {
      loss.accepted = clock_.Now();
      loss.note = OneLine(options_.note);
    }
    return losses;
  }

  Storage storage_;
  const RepairOptions& options_;
  const os::Clock& clock_;
  os::Random& random_;
  Survey survey_;
  Repaired result_;
  bool rewritten_tail_ = false;
};

}  // namespace

Result<Repaired> Repair(os::Disk& disk, const std::string& folder, const RepairOptions& options,
                        const os::Clock& clock, os::Random& random) {
  SLUICE_ASSIGN_OR_RETURN(const auto names, disk.List(folder));
  if (names.empty()) return NotFound("there is no journal in '{}'", folder);
  SLUICE_ASSIGN_OR_RETURN(const auto lock, disk.Lock(folder + "/lock"), "journal");
  return Repairer(disk, folder, options, clock, random).Run();
}

}  // namespace sluice::journal
