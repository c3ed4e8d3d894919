#include "sluice/ingest/internal/identities_by_time.h"

#include <algorithm>
#include <utility>

#include "sluice/base/crc32c.h"
#include "sluice/base/trace.h"

namespace sluice::ingest::internal {

IdentitiesByTime::IdentitiesByTime(os::Timestamp first, os::Timestamp last, size_t held_max,
                                   os::Disk* disk, std::string path, Use use)
    : first_(first),
      slice_us_(std::max<int64_t>(1, (last - first).count() / static_cast<int64_t>(kSlices))),
      held_max_(std::max<size_t>(1, held_max)),
      disk_(disk),
      path_(std::move(path)),
      use_(std::move(use)) {}

IdentitiesByTime::~IdentitiesByTime() {
  if (file_ == nullptr) return;
  file_.reset();
  (void)disk_->Remove(path_);  // Else the next one does it.
}

size_t IdentitiesByTime::SliceOf(os::Timestamp received) const {
  if (received <= first_) return 0;
  return std::min(kSlices - 1, static_cast<size_t>((received - first_).count() / slice_us_));
}

void IdentitiesByTime::Add(const LandedIdentity& identity) {
  held_.push_back(identity);
  if (held_.size() >= held_max_) Flush(disk_ == nullptr);
}

void IdentitiesByTime::Flush(bool hand_on) {
  std::ranges::sort(held_, {}, &LandedIdentity::received);
  if (!hand_on) {
    const Status written = Write();
    hand_on = !written.ok();
    if (hand_on) {
      trace::Warning("identities are restored out of order",
                     {{"reason", written.error().ToString()}});
    }
  }
  if (hand_on) use_(held_);
  held_.clear();
}

Status IdentitiesByTime::Write() {
  if (file_ == nullptr) {
    const Status removed = disk_->Remove(path_);
    if (!removed.ok() && removed.error().code() != ErrorCode::kNotFound) return removed;
    SLUICE_RETURN_IF_ERROR(disk_->MakeFolders(os::FolderOf(path_)));
    SLUICE_ASSIGN_OR_RETURN(file_, disk_->Open(path_, os::OpenMode::kCreatePrivate));
  }
  const std::span<const std::byte> bytes = std::as_bytes(std::span(held_));
  SLUICE_RETURN_IF_ERROR(file_->Write(file_bytes_, {&bytes, 1}));
  for (size_t begin = 0, end = 0; begin < held_.size(); begin = end) {
    const size_t slice = SliceOf(held_[begin].received);
    while (end < held_.size() && SliceOf(held_[end].received) == slice) ++end;
    const auto part =
        bytes.subspan(begin * sizeof(LandedIdentity), (end - begin) * sizeof(LandedIdentity));
    slices_[slice].push_back({.offset = file_bytes_ + begin * sizeof(LandedIdentity),
                              .size = end - begin,
                              .crc = Crc32c(part)});
  }
  file_bytes_ += bytes.size();
  return {};
}

Status IdentitiesByTime::HandOn(const Piece& piece) {
  held_.resize(piece.size);
  const auto bytes = std::as_writable_bytes(std::span(held_));
  SLUICE_ASSIGN_OR_RETURN(const size_t read, file_->Read(piece.offset, bytes), "'{}'", path_);
  if (read != bytes.size() || Crc32c(bytes) != piece.crc) {
    return Corrupt("'{}': what is at {} is not what was written", path_, piece.offset);
  }
  use_(held_);
  return {};
}

void IdentitiesByTime::Finish() {
  Flush(file_ == nullptr);
  for (const std::vector<Piece>& slice : slices_) {
    for (const Piece& piece : slice) {
      const Status handed_on = HandOn(piece);
      if (handed_on.ok()) continue;
      trace::Error("identities forgotten early",
                   {{"ids", piece.size}, {"reason", handed_on.error().ToString()}});
    }
  }
  held_.clear();
}

}  // namespace sluice::ingest::internal
