#include "sluice/journal/inspect.h"

#include <algorithm>
#include <utility>

#include "sluice/journal/internal/storage.h"
#include "sluice/journal/internal/survey.h"

namespace sluice::journal {

namespace {

constexpr int kReadingsMax = 4;

/// Lets the lock go at once: reading may take minutes, and a start must not wait for it, nor fail.
Result<bool> IsInUse(internal::Storage& storage) {
  std::unique_ptr<os::File> lock;
  return storage.InUse(lock);
}

}  // namespace

uint64_t Inspection::TornBytes() const {
  uint64_t bytes = 0;
  for (const SegmentReport& segment : segments) bytes += segment.torn_bytes;
  return bytes;
}

Result<Inspection> Inspect(os::Disk& disk, const std::string& folder,
                           const InspectOptions& options) {
  internal::Storage storage(disk, folder, [](const Error&) {});
  SLUICE_ASSIGN_OR_RETURN(const bool in_use_before, IsInUse(storage));
  const internal::VisitFrames place = [&](size_t, uint64_t position,
                                          std::span<const internal::FrameView> frames) -> Status {
    for (const internal::FrameView& view : frames) {
      const internal::FrameHeader& header = view.header;
      if (header.kind == internal::kTrailerKind || header.kind == internal::kCarriedKind) continue;
      PlacedFrame placed;
      placed.segment = header.segment;
      placed.position = position;
      placed.group = header.sequence;
      placed.frame = {.kind = static_cast<FrameKind>(header.kind),
                      .partition = header.partition,
                      .schema_id = header.schema_id,
                      .base = header.base,
                      .rows = header.rows,
                      .received = os::Timestamp(std::chrono::microseconds(header.received_us)),
                      .payload = view.payload};
      SLUICE_RETURN_IF_ERROR(options.visit(placed));
    }
    return {};
  };
  SLUICE_ASSIGN_OR_RETURN(internal::Survey survey,
                          internal::TakeSurvey(storage, options.partitions,
                                               options.visit ? place : internal::VisitFrames()));
  for (int i = 1; !survey.inspection.Sound() && i < kReadingsMax; ++i) {
    // Real damage stays where it is; what was only being written moves on.
    const std::vector<Damage> before = survey.inspection.damages;
    SLUICE_ASSIGN_OR_RETURN(survey, internal::TakeSurvey(storage, options.partitions, {}));
    if (survey.inspection.damages == before) break;
  }
  SLUICE_ASSIGN_OR_RETURN(const bool in_use_after, IsInUse(storage));
  survey.inspection.in_use = in_use_before || in_use_after;
  return std::move(survey.inspection);
}

}  // namespace sluice::journal
