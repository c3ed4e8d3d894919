#include "sluice/journal/internal/survey.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "sluice/journal/internal/loss_finder.h"
#include "sluice/journal/internal/manifest_age.h"
#include "sluice/journal/internal/manifest_rebuild.h"
#include "sluice/journal/internal/salvage.h"

namespace sluice::journal::internal {

namespace {

os::Timestamp TimeOf(int64_t received_us) {
  return os::Timestamp(std::chrono::microseconds(received_us));
}

class Surveyor {
 public:
  Surveyor(Storage& storage, const std::vector<PartitionId>& partitions, const VisitFrames& visit)
      : storage_(storage), partitions_(partitions), visit_(visit) {}

  Result<Survey> Run() {
    SLUICE_RETURN_IF_ERROR(LoadManifest());
    const Manifest& manifest = survey_.manifest;
    Inspection& found = survey_.inspection;
    found.folder = storage_.folder();
    found.uuid = manifest.uuid;
    found.epoch = manifest.epoch;
    found.clean = manifest.clean;
    found.recoveries = manifest.recoveries;
    found.losses = manifest.losses;
    survey_.received_us = manifest.received_us;
    survey_.first_damaged = manifest.segments.size();
    auto known = manifest.partitions;
    for (const PartitionId partition : partitions_) known.try_emplace(partition);
    losses_.emplace(known);
    SLUICE_RETURN_IF_ERROR(PassUnreadable());
    for (size_t i = 0; i < manifest.segments.size(); ++i) SLUICE_RETURN_IF_ERROR(ReadSegment(i));
    for (const uint64_t bytes : unreadable_bytes_) losses_->Unreadable(bytes, false);
    losses_->Finish();
    found.lost = losses_->losses();
    survey_.next = losses_->next();
    for (const auto& [partition, next] : survey_.next) {
      const auto entry = manifest.partitions.find(partition);
      found.partitions[partition] = {
          .released = entry == manifest.partitions.end() ? 0 : entry->second.released,
          .next = next};
    }
    return std::move(survey_);
  }

 private:
  Status LoadManifest() {
    std::string before;
    while (true) {
      auto loaded = storage_.LoadManifest();
      if (loaded.ok() && !*loaded) {
        return NotFound("there is no journal in '{}'", storage_.folder());
      }
      if (!loaded.ok() && loaded.error().code() != ErrorCode::kCorrupt) return loaded.status();
      if (!loaded.ok()) return MakeManifestAgain(loaded.error());
      Manifest& manifest = **loaded;
      SLUICE_ASSIGN_OR_RETURN(const auto why, WhyOutdated(storage_, manifest));
      if (why) {
        // A process that has the journal open may have replaced it since it was read.
        std::string text = Encode(manifest);
        if (text != std::exchange(before, text)) continue;
        SLUICE_RETURN_IF_ERROR(
            MakeManifestAgain(Corrupt("it is older than its journal: {}", *why)));
        if (survey_.manifest.uuid.empty()) survey_.manifest.uuid = manifest.uuid;
        if (survey_.manifest.uuid == manifest.uuid) TakeOver(manifest);
        return {};
      }
      survey_.manifest = std::move(manifest);
      return {};
    }
  }

  /// `damage`: what is wrong with the one that is there. It is returned if there are no segments.
  Status MakeManifestAgain(const Error& damage) {
    auto rebuilt = RebuildManifest(storage_);
    if (!rebuilt.ok() && rebuilt.error().code() == ErrorCode::kNotFound) return damage;
    SLUICE_RETURN_IF_ERROR(rebuilt.status());
    survey_.manifest = std::move(rebuilt->manifest);
    unreadable_ = std::move(rebuilt->unreadable);
    survey_.manifest_damage =
        Damage{.file = storage_.folder() + "/manifest", .reason = damage.message()};
    survey_.inspection.damages.push_back(*survey_.manifest_damage);
    return {};
  }

  /// What an older manifest says and segments do not was true, and went on from there.
  void TakeOver(const Manifest& older) {
    Manifest& manifest = survey_.manifest;
    manifest.epoch = std::max(manifest.epoch, older.epoch);
    manifest.segment_next = std::max(manifest.segment_next, older.segment_next);
    manifest.received_us = older.received_us;
    manifest.partitions = older.partitions;
    manifest.recoveries = older.recoveries;
    manifest.losses = older.losses;
  }

  /// Segments that may have stood anywhere: in front of all others, or, at the end, behind them.
  /// Had one stood between two, their groups would not fit.
  Status PassUnreadable() {
    for (const std::string& path : unreadable_) {
      SLUICE_ASSIGN_OR_RETURN(const auto file, storage_.disk().Open(path, os::OpenMode::kRead));
      SLUICE_ASSIGN_OR_RETURN(const uint64_t bytes, file->Size());
      unreadable_bytes_.push_back(std::max(bytes, kBlockBytes));
      survey_.inspection.damages.push_back(
          {.file = path, .reason = "neither its header nor a frame can be read"});
      losses_->Unreadable(unreadable_bytes_.back(), false);
    }
    return {};
  }

  void AddDamage(size_t index, SegmentReport& report, const Gap& gap) {
    report.damaged = true;
    survey_.first_damaged = std::min(survey_.first_damaged, index);
    survey_.inspection.damages.push_back({.file = report.file,
                                          .position = gap.position,
                                          .group = gap.sequence,
                                          .reason = gap.reason});
    losses_->Unreadable(0, true);
  }

  void AddUnreadable(size_t index, uint64_t bytes) {
    // A manifest written later than the gap knows which offsets were given away before it.
    const bool known_end = !survey_.manifest_damage && survey_.manifest.segments[index].sealed();
    losses_->Unreadable(bytes, known_end);
  }

  Status ReadSegment(size_t index) {
    const SegmentEntry& entry = survey_.manifest.segments[index];
    SegmentReport report{.id = entry.key.id,
                         .epoch = entry.key.epoch,
                         .file = storage_.SegmentPath(entry.key.id),
                         .sealed = entry.sealed()};
    Status read = ReadFile(index, report);
    survey_.inspection.segments.push_back(std::move(report));
    return read;
  }

  Status ReadFile(size_t index, SegmentReport& report) {
    const Manifest& manifest = survey_.manifest;
    const SegmentEntry& entry = manifest.segments[index];
    const auto opened = storage_.disk().Open(report.file, os::OpenMode::kRead);
    if (!opened.ok() && opened.error().code() == ErrorCode::kNotFound) {
      AddDamage(index, report,
                {.sequence = entry.first.sequence, .reason = "the segment is missing"});
      AddUnreadable(index, kBlockBytes);
      return {};
    }
    SLUICE_RETURN_IF_ERROR(opened.status());
    os::File& file = **opened;
    SLUICE_ASSIGN_OR_RETURN(report.file_bytes, file.Size());
    const uint64_t end = entry.sealed() ? entry.end : report.file_bytes;

    SegmentReader header_reader(file, entry.key, end);
    if (Status header = header_reader.CheckHeader(manifest.uuid); !header.ok()) {
      if (header.error().code() != ErrorCode::kCorrupt) return header;
      AddDamage(index, report, {.reason = header.error().message()});
      // A segment is named with its space and its header: one without them was cut off, and nothing
      // is left to tell what stood there.
      if (report.file_bytes < kBlockBytes) AddUnreadable(index, kBlockBytes);
    }
    size_t gaps = 0;
    const SegmentVisitor visitor{
        .frames = [&](uint64_t position, std::span<const FrameView> frames) -> Status {
          return Take(index, position, frames, report);
        },
        .gap =
            [&](const Gap& gap) {
              ++gaps;
              AddDamage(index, report, gap);
            },
        .lost =
            [&](const FrameHeader& header) {
              if (header.kind == static_cast<uint8_t>(FrameKind::kData)) losses_->Lost(header);
            },
        .unreadable = [&](uint64_t bytes) { AddUnreadable(index, bytes); }};
    SLUICE_ASSIGN_OR_RETURN(const ScanOfSegment scan,
                            ScanSegment(file, entry.key, entry.first, end, entry.sealed(), visitor),
                            "'{}'", report.file);
    report.groups = scan.groups;
    report.used_bytes = scan.next.position;
    report.torn_bytes = scan.torn_bytes;
    CheckEnd(index, report, scan, gaps);
    return {};
  }

  /// Whether the segment's groups end where the next segment's begin.
  void CheckEnd(size_t index, SegmentReport& report, const ScanOfSegment& scan, size_t gaps) {
    const Manifest& manifest = survey_.manifest;
    const bool last = index + 1 == manifest.segments.size();
    // Where the file was cut off, only a manifest tells that there was more.
    if (scan.ends_in_gap && survey_.manifest_damage) AddUnreadable(index, kBlockBytes);
    if (gaps > 0 || (last && (!manifest.segments[index].sealed() || survey_.manifest_damage))) {
      return;
    }
    const Cursor& expected = last ? manifest.next : manifest.segments[index + 1].first;
    if (scan.next.sequence == expected.sequence && scan.next.chain == expected.chain) return;
    AddDamage(index, report,
              {.position = scan.next.position,
               .sequence = scan.next.sequence,
               .reason = "the groups do not end as they did when it was sealed"});
    AddUnreadable(index, kBlockBytes);
  }

  Status Take(size_t index, uint64_t position, std::span<const FrameView> frames,
              SegmentReport& report) {
    frames_.clear();
    for (const FrameView& frame : frames) {
      if (frame.header.kind == static_cast<uint8_t>(FrameKind::kData) &&
          !Follows(index, position, frame.header, report)) {
        continue;
      }
      Count(frame.header, report);
      frames_.push_back(frame);
    }
    return visit_ && !frames_.empty() ? visit_(index, position, frames_) : Status();
  }

  /// Whether the rows are behind all of their partition so far: else recovery would refuse the
  /// journal. They are so twice, or the frame never was written as it is.
  bool Follows(size_t index, uint64_t position, const FrameHeader& header, SegmentReport& report) {
    Offset& end = ends_[header.partition];
    if (header.rows > 0 && header.base >= end) {
      end = header.base + header.rows;
      return true;
    }
    if (went_back_ != index) {  // Once for each segment.
      AddDamage(
          index, report,
          {.position = position,
           .sequence = header.sequence,
           .reason = fmt::format("partition {} has {} rows at offset {} behind those up to {}",
                                 header.partition, header.rows, header.base, end)});
    }
    went_back_ = index;
    if (header.base + header.rows > end) {
      losses_->Lost(header);
      end = header.base + header.rows;
    }
    return false;
  }

  void Count(const FrameHeader& header, SegmentReport& report) {
    if (header.kind == kCarriedKind) return;
    const os::Timestamp received = TimeOf(header.received_us);
    if (report.frames++ == 0) report.received_first = received;
    report.received_last = received;
    survey_.received_us = std::max(survey_.received_us, header.received_us);
    if (header.kind == static_cast<uint8_t>(FrameKind::kDuplicates)) {
      int64_t& sum = survey_.duplicates[header.partition];
      sum = std::max(sum, header.base);
    }
    if (header.kind != static_cast<uint8_t>(FrameKind::kData)) return;
    losses_->Found(header);
    report.rows += header.rows;
    OffsetSpan& span =
        report.partitions.try_emplace(header.partition, OffsetSpan{header.base, header.base})
            .first->second;
    span.end = header.base + header.rows;
  }

  Storage& storage_;
  const std::vector<PartitionId>& partitions_;
  const VisitFrames& visit_;
  std::optional<LossFinder> losses_;
  std::vector<std::string> unreadable_;  // Segments that the manifest made again has not.
  std::vector<uint64_t> unreadable_bytes_;
  std::map<PartitionId, Offset> ends_;  // Of the rows so far.
  std::optional<size_t> went_back_;     // The segment in which some last did.
  std::vector<FrameView> frames_;
  Survey survey_;
};

}  // namespace

Result<Survey> TakeSurvey(Storage& storage, const std::vector<PartitionId>& partitions,
                          const VisitFrames& visit) {
  return Surveyor(storage, partitions, visit).Run();
}

}  // namespace sluice::journal::internal
