#pragma once
/// \file
/// Makes a damaged journal one that can be opened, without what is lost.

#include <cstdint>
#include <string>
#include <vector>

#include "sluice/base/error.h"
#include "sluice/journal/inspect.h"
#include "sluice/os/clock.h"
#include "sluice/os/disk.h"
#include "sluice/os/random.h"

namespace sluice::journal {

struct RepairOptions {
  /// Gives up acknowledged rows that are damaged. Without it a journal that has such stays as it
  /// is.
  bool accept_loss = false;
  std::string note = {};  ///< Who and why; kept with the losses. One line, at most 200 bytes.
  std::vector<PartitionId> partitions = {};  ///< As InspectOptions says.
};

struct Repaired {
  Inspection found;  ///< Before the repair.
  bool changed = false;
  uint64_t cut_bytes = 0;               ///< Of a torn tail: never acknowledged.
  std::vector<Loss> losses;             ///< Given up now.
  std::vector<std::string> kept_files;  ///< Copies of damaged files, as they were.
};

/// Cuts a torn tail off; makes a damaged manifest again from the segments; and, if losses are
/// accepted, writes what is left of the damaged segment, and all behind it, into new segments. The
/// manifest then names the lost offsets: Journal::losses(). Frames keep their offsets and times.
///
/// Needs room for a copy of what it writes anew. May be cut short at any point and run again:
/// until the last step the journal is as it was.
/// kConflict: a process has it open. kCorrupt: rows are lost and losses are not accepted; nothing
/// was changed. kNotFound: there is no journal. kUnavailable: the disk is full or failed.
Result<Repaired> Repair(os::Disk& disk, const std::string& folder, const RepairOptions& options,
                        const os::Clock& clock, os::Random& random);

}  // namespace sluice::journal
