#include "sluice/journal/internal/carrier.h"

#include <algorithm>
#include <utility>

#include "sluice/base/check.h"
#include "sluice/base/crc32c.h"

namespace sluice::journal::internal {

namespace {

// Who appends waits for as much to be read, written and synced.
constexpr uint64_t kStepBytes = 1 << 20;
constexpr uint64_t kGroupBytes = 1 << 20;
// A segment of which less than one part in so many is needed is worth copying.
constexpr uint64_t kNeededShare = 4;

/// At most so much of the segment is needed: what a partition has there goes as a whole.
uint64_t NeededBytes(const State& state, const Segment& segment) {
  uint64_t bytes = 0;
  for (const auto& [partition, share] : segment.shares) {
    const auto entry = state.partitions.find(partition);
    const bool released = entry != state.partitions.end() && share.end <= entry->second.released;
    if (!released) bytes += share.bytes;
  }
  for (const auto& [key, schema] : state.schemas) {
    if (schema.segment == segment.entry.key.id) bytes += FrameBytes(schema.payload->size());
  }
  return bytes;
}

}  // namespace

std::optional<CarryRun> ChooseRun(const State& state, uint64_t garbage_bytes_min,
                                  uint64_t segment_bytes, const std::vector<uint64_t>& unreadable) {
  std::optional<CarryRun> best;
  uint64_t best_garbage = garbage_bytes_min;
  CarryRun run;
  uint64_t garbage = 0;
  uint64_t needed = 0;
  for (size_t i = 0; i < state.segments.size(); ++i) {
    const Segment& segment = state.segments[i];
    const uint64_t used = segment.durable_end;
    const uint64_t of_it = std::min(used, NeededBytes(state, segment));
    // Small ones, that were carried before, are taken along: else there would be ever more of them.
    const bool fits = segment.entry.sealed() &&
                      std::max(used, segment_bytes) / kNeededShare >= of_it &&
                      std::ranges::count(unreadable, segment.entry.key.id) == 0;
    if (!fits || needed + of_it > segment_bytes) {
      run.begin = fits ? i : i + 1;
      garbage = needed = 0;
    }
    if (!fits) continue;
    run.end = i + 1;
    garbage += used - of_it;
    needed += of_it;
    if (garbage > best_garbage && garbage > needed) {
      best_garbage = garbage;
      best = run;
      best->needed_bytes = needed;
    }
  }
  return best;
}

Carrier::Carrier(Storage& storage, const State& state, const CarryRun& run, const SegmentKey& key)
    : storage_(storage),
      uuid_(state.uuid),
      key_(key),
      first_(state.segments[run.begin].entry.first),
      next_(first_) {
  next_.position = kBlockBytes;
  for (size_t i = run.begin; i < run.end; ++i) {
    const Segment& segment = state.segments[i];
    ids_.push_back(segment.entry.key.id);
    // What nothing is needed of is not even read.
    if (NeededBytes(state, segment) > 0) sources_.push_back(segment);
  }
  for (const auto& [partition, entry] : state.partitions) released_[partition] = entry.released;
  for (const auto& [schema_key, schema] : state.schemas) schemas_[schema_key] = schema.segment;
}

Status Carrier::BeginSource() {
  const Segment& segment = sources_.front();
  reading_ = segment.entry.key.id;
  SLUICE_ASSIGN_OR_RETURN(
      source_, storage_.disk().Open(storage_.SegmentPath(reading_), os::OpenMode::kRead));
  reader_.emplace(*source_, segment.entry.key, segment.durable_end);
  read_ = segment.entry.first;
  read_.position = kBlockBytes;
  return {};
}

bool Carrier::IsNeeded(const FrameHeader& header) const {
  if (header.kind == static_cast<uint8_t>(FrameKind::kSchema)) {
    const auto newest = schemas_.find({header.partition, header.schema_id});
    return newest != schemas_.end() && newest->second == reading_;
  }
  // Sums of duplicates stand in the manifest.
  if (header.kind != static_cast<uint8_t>(FrameKind::kData)) return false;
  const auto released = released_.find(header.partition);
  return released == released_.end() || header.base + header.rows > released->second;
}

void Carrier::Take(std::span<const FrameView> group) {
  for (const FrameView& view : group) {
    const FrameHeader& header = view.header;
    if (!IsNeeded(header)) continue;
    payloads_.emplace_back(view.payload);
    frames_.push_back({.kind = header.kind,
                       .partition = header.partition,
                       .schema_id = header.schema_id,
                       .base = header.base,
                       .rows = header.rows,
                       .payload = payloads_.back(),
                       .payload_crc = header.payload_crc,
                       .received_us = header.received_us});
    received_us_ = header.received_us;
    bytes_ += FrameBytes(header.payload_bytes);
    if (header.kind == static_cast<uint8_t>(FrameKind::kSchema)) continue;
    SegmentShare& share = target_.shares[header.partition];
    share.end = header.base + header.rows;
    share.bytes += FrameBytes(header.payload_bytes);
  }
}

Result<bool> Carrier::Step() {
  if (!file_) {
    SLUICE_ASSIGN_OR_RETURN(file_, storage_.CreateCarried(key_, uuid_));
  }
  for (uint64_t done = 0; done < kStepBytes;) {
    if (!reader_ && sources_.empty()) return true;
    const uint64_t position = reader_ ? read_.position : kBlockBytes;
    const auto read = ReadGroup();
    if (!read.ok()) unreadable_ = reading_;
    SLUICE_ASSIGN_OR_RETURN(const auto group, read, "segment {}", reading_);
    // Only now, so that there is one group to be written at the end: there are never more of them
    // than there were.
    if (bytes_ >= kGroupBytes) {
      SLUICE_RETURN_IF_ERROR(WriteGroup());
      done = kStepBytes;
    }
    Take(group);
    done += read_.position - position;
    if (read_.position < sources_.front().durable_end) continue;
    reader_.reset();
    source_.reset();
    sources_.pop_front();
  }
  return false;
}

Result<std::span<const FrameView>> Carrier::ReadGroup() {
  if (!reader_) SLUICE_RETURN_IF_ERROR(BeginSource());
  return reader_->Next(read_);
}

Status Carrier::WriteGroup() {
  builder_.Build(key_, next_, received_us_, frames_);
  SLUICE_RETURN_IF_ERROR(file_->Write(next_.position, builder_.pieces()));
  SLUICE_RETURN_IF_ERROR(storage_.Sync(*file_));
  next_ = builder_.next();
  frames_.clear();
  payloads_.clear();
  bytes_ = 0;
  return {};
}

Result<Segment> Carrier::Finish(const Cursor& behind) {
  SLUICE_CHECK(behind.sequence > next_.sequence);
  frames_.push_back({.kind = kCarriedKind,
                     .schema_id = behind.chain,
                     .base = static_cast<int64_t>(behind.sequence),
                     .payload_crc = Crc32c({})});
  SLUICE_RETURN_IF_ERROR(WriteGroup());
  SLUICE_RETURN_IF_ERROR(storage_.NameCarried(key_.id));
  target_.entry = {.key = key_, .first = first_, .end = next_.position};
  target_.entry.first.position = kBlockBytes;
  target_.durable_end = next_.position;
  target_.file_bytes = next_.position;
  return std::move(target_);
}

}  // namespace sluice::journal::internal
