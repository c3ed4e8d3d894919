#include "sluice/journal/internal/writer.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "sluice/base/check.h"
#include "sluice/base/crc32c.h"
#include "sluice/base/trace.h"

namespace sluice::journal::internal {

Writer::Writer(const Options& options, Storage& storage, os::Random& random, std::mutex& mutex,
               State& state)
    : options_(options), storage_(storage), random_(random), mutex_(mutex), state_(state) {}

Status Writer::Write(std::span<const FrameToWrite> frames, int64_t received_us) {
  SLUICE_RETURN_IF_ERROR(MakeRoom(GroupBytes(frames)));
  const Cursor at = state_.next;
  builder_.Build(state_.segments.back().entry.key, at, received_us, frames);
  Status written = direct_ ? direct_->Write(at.position, builder_.pieces())
                           : active_->Write(at.position, builder_.pieces());
  if (!written.ok()) {
    SLUICE_RETURN_IF_ERROR(TakeBack(at.position));
    return written;
  }
  if (!direct_) SLUICE_RETURN_IF_ERROR(storage_.Sync(*active_));
  group_bytes_ = builder_.next().position - at.position;
  Publish(frames, received_us, builder_.next());
  return {};
}

// A failed write may have left the whole group behind. Whoever is told that it was refused must
// never see it, so its first block is made zero again, durably; no acknowledged byte lies in that
// block.
Status Writer::TakeBack(uint64_t position) {
  std::string block(kBlockBytes, '\1');
  const auto read = active_->Read(position, std::as_writable_bytes(std::span(block)));
  if (read.ok()) block.resize(*read);
  // Around the cache, what is read here may be older than what is on its way to the disk.
  if (!direct_ && std::ranges::all_of(block, [](char c) { return c == '\0'; })) return {};
  block.assign(kBlockBytes, '\0');
  const std::span<const std::byte> piece = std::as_bytes(std::span(block));
  Status zeroed =
      direct_ ? direct_->Write(position, {&piece, 1}) : active_->Write(position, {&piece, 1});
  if (!zeroed.ok()) {
    storage_.Break(zeroed.error());
    return zeroed;
  }
  return direct_ ? Status() : storage_.Sync(*active_);
}

void Writer::Publish(std::span<const FrameToWrite> frames, int64_t received_us,
                     const Cursor& next) {
  const std::lock_guard lock(mutex_);
  Segment& segment = state_.segments.back();
  state_.next = next;
  state_.received_us = std::max(state_.received_us, received_us);
  segment.durable_end = next.position;
  for (const FrameToWrite& frame : frames) {
    if (frame.kind == static_cast<uint8_t>(FrameKind::kSchema)) {
      state_.schemas[{frame.partition, frame.schema_id}] = {
          .payload = std::make_shared<const std::string>(frame.payload),
          .base = frame.base,
          .received_us = received_us,
          .segment = segment.entry.key.id};
      continue;
    }
    if (frame.kind == static_cast<uint8_t>(FrameKind::kDuplicates)) {
      int64_t& sum = state_.partitions[frame.partition].duplicates;
      sum = std::max(sum, frame.base);
      continue;
    }
    const Offset end = frame.base + frame.rows;
    SegmentShare& share = segment.shares[frame.partition];
    share.end = end;
    share.bytes += FrameBytes(frame.payload.size());
    PartitionEntry& partition = state_.partitions[frame.partition];
    partition.next = std::max(partition.next, end);
  }
}

bool Writer::HasRoom(uint64_t group_bytes) const {
  return active_ && state_.next.position + group_bytes <= active_bytes_;
}

Status Writer::MakeRoom(uint64_t group_bytes) {
  if (HasRoom(group_bytes)) return {};
  const uint64_t bytes =
      RoundUp(std::max(options_.segment_bytes, kBlockBytes + group_bytes), kBlockBytes);
  if (prepared_.file && prepared_.bytes < bytes) {
    SLUICE_RETURN_IF_ERROR(prepared_.file->Allocate(bytes), "segment {}", prepared_.key.id);
    SLUICE_RETURN_IF_ERROR(storage_.Sync(*prepared_.file));
    prepared_.bytes = bytes;
    const std::lock_guard lock(mutex_);
    state_.prepared_bytes = bytes;
  }
  if (!prepared_.file) SLUICE_RETURN_IF_ERROR(Prepare(bytes));
  SealActive();
  return Activate();
}

// From here on nothing is written into the segment, whatever fails: a manifest that says where it
// ends may already be durable.
void Writer::SealActive() {
  if (!active_) return;
  {
    const std::lock_guard lock(mutex_);
    Segment& segment = state_.segments.back();
    SLUICE_CHECK(segment.durable_end == state_.next.position);
    segment.entry.end = segment.durable_end;
    segment.file_bytes = segment.durable_end;
    if (segment.durable_end == kBlockBytes) {
      useless_.push_back(segment.entry.key.id);
      state_.segments.pop_back();
    }
  }
  // Gives unused space back. Should this fail, or be lost: nobody reads behind the end.
  (void)active_->Truncate(state_.next.position);
  active_.reset();
  direct_.reset();
}

Manifest Writer::MakeManifest() const {
  const std::lock_guard lock(mutex_);
  return state_.ToManifest();
}

Status Writer::Prepare(uint64_t bytes) {
  const SegmentKey key{.id = state_.segment_next, .epoch = state_.epoch, .tag = random_.Next()};
  {
    // The number is used up even if this fails: the name may be.
    const std::lock_guard lock(mutex_);
    ++state_.segment_next;
  }
  SLUICE_ASSIGN_OR_RETURN(auto file, storage_.CreateSegment(key, state_.uuid, bytes), "segment {}",
                          key.id);
  prepared_ = {.key = key, .file = std::move(file), .bytes = bytes};
  const std::lock_guard lock(mutex_);
  state_.prepared_bytes = bytes;
  return {};
}

bool Writer::SegmentDue() const {
  return active_ && !prepared_.file && !prepare_failed_ &&
         state_.next.position >= active_bytes_ / 2;
}

bool Writer::PrepareDue() const {
  return SegmentDue() || (active_ && direct_ &&
                          direct_->ZerosDue(state_.next.position, group_bytes_, active_bytes_));
}

void Writer::PrepareAhead() {
  if (active_ && direct_) direct_->ZeroAhead(state_.next.position, group_bytes_, active_bytes_);
  if (!SegmentDue()) return;
  prepare_failed_ = !Prepare(RoundUp(options_.segment_bytes, kBlockBytes)).ok();
}

// Makes the prepared segment the last of the state; the manifest names it before it holds a group.
Status Writer::Activate() {
  Segment segment{.entry = {.key = prepared_.key, .first = state_.next},
                  .file_bytes = prepared_.bytes};
  segment.entry.first.position = kBlockBytes;
  Manifest manifest = MakeManifest();
  manifest.segments.push_back(segment.entry);
  SLUICE_RETURN_IF_ERROR(storage_.StoreManifest(manifest));
  // What is left of them should this fail, the next start removes.
  (void)storage_.RemoveSegments(std::exchange(useless_, {}));
  {
    const std::lock_guard lock(mutex_);
    state_.segments.push_back(std::move(segment));
    state_.next.position = kBlockBytes;
    state_.prepared_bytes = 0;
  }
  active_ = std::move(prepared_.file);
  active_bytes_ = prepared_.bytes;
  if (options_.writes == Writes::kDirect) {
    // Where it cannot be opened so this time, this segment is written through the cache.
    auto direct = DirectFile::Open(storage_.disk(), storage_.SegmentPath(prepared_.key.id));
    if (direct.ok()) direct_ = std::move(*direct);
  }
  prepare_failed_ = false;
  return {};
}

Status Writer::CarrySchemas(const std::vector<uint64_t>& segments) {
  std::vector<FrameToWrite> frames;
  std::vector<std::shared_ptr<const std::string>> payloads;  // Publish() replaces the schemas.
  for (const auto& [key, schema] : state_.schemas) {
    if (std::ranges::count(segments, schema.segment) == 0) continue;
    payloads.push_back(schema.payload);
    frames.push_back({.kind = static_cast<uint8_t>(FrameKind::kSchema),
                      .partition = key.first,
                      .schema_id = key.second,
                      .base = schema.base,
                      .payload = *schema.payload,
                      .payload_crc = Crc32c(std::as_bytes(std::span(*schema.payload)))});
  }
  return frames.empty() ? Status() : Write(frames, state_.received_us);
}

Status Writer::Retain() {
  std::vector<uint64_t> ids;
  {
    const std::lock_guard lock(mutex_);
    for (const Segment& segment : state_.segments) {
      const bool released = std::ranges::all_of(segment.shares, [&](const auto& share) {
        return share.second.end <= state_.partitions[share.first].released;
      });
      if (!segment.entry.sealed() || !released) break;
      ids.push_back(segment.entry.key.id);
    }
  }
  if (ids.empty()) return {};
  SLUICE_RETURN_IF_ERROR(CarrySchemas(ids));
  // First it is durable that they are gone, then they go: a crash in between leaves files that
  // nobody needs, never a list that names files which are not there.
  Manifest manifest = MakeManifest();
  manifest.segments.erase(manifest.segments.begin(),
                          manifest.segments.begin() + static_cast<ptrdiff_t>(ids.size()));
  SLUICE_RETURN_IF_ERROR(storage_.StoreManifest(manifest));
  {
    const std::lock_guard lock(mutex_);
    state_.segments.erase(state_.segments.begin(),
                          state_.segments.begin() + static_cast<ptrdiff_t>(ids.size()));
  }
  return storage_.RemoveSegments(ids);
}

void Writer::BeginCarry() {
  if (carrier_ || !may_carry_) return;
  std::optional<CarryRun> run;
  {
    const std::lock_guard lock(mutex_);
    run = ChooseRun(state_, options_.pinned_segments_max * options_.segment_bytes,
                    options_.segment_bytes, unreadable_);
  }
  // What is released meanwhile needs no more room.
  if (!run || !HasRoomFor(*run)) return;
  const uint64_t tag = random_.Next();
  const std::lock_guard lock(mutex_);
  const SegmentKey key{.id = state_.segment_next++, .epoch = state_.epoch, .tag = tag};
  carrier_.emplace(storage_, state_, *run, key);
}

// A copy takes room before it gives any back. Of what an append must leave to others, above all to
// landing, half is left by this too: on a disk that is full because of the journal it is what makes
// room.
bool Writer::HasRoomFor(const CarryRun& run) const {
  constexpr uint64_t kBlocksOfFew = 4;  // Header, manifest, what groups are rounded up to.
  const auto free = storage_.disk().FreeBytes(storage_.folder());
  return free.ok() &&
         *free >= run.needed_bytes + kBlocksOfFew * kBlockBytes + options_.free_bytes_min / 2;
}

bool Writer::CarryOn() {
  const auto copied = carrier_->Step();
  if (copied.ok() && !*copied) return false;
  const Status placed = copied.ok() ? PutInPlace() : copied.status();
  if (!placed.ok() && !storage_.broken()) {
    storage_.RemoveCarried();
    // On a full disk the next release tries again; what cannot be read stays so, and keeps others
    // from being carried no more.
    if (const auto segment = carrier_->unreadable()) {
      trace::Error("journal segment cannot be read", {{"reason", placed.error().ToString()}});
      unreadable_.push_back(*segment);
    }
  }
  carrier_.reset();
  return placed.ok();
}

// One manifest names the old segments, the next one the new: a crash finds all of either, and
// files that the other one named as strays.
Status Writer::PutInPlace() {
  const std::vector<uint64_t>& ids = carrier_->ids();
  const auto count = static_cast<ptrdiff_t>(ids.size());
  ptrdiff_t begin = 0;
  Cursor behind;
  {
    const std::lock_guard lock(mutex_);
    const auto first = std::ranges::find(
        state_.segments, ids.front(), [](const Segment& segment) { return segment.entry.key.id; });
    begin = first - state_.segments.begin();
    SLUICE_CHECK(begin + count <= std::ssize(state_.segments));
    const auto next = first + count;
    SLUICE_CHECK((next - 1)->entry.key.id == ids.back());
    behind = next == state_.segments.end() ? state_.next : next->entry.first;
  }
  SLUICE_ASSIGN_OR_RETURN(Segment carried, carrier_->Finish(behind));
  Manifest manifest = MakeManifest();
  const auto entry = manifest.segments.begin() + begin;
  *entry = carried.entry;
  manifest.segments.erase(entry + 1, entry + count);
  if (Status written = storage_.WriteManifest(manifest); !written.ok()) {
    if (!storage_.broken()) (void)storage_.RemoveSegments({carrier_->key().id});
    return written;
  }
  if (Status put = storage_.PutManifest(); !put.ok()) {
    // The disk may have done what it says has failed, so the copy stays, and what it was made of,
    // too. The next start removes one of them; that there are not ever more, until then no other
    // copy is made.
    may_carry_ = false;
    return put;
  }
  const std::lock_guard lock(mutex_);
  for (auto& [key, schema] : state_.schemas) {
    if (std::ranges::count(ids, schema.segment) > 0) schema.segment = carrier_->key().id;
  }
  const auto segment = state_.segments.begin() + begin;
  *segment = std::move(carried);
  state_.segments.erase(segment + 1, segment + count);
  replaced_.insert(replaced_.end(), ids.begin(), ids.end());
  return {};
}

void Writer::RemoveReplaced() {
  // What is left of them should this fail, the next start removes.
  (void)storage_.RemoveSegments(std::exchange(replaced_, {}));
}

void Writer::Close() {
  if (carrier_) {
    carrier_.reset();
    storage_.RemoveCarried();
  }
  SealActive();
  Manifest manifest = MakeManifest();
  manifest.clean = true;
  // Should it fail, the next start is an unclean one, and finds the same.
  if (!storage_.StoreManifest(manifest).ok()) return;
  if (prepared_.file) useless_.push_back(prepared_.key.id);
  prepared_ = {};
  (void)storage_.RemoveSegments(useless_);
  const std::lock_guard lock(mutex_);
  state_.prepared_bytes = 0;
}

}  // namespace sluice::journal::internal
