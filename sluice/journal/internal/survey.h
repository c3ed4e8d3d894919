#pragma once
/// \file
/// All that is left of a journal, read from front to back: what Inspect() and Repair() go by.

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <span>
#include <vector>

#include "sluice/base/error.h"
#include "sluice/journal/inspect.h"
#include "sluice/journal/internal/manifest.h"
#include "sluice/journal/internal/segment_reader.h"
#include "sluice/journal/internal/storage.h"
#include "sluice/journal/journal.h"

namespace sluice::journal::internal {

struct Survey {
  Inspection inspection;
  Manifest manifest = {};  ///< As read, or as made again.
  std::optional<Damage> manifest_damage = {};
  std::map<PartitionId, Offset> next;  ///< Where partitions may go on.
  std::map<PartitionId, int64_t> duplicates;
  int64_t received_us = 0;  ///< The latest in it.
  /// The first segment of the manifest that must be written anew; its size if there is none.
  size_t first_damaged = 0;
};

/// Sound frames that lie in one group; `segment` is an index into the manifest's.
using VisitFrames =
    std::function<Status(size_t segment, uint64_t position, std::span<const FrameView> frames)>;

/// `partitions`: as InspectOptions says. kNotFound: there is no journal.
Result<Survey> TakeSurvey(Storage& storage, const std::vector<PartitionId>& partitions,
                          const VisitFrames& visit);

}  // namespace sluice::journal::internal
