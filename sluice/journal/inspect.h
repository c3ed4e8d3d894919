#pragma once
/// \file
/// Reads a journal from outside: what it holds, and where it is damaged. Changes nothing.

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "sluice/base/error.h"
#include "sluice/journal/journal.h"
#include "sluice/os/clock.h"
#include "sluice/os/disk.h"

namespace sluice::journal {

/// A place where stored bytes are not what was written.
struct Damage {
  std::string file;
  uint64_t position = 0;
  uint64_t group = 0;  ///< The group that should be there, counted over all segments; 0: not known.
  std::string reason = {};

  bool operator==(const Damage&) const = default;
};

/// Offsets of one partition, the end behind the last.
struct OffsetSpan {
  Offset begin = 0;
  Offset end = 0;
};

/// One segment, as found.
struct SegmentReport {
  uint64_t id = 0;
  uint64_t epoch = 0;  ///< Of the boot that wrote it.
  std::string file;
  bool sealed = false;
  bool damaged = false;
  uint64_t file_bytes = 0;
  uint64_t used_bytes = 0;  ///< Up to the end of its last group.
  uint64_t torn_bytes = 0;  ///< Behind it: never acknowledged; the next start cuts them off.
  uint64_t groups = 0;
  uint64_t frames = 0;
  int64_t rows = 0;
  os::Timestamp received_first{};
  os::Timestamp received_last{};
  std::map<PartitionId, OffsetSpan> partitions = {};
};

struct PartitionReport {
  Offset released = 0;  ///< Offsets below it may go.
  Offset next = 0;
};

/// What Inspect() found.
struct Inspection {
  std::string folder;
  std::string uuid;
  uint64_t epoch = 0;
  bool clean = false;  ///< The last stop was an orderly one.
  /// A process has it open, or had when the reading began: what it wrote meanwhile may be missing.
  bool in_use = false;
  std::vector<SegmentReport> segments;
  std::map<PartitionId, PartitionReport> partitions;
  std::vector<std::string> recoveries;
  std::vector<Loss> losses;     ///< That were accepted before.
  std::vector<Damage> damages;  ///< In the order of the journal.
  /// What those damages cost, as far as it was not released: Repair() would give these up.
  std::vector<Loss> lost;

  bool Sound() const { return damages.empty(); }
  uint64_t TornBytes() const;
};

/// A frame and where it is.
struct PlacedFrame {
  Frame frame;
  uint64_t segment = 0;
  uint64_t position = 0;
  uint64_t group = 0;
};

struct InspectOptions {
  /// Partitions that may have rows, beside those that the journal itself knows of: where not even
  /// the header of a frame can be read, any may have lost some.
  std::vector<PartitionId> partitions = {};
  /// Called with each frame that is what was written; its first error ends the reading and is
  /// returned.
  std::function<Status(const PlacedFrame&)> visit = {};
};

/// Reads every byte of the journal in `folder`, behind damage too.
///
/// May run beside the process that has the journal open, on a copy, and while a process starts or
/// stops: it keeps nobody from that. What looks like damage is read a second time, because it may
/// have been a write under way; `visit` is called in the first reading only.
/// kNotFound: there is no journal. kUnavailable: a file cannot be read.
Result<Inspection> Inspect(os::Disk& disk, const std::string& folder,
                           const InspectOptions& options = {});

}  // namespace sluice::journal
