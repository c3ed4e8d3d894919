#pragma once
/// \file
/// The journal in this process: a queue, a thread that commits groups, callers that commit a lone
/// one, and readers beside.

#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "sluice/journal/internal/recovery.h"
#include "sluice/journal/internal/state.h"
#include "sluice/journal/internal/storage.h"
#include "sluice/journal/internal/writer.h"
#include "sluice/journal/journal.h"

namespace sluice::journal::internal {

/// Thread-safe, as Journal says.
class EmbeddedJournal final : public Journal {
 public:
  /// `lock` is held for as long as the journal lives.
  EmbeddedJournal(const Options& options, std::unique_ptr<Storage> storage,
                  std::unique_ptr<os::File> lock, Recovered recovered, const os::Clock& clock,
                  os::Random& random, os::Threads& threads);
  ~EmbeddedJournal() override;

  const std::string& uuid() const override { return uuid_; }
  const Recovery& recovery() const override { return found_; }
  const std::vector<Loss>& losses() const override { return losses_; }
  void RaiseNextOffset(PartitionId partition, Offset next) override;
  Offset NextOffset(PartitionId partition) const override;
  void RaiseDuplicates(PartitionId partition, int64_t count) override;
  int64_t Duplicates(PartitionId partition) const override;
  Status Read(const std::function<Status(const Frame&)>& visit) const override;
  void Append(std::vector<NewFrame> frames, Callback done) override;
  void Release(PartitionId partition, Offset offset) override;
  void Stop() override;
  uint64_t BytesOnDisk() const override;
  uint64_t QueueBytes() const override;

 private:
  struct Pending {
    std::vector<NewFrame> frames;
    std::vector<uint32_t> payload_crcs;
    uint64_t bytes = 0;
    Callback done;
  };

  Status Check(const std::vector<NewFrame>& frames) const;
  /// Writes what waits as one group, or does what else is due.
  std::optional<os::Wait> Step(os::Why why);
  // Takes what makes up the next group off the queue. Needs the mutex.
  std::vector<Pending> TakeBatch();
  // Whether Append() may write so many bytes itself, now. Needs the mutex.
  bool MayCallerWrite(uint64_t bytes) const;
  // Writes what Append() was given, on its thread, which is who writes.
  void CommitAlone(Pending pending);
  void Commit(std::vector<Pending> batch);
  // Whether a group of `bytes` may take room of the disk.
  Status CheckFreeSpace(uint64_t bytes);
  Status ReadSegment(const Segment& segment,
                     const std::function<Status(const Frame&)>& visit) const;
  Status ReadListed(const std::vector<Segment>& segments,
                    const std::map<SchemaKey, Schema>& schemas,
                    const std::function<Status(const Frame&)>& visit) const;
  bool IsRead() const;
  bool IsListed(uint64_t segment) const;

  const Options options_;
  const std::unique_ptr<Storage> storage_;
  const std::unique_ptr<os::File> lock_;
  const os::Clock& clock_;
  const std::string uuid_;
  const Recovery found_;
  const std::vector<Loss> losses_;

  mutable std::mutex mutex_;  // Guards what follows, up to the next blank line.
  State state_;
  std::deque<Pending> queue_;
  uint64_t queue_bytes_ = 0;
  bool stopping_ = false;
  bool dead_ = false;  // A sync failed, and the handler returned.
  bool retain_due_ = false;
  mutable int readers_ = 0;  // Their lists may name segments whose place was taken since.
  // Somebody writes, and calls callbacks: the thread, or who appends. It alone uses what stands
  // behind the next blank line; the mutex hands that from one to the next.
  bool writing_ = false;
  bool thread_waits_ = false;  // The thread had something to do while another one wrote.
  bool timer_set_ = false;     // The thread will look whether the watermark is due.

  Writer writer_;                     // Of who writes, as what follows.
  bool watermark_due_ = false;        // The last group is not proven acknowledged by a later one.
  bool written_since_timer_ = false;  // A group, since timer_set_.
  bool last_was_alone_ = true;        // Nobody waited beside the last group's only append.
  std::vector<FrameToWrite> frames_;  // Kept for its memory.
  // When there was last seen to be room on the disk; nothing: not since it was full.
  std::optional<os::Monotonic> free_space_seen_;

  std::once_flag stopped_;
  const std::unique_ptr<os::Thread> thread_;  // Last: it uses all of the above.
};

}  // namespace sluice::journal::internal
