#include "sluice/server/space_watch.h"

#include "sluice/base/trace.h"

namespace sluice::server {

SpaceWatch::SpaceWatch(const SpaceOptions& options, os::Disk& disk)
    : options_(options), disk_(disk) {}

Status SpaceWatch::Start() {
  SLUICE_RETURN_IF_ERROR(disk_.MakeFolders(options_.folder));
  SLUICE_RETURN_IF_ERROR(TakeReserveOver());
  Look();
  if (full_ || reserve_held_ || options_.reserve_bytes == 0) return {};
  if (free_bytes_ < options_.free_bytes_min + options_.reserve_bytes) return {};
  if (const Status taken = TakeReserve(); !taken.ok()) {
    trace::Warning("no reserve of disk space", {{"reason", taken.error().ToString()}});
  }
  return {};
}

void SpaceWatch::Look() {
  const auto free = disk_.FreeBytes(options_.folder);
  if (!free.ok()) return;  // Nothing is known that was not.
  free_bytes_ = *free;
  if (!full_) {
    if (*free >= options_.free_bytes_min) return;
    trace::Error("disk full", {{"free_bytes", *free}, {"least", options_.free_bytes_min}});
    full_ = true;
    GiveReserveBack();
    return;
  }
  GiveReserveBack();  // Should it not have gone at first.
  const uint64_t reserve = reserve_held_ ? 0 : options_.reserve_bytes;
  const uint64_t enough = options_.free_bytes_min / 4 * 5 + reserve;
  if (*free < enough) return;
  if (reserve > 0) {
    if (const Status taken = TakeReserve(); !taken.ok()) {
      const auto still_free = disk_.FreeBytes(options_.folder);
      if (!still_free.ok() || *still_free < enough) return;  // Somebody was faster.
      trace::Warning("no reserve of disk space", {{"reason", taken.error().ToString()}});
    }
  }
  full_ = false;
  trace::Info("disk has room again", {{"free_bytes", *free}});
}

Status SpaceWatch::TakeReserveOver() {
  const auto file = disk_.Open(ReservePath(), os::OpenMode::kRead);
  if (!file.ok() && file.error().code() == ErrorCode::kNotFound) return {};
  SLUICE_RETURN_IF_ERROR(file.status());
  SLUICE_ASSIGN_OR_RETURN(const uint64_t bytes, (*file)->Size());
  reserve_held_ = true;
  // The setting is another, or the process that made it died before it had the room.
  if (bytes != options_.reserve_bytes || bytes == 0) GiveReserveBack();
  return {};
}

Status SpaceWatch::TakeReserve() {
  SLUICE_ASSIGN_OR_RETURN(const auto file, disk_.Open(ReservePath(), os::OpenMode::kCreatePrivate));
  reserve_held_ = true;
  Status taken = file->Allocate(options_.reserve_bytes);
  if (!taken.ok()) GiveReserveBack();
  return taken;
}

void SpaceWatch::GiveReserveBack() {
  if (!reserve_held_) return;
  const Status removed = disk_.Remove(ReservePath());
  if (removed.ok() || removed.error().code() == ErrorCode::kNotFound) reserve_held_ = false;
}

}  // namespace sluice::server
