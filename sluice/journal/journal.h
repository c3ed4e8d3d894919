#pragma once
/// \file
/// The durable partitioned log of one data directory: group commit, recovery, retention.

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "sluice/base/error.h"
#include "sluice/os/clock.h"
#include "sluice/os/disk.h"
#include "sluice/os/expiry_clock.h"
#include "sluice/os/random.h"
#include "sluice/os/threads.h"

namespace sluice::journal {

/// Position of an event in its partition: dense, from 0, never reused.
using Offset = int64_t;
/// Number of a partition; the caller assigns them and keeps their meaning.
using PartitionId = uint32_t;

enum class FrameKind : uint8_t {
  kData = 1,  ///< Rows of a partition.
  kSchema =
      2,  ///< A schema by id: journaled before its first use, kept for as long as frames use it.
  /// `rows` events of a partition that were answered `duplicate`: they have no rows and no payload,
  /// and are summed up for ever (Journal::Duplicates()).
  kDuplicates = 3,
};

/// What a caller appends.
struct NewFrame {
  FrameKind kind = FrameKind::kData;
  PartitionId partition = 0;
  uint64_t schema_id = 0;
  int64_t rows = 0;  ///< 0 for kSchema.
  std::string payload;
};

/// What a reader gets.
struct Frame {
  FrameKind kind = FrameKind::kData;
  PartitionId partition = 0;
  uint64_t schema_id = 0;
  Offset base = 0;  ///< Offset of its first row.
  int64_t rows = 0;
  os::Timestamp received{};  ///< Never goes back from group to group.
  std::string_view payload;  ///< Valid during the callback.
};

/// The outcome of an append, per frame: the base offset and received time.
struct Appended {
  std::vector<Offset> bases;
  os::Timestamp received{};
};

/// How groups reach the disk. The bytes are the same, so either reads what the other wrote.
enum class Writes : uint8_t {
  kCached,  ///< A write into the page cache, then a sync.
  kDirect,  ///< One write around it (O_DIRECT, O_DSYNC); kCached where the file system has none.
  kAuto,    ///< What a short measurement at the start finds better.
};

struct Options {
  std::string folder = {};  ///< Made if need be. One process at a time (a lock file).
  uint64_t segment_bytes = 64ull << 20;
  uint64_t frame_bytes_max = 64ull << 20;
  uint64_t group_bytes_max = 4ull << 20;  ///< A group closes when it has this many bytes.
  /// Append() itself writes and syncs up to so many bytes while nobody else waits. 0: never.
  uint64_t caller_bytes_max = 64ull << 10;
  /// Beyond, Append() is refused with kUnavailable; but what waits alone may be larger.
  uint64_t queue_bytes_max = 256ull << 20;
  Writes writes = Writes::kCached;
  /// An idle journal proves its last group acknowledged after this time, and before twice of it is
  /// over, with a group of its own.
  std::chrono::microseconds idle_watermark{10'000};
  /// With less room on the disk Append() is refused; what fits into the segment at hand, whose room
  /// is reserved, up to 100 ms later.
  uint64_t free_bytes_min = 64ull << 20;
  /// When released frames take more than so many segments, because others beside them are not,
  /// those are copied together, and the rest goes. At least 1.
  uint64_t pinned_segments_max = 4;
  /// By whose Stamp() frames are received; must outlive the journal. Null: by the clock alone,
  /// which may be years behind.
  const os::ExpiryClock* expiry = nullptr;
  /// Called when a sync fails, instead of aborting, which is what an empty one does. If it returns,
  /// the journal is dead: it writes nothing more and leaves the callbacks of what was under way
  /// uncalled. For simulations of a power loss.
  std::function<void(const Error&)> on_sync_failure = {};
};

/// What recovery found; said at start.
struct Recovery {
  uint64_t segments = 0;
  uint64_t groups = 0;
  uint64_t torn_bytes = 0;  ///< Cut off the tail: never acknowledged.
  bool clean = false;       ///< The last stop was an orderly one.
  /// When the newest group was received, whether it is still there or not; 1970: there was none.
  os::Timestamp received{};
};

/// Offsets of rows that are damaged for good, which an operator gave up (Repair() in repair.h).
struct Loss {
  PartitionId partition = 0;
  Offset begin = 0;
  Offset end = 0;  ///< Behind the last.
  /// False: at most these. Not even the number of the rows could be read, so offsets are left out.
  bool exact = true;
  os::Timestamp accepted{};
  std::string note = {};  ///< Who and why, as the operator said; one line.

  bool operator==(const Loss&) const = default;
};

/// A durable log. Frames of one Append() lie in one group; a group is kept whole or not at all.
///
/// Thread-safe. One thread at a time writes: it writes and syncs a group, then calls its callbacks,
/// in the order of offsets, before the next group begins. That is a thread of the journal, which
/// takes all that waits as one group; or, while nobody waits, whoever appends little: two changes
/// of threads cost more than the rest of a small append. When a sync fails the process aborts: what
/// the kernel dropped cannot be known, and recovery is the normal start.
class Journal {
 public:
  using Callback = std::function<void(Result<Appended>)>;

  /// Opens or makes the journal and recovers it.
  /// kConflict: another process has it. kCorrupt: acknowledged data is damaged, or the manifest is
  /// damaged or older than the segments; the message says where and what to do, and nothing was
  /// changed. All references must outlive the journal.
  static Result<std::unique_ptr<Journal>> Open(const Options& options, os::Disk& disk,
                                               const os::Clock& clock, os::Random& random,
                                               os::Threads& threads);
  virtual ~Journal() = default;

  /// Identity of this journal: made when it is, random.
  virtual const std::string& uuid() const = 0;
  virtual const Recovery& recovery() const = 0;
  /// Accepted losses that have not been released yet, oldest first. Their offsets are read never
  /// again; tables must go on behind them.
  virtual const std::vector<Loss>& losses() const = 0;

  /// Raises the next offset of a partition; never lowers it. Call before the first append to it,
  /// with the table's txn + 1: a journal that was lost must not use offsets again.
  virtual void RaiseNextOffset(PartitionId partition, Offset next) = 0;
  /// Returns the offset behind the last durable row.
  virtual Offset NextOffset(PartitionId partition) const = 0;

  /// Raises the number of events that were ever answered `duplicate`, with the table's counter:
  /// as RaiseNextOffset() does with offsets.
  virtual void RaiseDuplicates(PartitionId partition, int64_t count) = 0;
  /// How many were, durably. Never goes back, whatever is released.
  virtual int64_t Duplicates(PartitionId partition) const = 0;

  /// Reads all that is durable now, from the oldest kept on: first every schema once, then the
  /// data, in order. Stops at the first error of `visit` and returns it. kCorrupt: stored bytes are
  /// damaged; what was visited before is sound.
  virtual Status Read(const std::function<Status(const Frame&)>& visit) const = 0;

  /// Queues frames, or writes them at once (Options::caller_bytes_max), which takes as long as one
  /// sync does. `done` is called once, on the journal's thread or, before Append() returns, on this
  /// one: after the sync of their bytes has returned, or with kUnavailable if they were refused
  /// (disk full; nothing of them can ever be read). It is called on this thread with kUnavailable
  /// if the queue is full or the journal stopped, and with kInvalid if a frame is (no rows of data,
  /// rows of a schema, too many bytes). The base of kDuplicates is the sum up to and with it.
  /// Frames that a callback appends are queued.
  virtual void Append(std::vector<NewFrame> frames, Callback done) = 0;

  /// Allows to forget the partition's frames below `offset` (landed and unread). Segments are
  /// removed, by the journal's thread, once all their frames may go; or all but a few, which are
  /// then copied into one that takes their place, in pieces between groups: so a partition that is
  /// not released holds back little more than its own bytes (Options::pinned_segments_max). Schemas
  /// are never forgotten.
  virtual void Release(PartitionId partition, Offset offset) = 0;

  /// Writes and syncs what is queued, then a clean mark; returns when done. Append() fails from
  /// then on. The destructor does it too. Not to be called from a callback.
  virtual void Stop() = 0;

  virtual uint64_t BytesOnDisk() const = 0;
  /// Of what waits for its sync.
  virtual uint64_t QueueBytes() const = 0;
};

}  // namespace sluice::journal
