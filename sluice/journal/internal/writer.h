#pragma once
/// \file
/// Puts groups, new segments and removals on the disk, one after the other.

#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "sluice/base/error.h"
#include "sluice/journal/internal/carrier.h"
#include "sluice/journal/internal/direct_file.h"
#include "sluice/journal/internal/format.h"
#include "sluice/journal/internal/state.h"
#include "sluice/journal/internal/storage.h"
#include "sluice/journal/journal.h"
#include "sluice/os/random.h"

namespace sluice::journal::internal {

/// Not thread-safe: who writes for the journal owns it. It changes `state` under `mutex`, and holds
/// that over no I/O. After an error look at Storage::broken(): if it is true the outcome is
/// unknown.
class Writer {
 public:
  /// All references must outlive the writer.
  Writer(const Options& options, Storage& storage, os::Random& random, std::mutex& mutex,
         State& state);

  /// Writes the frames as one group and syncs it; then it is part of the state.
  /// kUnavailable: the disk is full or failed; nothing of the group can ever be read.
  Status Write(std::span<const FrameToWrite> frames, int64_t received_us);
  /// Whether a group of these bytes goes into the segment at hand: then Write() is one write and
  /// one sync.
  bool HasRoom(uint64_t group_bytes) const;
  /// Whether PrepareAhead() has something to do.
  bool PrepareDue() const;
  /// Makes the next segment, if the time has come, so that a full disk shows before it hurts.
  void PrepareAhead();
  /// Removes the oldest segments whose rows are all released. Schemas in them are written again
  /// first. Not while carrying().
  Status Retain();
  /// Begins to copy what is needed of segments that are nearly free, if there are enough of them.
  void BeginCarry();
  /// Whether a copy is under way; CarryOn() continues it, for a while, and returns true once it has
  /// taken the place of those segments. A failure ends it, and leaves all as it was.
  bool carrying() const { return carrier_.has_value(); }
  bool CarryOn();
  /// Removes the segments whose place was taken. Nobody may be reading them, with a list of then.
  void RemoveReplaced();
  /// Seals the last segment and leaves the mark of an orderly stop. Nothing may be written after
  /// it.
  void Close();

 private:
  struct Prepared {
    SegmentKey key;
    std::unique_ptr<os::File> file;
    uint64_t bytes = 0;
  };

  Status MakeRoom(uint64_t group_bytes);
  bool SegmentDue() const;
  void SealActive();
  Manifest MakeManifest() const;
  Status Prepare(uint64_t bytes);
  Status Activate();
  Status TakeBack(uint64_t position);
  void Publish(std::span<const FrameToWrite> frames, int64_t received_us, const Cursor& next);
  Status CarrySchemas(const std::vector<uint64_t>& segments);
  Status PutInPlace();
  bool HasRoomFor(const CarryRun& run) const;

  const Options& options_;
  Storage& storage_;
  os::Random& random_;
  std::mutex& mutex_;
  State& state_;
  GroupBuilder builder_;
  std::unique_ptr<os::File> active_;    // The last segment of the state, while it is not sealed.
  std::unique_ptr<DirectFile> direct_;  // The same, to write around the cache; null: through it.
  uint64_t group_bytes_ = 0;            // Of the last one.
  uint64_t active_bytes_ = 0;
  Prepared prepared_;
  std::vector<uint64_t> useless_;  // Segments that got no group; they go with the next manifest.
  bool prepare_failed_ = false;    // Since the last roll: not tried again for every group.
  std::optional<Carrier> carrier_;
  bool may_carry_ = true;
  std::vector<uint64_t> replaced_;    // Named by no manifest; lists of readers may have them.
  std::vector<uint64_t> unreadable_;  // They stay until all of them may go.
};

}  // namespace sluice::journal::internal
