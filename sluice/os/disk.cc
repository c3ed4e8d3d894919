#include "sluice/os/disk.h"

namespace sluice::os {

namespace {

// Beyond it all are forgotten; then each costs one more sync when it is next used.
constexpr size_t kDurableFoldersMax = 10'000;

std::string_view WithoutSlash(std::string_view folder) {
  while (folder.size() > 1 && folder.back() == '/') folder.remove_suffix(1);
  return folder;
}

// Of a folder that is not ours, say one above the mount point of the data.
bool CannotBeSynced(ErrorCode code) {
  return code == ErrorCode::kDenied || code == ErrorCode::kInvalid ||
         code == ErrorCode::kUnsupported;
}

}  // namespace

Result<std::string> ReadFile(Disk& disk, std::string_view path, uint64_t bytes_max) {
  SLUICE_ASSIGN_OR_RETURN(const auto file, disk.Open(path, OpenMode::kRead));
  SLUICE_ASSIGN_OR_RETURN(const uint64_t size, file->Size());
  if (size > bytes_max) {
    return Invalid("'{}' has {} bytes, at most {} are allowed", path, size, bytes_max);
  }
  std::string bytes(size, '\0');
  SLUICE_ASSIGN_OR_RETURN(const size_t got,
                          file->Read(0, std::as_writable_bytes(std::span(bytes))));
  bytes.resize(got);
  return bytes;
}

namespace {

Status Replace(Disk& disk, std::string_view path, std::string_view bytes, OpenMode mode) {
  const std::string temporary = fmt::format("{}.new", path);
  // What an earlier try that was cut short has left is worth nothing.
  Status removed = disk.Remove(temporary);
  if (!removed.ok() && removed.error().code() != ErrorCode::kNotFound) return removed;
  {
    SLUICE_ASSIGN_OR_RETURN(const auto file, disk.Open(temporary, mode));
    const std::span<const std::byte> piece = std::as_bytes(std::span(bytes));
    SLUICE_RETURN_IF_ERROR(file->Write(0, {&piece, 1}));
    SLUICE_RETURN_IF_ERROR(file->Sync());
  }
  SLUICE_RETURN_IF_ERROR(disk.Rename(temporary, path));
  return disk.SyncDirectory(FolderOf(path));
}

}  // namespace

Status Disk::MakeFolders(std::string_view folder,
                         const std::function<void(const Error&)>& on_sync_failure) {
  folder = WithoutSlash(folder);
  if (folder == "." || folder == "/") return {};
  SLUICE_ASSIGN_OR_RETURN(const bool exists, FolderExists(folder));
  if (exists) {
    const std::lock_guard lock(folders_mutex_);
    if (durable_folders_.contains(folder)) return {};
  }
  const std::string_view parent = FolderOf(folder);
  // Whoever may not make folders here has not made this one, nor those above it.
  if (exists && !CanMakeIn(parent)) return {};
  SLUICE_RETURN_IF_ERROR(MakeFolders(parent, on_sync_failure));
  if (!exists) {
    Status made = MakeFolder(folder);
    if (!made.ok() && made.error().code() != ErrorCode::kConflict) return made;
  }
  // Also if it was there: the process that made it may have died before its sync.
  Status synced = SyncDirectory(parent);
  if (!synced.ok() && exists && CannotBeSynced(synced.error().code())) return {};
  if (!synced.ok() && on_sync_failure) on_sync_failure(synced.error());
  const std::lock_guard lock(folders_mutex_);
  if (!synced.ok()) failed_folders_.emplace(parent);
  SLUICE_RETURN_IF_ERROR(synced);
  if (failed_folders_.contains(parent)) {
    return Unavailable("'{}': an earlier sync of '{}' failed; restart", folder, parent);
  }
  if (durable_folders_.size() >= kDurableFoldersMax) durable_folders_.clear();
  durable_folders_.emplace(folder);
  return {};
}

void Disk::ForgetFolders() {
  const std::lock_guard lock(folders_mutex_);
  durable_folders_.clear();
  failed_folders_.clear();
}

Result<bool> Disk::IsPrivate(std::string_view path) {
  SLUICE_ASSIGN_OR_RETURN(const bool exists, Exists(path));
  if (!exists) return NotFound("'{}'", path);
  return true;
}

Status ReplaceFile(Disk& disk, std::string_view path, std::string_view bytes) {
  return Replace(disk, path, bytes, OpenMode::kCreateNew);
}

Status ReplacePrivateFile(Disk& disk, std::string_view path, std::string_view bytes) {
  return Replace(disk, path, bytes, OpenMode::kCreatePrivate);
}

std::string_view FolderOf(std::string_view path) {
  const size_t slash = path.rfind('/');
  if (slash == std::string_view::npos) return ".";
  if (slash == 0) return "/";
  return path.substr(0, slash);
}

}  // namespace sluice::os
