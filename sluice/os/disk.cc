#include "sluice/os/disk.h"

namespace sluice::os {

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
