#pragma once
/// \file
/// Copies what is still needed of some sealed segments into one that takes their place.

#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "sluice/base/error.h"
#include "sluice/journal/internal/format.h"
#include "sluice/journal/internal/segment_reader.h"
#include "sluice/journal/internal/state.h"
#include "sluice/journal/internal/storage.h"
#include "sluice/journal/journal.h"

namespace sluice::journal::internal {

/// Which segments one carries together: neighbours in the journal, all sealed.
struct CarryRun {
  size_t begin = 0;           ///< Index into the state's segments.
  size_t end = 0;             ///< Behind the last.
  uint64_t needed_bytes = 0;  ///< At most so much is copied.
};

/// Chooses the neighbours whose removal gives back the most room, if they have more than
/// `garbage_bytes_min` of what was released and need `segment_bytes` for the rest at most. Leaves
/// those in `unreadable` alone, and those of which much is needed.
std::optional<CarryRun> ChooseRun(const State& state, uint64_t garbage_bytes_min,
                                  uint64_t segment_bytes, const std::vector<uint64_t>& unreadable);

/// One copy, made in pieces. Frames keep offset, time and schema, and their order: the segment
/// stands where the others stood, and its last frame says which group follows. Until the manifest
/// names it, it is nothing: it may be given up at any time.
///
/// Not thread-safe: who writes for the journal owns it.
class Carrier {
 public:
  /// Takes from `state` what may go now; what is released later is copied, too. `storage` must
  /// outlive the carrier.
  Carrier(Storage& storage, const State& state, const CarryRun& run, const SegmentKey& key);

  /// Copies on, for a while. Returns whether there is no more. kCorrupt: a segment is damaged.
  /// kUnavailable: the disk is full or failed. unreadable() tells which.
  Result<bool> Step();
  /// Ends the segment, whose groups are followed by the one at `behind`, and gives it its name,
  /// durably. Step() must have returned true.
  Result<Segment> Finish(const Cursor& behind);

  /// The segments that are copied, oldest first.
  const std::vector<uint64_t>& ids() const { return ids_; }
  /// The segment of which a Step() failed to read, whatever its error was; nothing if it failed
  /// otherwise.
  std::optional<uint64_t> unreadable() const { return unreadable_; }
  const SegmentKey& key() const { return key_; }

 private:
  Status BeginSource();
  Result<std::span<const FrameView>> ReadGroup();
  bool IsNeeded(const FrameHeader& header) const;
  void Take(std::span<const FrameView> group);
  Status WriteGroup();

  Storage& storage_;
  const std::string uuid_;
  const SegmentKey key_;
  const Cursor first_;
  std::vector<uint64_t> ids_;
  std::map<PartitionId, Offset> released_;
  std::map<SchemaKey, uint64_t> schemas_;  // Where their newest copies are.

  std::deque<Segment> sources_;  // Those still to be read.
  std::unique_ptr<os::File> source_;
  std::optional<SegmentReader> reader_;
  Cursor read_;
  uint64_t reading_ = 0;
  std::optional<uint64_t> unreadable_;

  std::unique_ptr<os::File> file_;
  Segment target_;
  Cursor next_;
  GroupBuilder builder_;
  std::vector<FrameToWrite> frames_;  // Of the next group.
  std::deque<std::string> payloads_;
  uint64_t bytes_ = 0;
  int64_t received_us_ = 0;
};

}  // namespace sluice::journal::internal
