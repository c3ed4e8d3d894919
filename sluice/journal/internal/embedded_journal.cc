#include "sluice/journal/internal/embedded_journal.h"

#include <algorithm>
#include <limits>
#include <utility>

#include "sluice/base/crc32c.h"
#include "sluice/journal/internal/segment_reader.h"

namespace sluice::journal::internal {

namespace {

constexpr std::chrono::milliseconds kFreeSpaceEvery{100};

}  // namespace

EmbeddedJournal::EmbeddedJournal(const Options& options, std::unique_ptr<Storage> storage,
                                 std::unique_ptr<os::File> lock, Recovered recovered,
                                 const os::Clock& clock, os::Random& random, os::Threads& threads)
    : options_(options),
      storage_(std::move(storage)),
      lock_(std::move(lock)),
      clock_(clock),
      uuid_(recovered.state.uuid),
      found_(recovered.found),
      losses_(recovered.state.losses),
      state_(std::move(recovered.state)),
      writer_(options_, *storage_, random, mutex_, state_),
      thread_(threads.Start("journal", [this](os::Why why) { return Step(why); })) {}

EmbeddedJournal::~EmbeddedJournal() { Stop(); }

void EmbeddedJournal::RaiseNextOffset(PartitionId partition, Offset next) {
  const std::lock_guard lock(mutex_);
  PartitionEntry& entry = state_.partitions[partition];
  entry.next = std::max(entry.next, next);
}

Offset EmbeddedJournal::NextOffset(PartitionId partition) const {
  const std::lock_guard lock(mutex_);
  const auto entry = state_.partitions.find(partition);
  return entry == state_.partitions.end() ? 0 : entry->second.next;
}

void EmbeddedJournal::RaiseDuplicates(PartitionId partition, int64_t count) {
  const std::lock_guard lock(mutex_);
  PartitionEntry& entry = state_.partitions[partition];
  entry.duplicates = std::max(entry.duplicates, count);
}

int64_t EmbeddedJournal::Duplicates(PartitionId partition) const {
  const std::lock_guard lock(mutex_);
  const auto entry = state_.partitions.find(partition);
  return entry == state_.partitions.end() ? 0 : entry->second.duplicates;
}

Status EmbeddedJournal::Check(const std::vector<NewFrame>& frames) const {
  for (const NewFrame& frame : frames) {
    if (frame.payload.size() > options_.frame_bytes_max) {
      return Invalid("frame of {} bytes, at most {} are allowed", frame.payload.size(),
                     options_.frame_bytes_max);
    }
    const bool rows_fit = frame.kind == FrameKind::kSchema ? frame.rows == 0 : frame.rows > 0;
    if (!rows_fit) return Invalid("frame of {} rows", frame.rows);
  }
  return {};
}

void EmbeddedJournal::Append(std::vector<NewFrame> frames, Callback done) {
  if (Status checked = Check(frames); !checked.ok()) return done(std::move(checked).error());
  Pending pending{.frames = std::move(frames), .payload_crcs = {}, .done = std::move(done)};
  pending.payload_crcs.reserve(pending.frames.size());
  for (const NewFrame& frame : pending.frames) {
    pending.payload_crcs.push_back(Crc32c(std::as_bytes(std::span(frame.payload))));
    pending.bytes += sizeof(FrameHeader) + RoundUp(frame.payload.size(), 8);
  }
  std::string_view refused;
  bool alone = false;
  {
    const std::lock_guard lock(mutex_);
    if (stopping_ || dead_) {
      refused = "the journal is stopped";
    } else if (queue_bytes_ > 0 && queue_bytes_ + pending.bytes > options_.queue_bytes_max) {
      refused = "the journal's queue is full; send again later";
    } else {
      queue_bytes_ += pending.bytes;
      alone = MayCallerWrite(pending.bytes);
      if (alone) {
        writing_ = true;
      } else {
        queue_.push_back(std::move(pending));
      }
    }
  }
  // NOLINTBEGIN(bugprone-use-after-move): it is moved only when nothing else becomes of it.
  if (!refused.empty()) return pending.done(Unavailable("{}", refused));
  if (alone) return CommitAlone(std::move(pending));
  // NOLINTEND(bugprone-use-after-move)
  thread_->Wake();
}

// Only behind a group that was alone, too: where several send at once, the thread goes on making
// groups of what comes during a sync, and no caller is held up by one. What takes more than one
// write and one sync, such as a new segment, is always the thread's.
bool EmbeddedJournal::MayCallerWrite(uint64_t bytes) const {
  return bytes <= options_.caller_bytes_max && !writing_ && queue_.empty() && !retain_due_ &&
         last_was_alone_ && writer_.HasRoom(RoundUp(bytes + sizeof(FrameHeader), kBlockBytes));
}

void EmbeddedJournal::CommitAlone(Pending pending) {
  std::vector<Pending> batch;
  batch.push_back(std::move(pending));
  try {
    Commit(std::move(batch));
  } catch (...) {
    // On the journal's thread it would end the process. So it must here, whoever catches it above:
    // nobody could write any more.
    storage_->Break(Internal("a write was left by an exception"));
    throw;
  }
  const std::lock_guard lock(mutex_);
  writing_ = false;
  dead_ = dead_ || storage_->broken();
  // Whoever came meanwhile saw writing_ under this mutex, and left word there of what is to be
  // done: frames in the queue, or one of these. So either it is seen here and the thread woken, or
  // it comes later and finds that nobody writes. A wake-up is kept for a thread that does not wait
  // yet.
  const bool wake = !queue_.empty() || retain_due_ || stopping_ || dead_ || thread_waits_ ||
                    (watermark_due_ && !timer_set_) || writer_.PrepareDue();
  // With the mutex: once the thread has seen a stop, all of this may be destroyed.
  if (wake) thread_->Wake();
}

void EmbeddedJournal::Release(PartitionId partition, Offset offset) {
  {
    const std::lock_guard lock(mutex_);
    PartitionEntry& entry = state_.partitions[partition];
    // What is not written yet cannot have been landed.
    entry.released = std::max(entry.released, std::min(offset, entry.next));
    retain_due_ = true;
  }
  thread_->Wake();
}

void EmbeddedJournal::Stop() {
  std::call_once(stopped_, [this] {
    {
      const std::lock_guard lock(mutex_);
      stopping_ = true;
    }
    thread_->Wake();
    thread_->Join();
  });
}

uint64_t EmbeddedJournal::BytesOnDisk() const {
  const std::lock_guard lock(mutex_);
  uint64_t bytes = state_.prepared_bytes;
  for (const Segment& segment : state_.segments) bytes += segment.file_bytes;
  return bytes;
}

uint64_t EmbeddedJournal::QueueBytes() const {
  const std::lock_guard lock(mutex_);
  return queue_bytes_;
}

std::optional<os::Wait> EmbeddedJournal::Step(os::Why why) {
  std::vector<Pending> batch;
  bool retain = false;
  bool last = false;
  {
    const std::lock_guard lock(mutex_);
    timer_set_ = false;
    // The caller that writes wakes this thread when it is done (CommitAlone).
    thread_waits_ = writing_;
    if (writing_) return os::kUntilWoken;
    if (storage_->broken()) return std::nullopt;
    writing_ = true;
    batch = TakeBatch();
    last = batch.empty() && stopping_ && !retain_due_;
    retain = std::exchange(retain_due_, false);
  }
  const bool idle = batch.empty() && why == os::Why::kTime && !written_since_timer_;
  if (!last && idle && watermark_due_) {
    // Should it fail, the next group does its work.
    (void)writer_.Write({}, state_.received_us);
    watermark_due_ = false;
  }
  if (!batch.empty()) Commit(std::move(batch));
  if (!last && !storage_->broken()) writer_.PrepareAhead();
  if (!last && writer_.carrying() && !storage_->broken()) retain = writer_.CarryOn() || retain;
  const bool later = retain && writer_.carrying();
  // A failure leaves more than need be; the next release tries again.
  if (retain && !later && !storage_->broken()) {
    if (writer_.Retain().ok()) watermark_due_ = true;
    if (!storage_->broken()) writer_.BeginCarry();
  }
  if (!IsRead() && !storage_->broken()) writer_.RemoveReplaced();
  if (last && !storage_->broken()) writer_.Close();

  const std::lock_guard lock(mutex_);
  writing_ = false;
  if (last || storage_->broken()) {
    dead_ = true;
    return std::nullopt;
  }
  retain_due_ = retain_due_ || later;
  if (!queue_.empty() || stopping_ || writer_.carrying()) return os::Wait(0);
  if (!watermark_due_) return os::kUntilWoken;
  timer_set_ = true;
  written_since_timer_ = false;
  return options_.idle_watermark;
}

std::vector<EmbeddedJournal::Pending> EmbeddedJournal::TakeBatch() {
  std::vector<Pending> batch;
  uint64_t bytes = 0;
  while (!queue_.empty()) {
    if (!batch.empty() && bytes + queue_.front().bytes > options_.group_bytes_max) break;
    bytes += queue_.front().bytes;
    batch.push_back(std::move(queue_.front()));
    queue_.pop_front();
  }
  return batch;
}

// What goes into the segment at hand takes no room that is not reserved already. So it need not be
// asked for each group, which costs more than making it.
Status EmbeddedJournal::CheckFreeSpace(uint64_t bytes) {
  const os::Monotonic now = clock_.Steady();
  const bool fits = writer_.HasRoom(RoundUp(bytes + sizeof(FrameHeader), kBlockBytes));
  if (fits && free_space_seen_ && now - *free_space_seen_ < kFreeSpaceEvery) return {};
  free_space_seen_.reset();
  SLUICE_ASSIGN_OR_RETURN(const uint64_t free, storage_->disk().FreeBytes(storage_->folder()));
  if (free >= options_.free_bytes_min) {
    free_space_seen_ = now;
    return {};
  }
  return Unavailable("the disk of the journal has {} bytes left, less than {}; make room", free,
                     options_.free_bytes_min);
}

void EmbeddedJournal::Commit(std::vector<Pending> batch) {
  frames_.clear();
  std::vector<Appended> appended(batch.size());
  const os::Timestamp now = os::StampOf(options_.expiry, clock_);
  int64_t received_us = now.time_since_epoch().count();
  Status outcome;
  uint64_t bytes = 0;
  {
    const std::lock_guard lock(mutex_);
    received_us = std::max(received_us, state_.received_us);
    std::map<PartitionId, Offset> next;
    std::map<PartitionId, int64_t> duplicates;
    for (size_t i = 0; i < batch.size(); ++i) {
      bytes += batch[i].bytes;
      for (size_t j = 0; j < batch[i].frames.size(); ++j) {
        const NewFrame& frame = batch[i].frames[j];
        const PartitionEntry& known = state_.partitions[frame.partition];
        if (frame.kind == FrameKind::kDuplicates) {
          int64_t& sum = duplicates.try_emplace(frame.partition, known.duplicates).first->second;
          if (sum > std::numeric_limits<int64_t>::max() - frame.rows) {
            outcome = Invalid("partition {} cannot count more duplicates", frame.partition);
            continue;
          }
          sum += frame.rows;
          appended[i].bases.push_back(sum);
          frames_.push_back({.kind = static_cast<uint8_t>(frame.kind),
                             .partition = frame.partition,
                             .base = sum,
                             .rows = frame.rows,
                             .payload_crc = batch[i].payload_crcs[j]});
          continue;
        }
        Offset& base = next.try_emplace(frame.partition, known.next).first->second;
        appended[i].bases.push_back(base);
        frames_.push_back({.kind = static_cast<uint8_t>(frame.kind),
                           .partition = frame.partition,
                           .schema_id = frame.schema_id,
                           .base = base,
                           .rows = frame.rows,
                           .payload = frame.payload,
                           .payload_crc = batch[i].payload_crcs[j]});
        if (base > std::numeric_limits<Offset>::max() - frame.rows) {
          outcome = Invalid("partition {} has no offsets left", frame.partition);
        } else {
          base += frame.rows;
        }
      }
    }
  }
  if (outcome.ok()) outcome = CheckFreeSpace(bytes);
  if (outcome.ok() && !frames_.empty()) {
    outcome = writer_.Write(frames_, received_us);
    if (outcome.ok()) watermark_due_ = written_since_timer_ = true;
  }
  last_was_alone_ = batch.size() == 1;
  if (storage_->broken()) return;  // Unknown: neither yes nor no would be true.
  {
    const std::lock_guard lock(mutex_);
    queue_bytes_ -= bytes;
  }
  const os::Timestamp received{std::chrono::microseconds(received_us)};
  for (size_t i = 0; i < batch.size(); ++i) {
    if (outcome.ok()) {
      appended[i].received = received;
      batch[i].done(std::move(appended[i]));
    } else {
      batch[i].done(outcome.error());
    }
    batch[i] = {};  // Its memory goes before the next callback may ask for more.
  }
}

bool EmbeddedJournal::IsRead() const {
  const std::lock_guard lock(mutex_);
  return readers_ > 0;
}

bool EmbeddedJournal::IsListed(uint64_t segment) const {
  const std::lock_guard lock(mutex_);
  return std::ranges::any_of(state_.segments,
                             [&](const Segment& listed) { return listed.entry.key.id == segment; });
}

Status EmbeddedJournal::Read(const std::function<Status(const Frame&)>& visit) const {
  std::vector<Segment> segments;
  std::map<SchemaKey, Schema> schemas;
  {
    const std::lock_guard lock(mutex_);
    segments = state_.segments;
    schemas = state_.schemas;
    ++readers_;
  }
  Status read = ReadListed(segments, schemas, visit);
  {
    const std::lock_guard lock(mutex_);
    --readers_;
  }
  thread_->Wake();  // Files that only this list still named may go.
  return read;
}

Status EmbeddedJournal::ReadListed(const std::vector<Segment>& segments,
                                   const std::map<SchemaKey, Schema>& schemas,
                                   const std::function<Status(const Frame&)>& visit) const {
  for (const auto& [key, schema] : schemas) {
    SLUICE_RETURN_IF_ERROR(
        visit({.kind = FrameKind::kSchema,
               .partition = key.first,
               .schema_id = key.second,
               .base = schema.base,
               .rows = 0,
               .received = os::Timestamp(std::chrono::microseconds(schema.received_us)),
               .payload = *schema.payload}));
  }
  for (const Segment& segment : segments) SLUICE_RETURN_IF_ERROR(ReadSegment(segment, visit));
  return {};
}

Status EmbeddedJournal::ReadSegment(const Segment& segment,
                                    const std::function<Status(const Frame&)>& visit) const {
  const SegmentKey& key = segment.entry.key;
  const std::string path = storage_->SegmentPath(key.id);
  const auto file = storage_->disk().Open(path, os::OpenMode::kRead);
  if (!file.ok()) {
    // Released and removed since the list was taken.
    if (file.error().code() == ErrorCode::kNotFound && !IsListed(key.id)) return {};
    return file.status();
  }
  SegmentReader reader(**file, key, segment.durable_end);
  Cursor cursor = segment.entry.first;
  while (cursor.position < segment.durable_end) {
    SLUICE_ASSIGN_OR_RETURN(const auto group, reader.Next(cursor), "segment '{}' at byte {}", path,
                            cursor.position);
    for (const FrameView& frame : group) {
      const FrameHeader& header = frame.header;
      if (header.kind != static_cast<uint8_t>(FrameKind::kData)) continue;
      SLUICE_RETURN_IF_ERROR(
          visit({.kind = FrameKind::kData,
                 .partition = header.partition,
                 .schema_id = header.schema_id,
                 .base = header.base,
                 .rows = header.rows,
                 .received = os::Timestamp(std::chrono::microseconds(header.received_us)),
                 .payload = frame.payload}));
    }
  }
  return {};
}

}  // namespace sluice::journal::internal
