#include "sluice/journal/internal/storage.h"

#include <algorithm>
#include <charconv>

#include <fmt/format.h>

namespace sluice::journal::internal {

namespace {

constexpr uint64_t kManifestBytesMax = 64 << 20;
constexpr std::string_view kManifestName = "/manifest";
constexpr std::string_view kNewManifestName = "/manifest.new";
constexpr std::string_view kCarriedName = "/carried.new";
constexpr std::string_view kRepairSuffix = ".repair";  // Behind a segment's name.

Status Write(os::File& file, uint64_t offset, std::string_view text) {
  const std::span<const std::byte> piece = std::as_bytes(std::span(text));
  return file.Write(offset, {&piece, 1});
}

}  // namespace

std::string SegmentName(uint64_t id) { return fmt::format("{:020}", id); }

std::optional<uint64_t> SegmentOfName(std::string_view name) {
  if (name.size() != 20) return std::nullopt;
  uint64_t id = 0;
  const auto [end, error] = std::from_chars(name.data(), name.data() + name.size(), id);
  if (error != std::errc() || end != name.data() + name.size()) return std::nullopt;
  return id;
}

Storage::Storage(os::Disk& disk, std::string folder,
                 std::function<void(const Error&)> on_sync_failure)
    : disk_(disk), folder_(std::move(folder)), on_sync_failure_(std::move(on_sync_failure)) {}

Result<bool> Storage::InUse(std::unique_ptr<os::File>& lock) {
  const std::string path = folder_ + "/lock";
  // A copy without a lock file stays as it is, and so does one that may not be written.
  SLUICE_ASSIGN_OR_RETURN(const bool exists, disk_.Exists(path));
  if (!exists) return false;
  auto locked = disk_.Lock(path);
  if (locked.ok()) lock = std::move(*locked);
  return !locked.ok() && locked.error().code() == ErrorCode::kConflict;
}

void Storage::Break(const Error& error) {
  if (!broken_.exchange(true)) on_sync_failure_(error);
}

Status Storage::Sync(os::File& file) {
  Status synced = file.Sync();
  if (!synced.ok()) Break(synced.error());
  return synced;
}

Status Storage::SyncFolder() {
  Status synced = disk_.SyncDirectory(folder_);
  if (!synced.ok()) Break(synced.error());
  return synced;
}

Status Storage::BeginRepair(uint64_t first) {
  const std::string path = SegmentPath(first) + std::string(kRepairSuffix);
  SLUICE_RETURN_IF_ERROR(disk_.Open(path, os::OpenMode::kCreateNew).status());
  return SyncFolder();
}

Result<std::optional<uint64_t>> Storage::RepairBegun() {
  SLUICE_ASSIGN_OR_RETURN(const auto names, disk_.List(folder_));
  std::optional<uint64_t> first;
  for (std::string_view name : names) {
    if (!name.ends_with(kRepairSuffix)) continue;
    name.remove_suffix(kRepairSuffix.size());
    if (const auto id = SegmentOfName(name)) first = std::min(first.value_or(*id), *id);
  }
  return first;
}

Status Storage::EndRepair() {
  SLUICE_ASSIGN_OR_RETURN(const auto first, RepairBegun());
  if (!first) return {};
  Status removed = disk_.Remove(SegmentPath(*first) + std::string(kRepairSuffix));
  if (!removed.ok() && removed.error().code() != ErrorCode::kNotFound) return removed;
  return SyncFolder();
}

Result<std::optional<Manifest>> Storage::LoadManifest() {
  const std::string path = folder_ + std::string(kManifestName);
  auto text = os::ReadFile(disk_, path, kManifestBytesMax);
  if (!text.ok() && text.error().code() == ErrorCode::kNotFound) {
    SLUICE_ASSIGN_OR_RETURN(const auto ids, ListSegments());
    if (ids.empty()) return std::optional<Manifest>();
    return Corrupt("'{}' is missing, but there are {} segments", path, ids.size());
  }
  SLUICE_RETURN_IF_ERROR(text.status());
  SLUICE_ASSIGN_OR_RETURN(Manifest manifest, DecodeManifest(*text), "'{}'", path);
  return std::optional<Manifest>(std::move(manifest));
}

Status Storage::StoreManifest(const Manifest& manifest) {
  SLUICE_RETURN_IF_ERROR(WriteManifest(manifest));
  return PutManifest();
}

Status Storage::WriteManifest(const Manifest& manifest) {
  const std::string temporary = folder_ + std::string(kNewManifestName);
  Status removed = disk_.Remove(temporary);  // Of a try that was cut short.
  if (!removed.ok() && removed.error().code() != ErrorCode::kNotFound) return removed;
  SLUICE_ASSIGN_OR_RETURN(const auto file, disk_.Open(temporary, os::OpenMode::kCreateNew));
  SLUICE_RETURN_IF_ERROR(Write(*file, 0, Encode(manifest)));
  return Sync(*file);
}

Status Storage::PutManifest() {
  SLUICE_RETURN_IF_ERROR(
      disk_.Rename(folder_ + std::string(kNewManifestName), folder_ + std::string(kManifestName)));
  return SyncFolder();
}

Result<std::unique_ptr<os::File>> Storage::CreateSegment(const SegmentKey& key,
                                                         std::string_view uuid, uint64_t bytes) {
  const std::string path = SegmentPath(key.id);
  SLUICE_ASSIGN_OR_RETURN(auto file, disk_.Open(path, os::OpenMode::kCreateNew));
  Status made = file->Allocate(bytes);
  if (made.ok()) made = Write(*file, 0, EncodeSegmentHeader(key, uuid));
  if (made.ok()) made = Sync(*file);
  if (made.ok()) made = SyncFolder();
  if (made.ok()) return file;
  // Without its space a full disk would stay full; should this fail too, the next start removes it.
  if (!broken()) (void)disk_.Remove(path);
  return std::move(made).error();
}

Result<std::unique_ptr<os::File>> Storage::CreateCarried(const SegmentKey& key,
                                                         std::string_view uuid) {
  const std::string path = folder_ + std::string(kCarriedName);
  Status removed = disk_.Remove(path);  // Of a try that was cut short.
  if (!removed.ok() && removed.error().code() != ErrorCode::kNotFound) return removed;
  SLUICE_ASSIGN_OR_RETURN(auto file, disk_.Open(path, os::OpenMode::kCreateNew));
  SLUICE_RETURN_IF_ERROR(Write(*file, 0, EncodeSegmentHeader(key, uuid)));
  return file;
}

Status Storage::NameCarried(uint64_t id) {
  SLUICE_RETURN_IF_ERROR(disk_.Rename(folder_ + std::string(kCarriedName), SegmentPath(id)));
  return SyncFolder();
}

void Storage::RemoveCarried() { (void)disk_.Remove(folder_ + std::string(kCarriedName)); }

Result<std::vector<uint64_t>> Storage::ListSegments() {
  SLUICE_ASSIGN_OR_RETURN(const auto names, disk_.List(folder_));
  std::vector<uint64_t> ids;
  for (const std::string& name : names) {
    if (const auto id = SegmentOfName(name)) ids.push_back(*id);
  }
  return ids;
}

Status Storage::RemoveSegments(const std::vector<uint64_t>& ids) {
  if (ids.empty()) return {};
  for (const uint64_t id : ids) {
    Status removed = disk_.Remove(SegmentPath(id));
    if (!removed.ok() && removed.error().code() != ErrorCode::kNotFound) return removed;
  }
  return SyncFolder();
}

}  // namespace sluice::journal::internal
