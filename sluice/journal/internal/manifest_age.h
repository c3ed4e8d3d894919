#pragma once
/// \file
/// Whether a manifest is the newest of its journal, or one that was put back from an old copy.

#include <optional>
#include <string>

#include "sluice/base/error.h"
#include "sluice/journal/internal/manifest.h"
#include "sluice/journal/internal/storage.h"

namespace sluice::journal::internal {

/// Says by which segment `manifest` is older than the journal in whose folder it lies, or of
/// another journal; nothing if it is not. What a crash leaves beside the newest manifest never says
/// so: segments made ahead, released ones, copies and what they replaced.
///
/// Beside a process that writes, it may just have been replaced: read it again then.
/// kUnavailable: the disk failed.
Result<std::optional<std::string>> WhyOutdated(Storage& storage, const Manifest& manifest);

}  // namespace sluice::journal::internal
