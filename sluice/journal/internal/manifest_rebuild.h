#pragma once
/// \file
/// The manifest, made again from the segments.

#include <string>
#include <vector>

#include "sluice/base/error.h"
#include "sluice/journal/internal/manifest.h"
#include "sluice/journal/internal/storage.h"

namespace sluice::journal::internal {

struct RebuiltManifest {
  Manifest manifest;
  /// Files that may have been segments: neither their header nor a frame can be read, so where they
  /// stood is not known. The manifest does not name them.
  std::vector<std::string> unreadable;
};

/// Makes a manifest by the headers of all segments in the folder, or by a frame where a header is
/// damaged. What only the manifest knew is gone: what was released (tables know it, too), offsets
/// of partitions without rows, accepted losses, the notes of recoveries. A segment counts as sealed
/// if its file ends with a group. It is without a uuid where no segment tells that.
/// kNotFound: there are no segments. kCorrupt: they are of several journals. kUnsupported: one is
/// of a newer format.
Result<RebuiltManifest> RebuildManifest(Storage& storage);

}  // namespace sluice::journal::internal
