#pragma once
/// \file
/// The manifest, made again from the segments.

#include "sluice/base/error.h"
#include "sluice/journal/internal/manifest.h"
#include "sluice/journal/internal/storage.h"

namespace sluice::journal::internal {

/// Makes a manifest by the headers of all segments in the folder. What only the manifest knew is
/// gone: what was released (tables know it, too), offsets of partitions without rows, the notes of
/// recoveries. No segment is sealed in it. kNotFound: there is no segment with a whole header.
Result<Manifest> RebuildManifest(Storage& storage);

}  // namespace sluice::journal::internal
