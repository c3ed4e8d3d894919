#include "sluice/store/local_store.h"

#include <algorithm>
#include <array>
#include <cstdio>
#include <cstdlib>
#include <limits>
#include <set>
#include <span>

namespace sluice::store {

namespace {

constexpr std::string_view kTemporarySuffix = ".tmp";

bool IsTemporary(std::string_view name) {
  return name.starts_with('.') && name.ends_with(kTemporarySuffix);
}

// A folder opens like a file, then refuses to be read: to us it is no object.
Error AsNoObject(Error error, std::string_view path) {
  if (error.code() == ErrorCode::kInvalid || error.code() == ErrorCode::kNotFound) {
    return NotFound("there is no object '{}'", path);
  }
  return error;
}

// kConflict would tell the caller that somebody else has written the object.
Status NotAConflict(Status status) {
  if (status.ok() || status.error().code() != ErrorCode::kConflict) return status;
  return Invalid("{}", status.error().message());
}

std::string_view FileName(std::string_view file) { return file.substr(file.rfind('/') + 1); }

[[noreturn]] void Abort(const Error& error) {
  std::fprintf(stderr,
               "store: %s; what the disk holds is unknown, so the process stops: start it again to "
               "recover\n",
               error.ToString().c_str());
  std::abort();
}

// Whether objects below the folder `folder` (with its final '/', or "") can be asked for.
bool CanHold(std::string_view folder, std::string_view prefix, std::string_view after) {
  if (!folder.starts_with(prefix) && !prefix.starts_with(folder)) return false;
  return folder > after || after.starts_with(folder);
}

}  // namespace

LocalStore::LocalStore(os::Disk& disk, std::string root,
                       std::function<void(const Error&)> on_sync_failure)
    : disk_(disk),
      root_(std::move(root)),
      on_sync_failure_(on_sync_failure ? std::move(on_sync_failure) : Abort) {
  SLUICE_CHECK(root_.starts_with('/') && !root_.ends_with('/'));
}

std::string LocalStore::Location(std::string_view path) const {
  return path.empty() ? root_ : fmt::format("{}/{}", root_, path);
}

Result<std::string> LocalStore::Get(std::string_view path) {
  SLUICE_RETURN_IF_ERROR(CheckPath(path));
  auto bytes = os::ReadFile(disk_, Location(path), std::numeric_limits<uint64_t>::max());
  if (!bytes.ok()) return AsNoObject(std::move(bytes).error(), path);
  return bytes;
}

Result<std::string> LocalStore::GetRange(std::string_view path, uint64_t offset, uint64_t size) {
  SLUICE_RETURN_IF_ERROR(CheckPath(path));
  const auto file = disk_.Open(Location(path), os::OpenMode::kRead);
  if (!file.ok()) return AsNoObject(file.error(), path);
  const auto whole = (*file)->Size();
  if (!whole.ok()) return AsNoObject(whole.error(), path);
  if (offset > *whole) {
    return Invalid("'{}' has {} bytes; there is nothing at {}", path, *whole, offset);
  }
  std::string bytes(std::min(size, *whole - offset), '\0');
  const auto got = (*file)->Read(offset, std::as_writable_bytes(std::span(bytes)));
  if (!got.ok()) return AsNoObject(got.error(), path);
  bytes.resize(*got);
  return bytes;
}

Result<ObjectInfo> LocalStore::Head(std::string_view path) {
  SLUICE_RETURN_IF_ERROR(CheckPath(path));
  const auto file = disk_.Open(Location(path), os::OpenMode::kRead);
  if (!file.ok()) return AsNoObject(file.error(), path);
  std::array<std::byte, 1> first;
  const auto read = (*file)->Read(0, first);
  if (!read.ok()) return AsNoObject(read.error(), path);
  SLUICE_ASSIGN_OR_RETURN(const uint64_t size, (*file)->Size());
  SLUICE_ASSIGN_OR_RETURN(const os::Timestamp modified, (*file)->Modified());
  return ObjectInfo{.path = std::string(path), .size = size, .modified = modified};
}

Status LocalStore::Put(std::string_view path, std::string_view bytes) {
  return Write(path, bytes, IfExists::kReplace);
}

Status LocalStore::PutIfAbsent(std::string_view path, std::string_view bytes) {
  return Write(path, bytes, IfExists::kRefuse);
}

Status LocalStore::Write(std::string_view path, std::string_view bytes, IfExists if_exists) {
  SLUICE_RETURN_IF_ERROR(CheckPath(path));
  if (IsTemporary(FileName(path))) return Invalid("'{}' is a name for unfinished objects", path);
  const std::string file = Location(path);
  const std::string folder(os::FolderOf(file));
  if (if_exists == IfExists::kRefuse) {  // Saves the sync; the rename below decides.
    SLUICE_ASSIGN_OR_RETURN(const bool exists, disk_.Exists(file));
    if (exists) return Conflict("'{}' exists", path);
  }
  SLUICE_RETURN_IF_ERROR(NotAConflict(disk_.MakeFolders(folder, on_sync_failure_)));
  SLUICE_ASSIGN_OR_RETURN(const std::string temporary, WriteTemporary(file, bytes));
  Status renamed = if_exists == IfExists::kReplace ? disk_.Rename(temporary, file)
                                                   : disk_.RenameNoReplace(temporary, file);
  if (!renamed.ok()) {
    // Nothing but space hangs on it, and the first failure is the one to tell.
    static_cast<void>(disk_.Remove(temporary).ok());
    return renamed;
  }
  Status synced = disk_.SyncDirectory(folder);
  if (synced.ok()) return {};
  on_sync_failure_(synced.error());
  return Unavailable("'{}' may or may not be written: {}", path, synced.error().message());
}

Result<std::string> LocalStore::WriteTemporary(std::string_view file, std::string_view bytes) {
  std::string temporary;
  while (true) {
    temporary = fmt::format("{}/.{}.{}{}", os::FolderOf(file), FileName(file), next_temporary_++,
                            kTemporarySuffix);
    const auto created = disk_.Open(temporary, os::OpenMode::kCreateNew);
    if (!created.ok()) {
      // Another process, or a crash, has left one of this name.
      if (created.error().code() == ErrorCode::kConflict) continue;
      return created.error();
    }
    const std::span<const std::byte> piece = std::as_bytes(std::span(bytes));
    Status written = (*created)->Write(0, {&piece, 1});
    if (written.ok()) written = (*created)->Sync();
    if (written.ok()) return temporary;
    static_cast<void>(disk_.Remove(temporary).ok());
    return written;
  }
}

Result<std::vector<ObjectInfo>> LocalStore::List(std::string_view prefix, std::string_view after) {
  std::vector<ObjectInfo> found;
  const size_t slash = prefix.rfind('/');
  const std::string folder(slash == std::string_view::npos ? "" : prefix.substr(0, slash + 1));
  if (!folder.empty()) {
    SLUICE_RETURN_IF_ERROR(CheckPath(std::string_view(folder).substr(0, folder.size() - 1)));
  }
  SLUICE_RETURN_IF_ERROR(ListFolder(folder, prefix, after, found), "list '{}'", prefix);
  // A folder's name and a file's compare differently with and without the '/' that follows.
  std::ranges::sort(found, {}, &ObjectInfo::path);
  return found;
}

Status LocalStore::ListFolder(const std::string& folder, std::string_view prefix,
                              std::string_view after, std::vector<ObjectInfo>& found) {
  auto names = disk_.List(fmt::format("{}/{}", root_, folder));
  if (!names.ok()) {
    if (names.error().code() == ErrorCode::kNotFound) return {};
    return std::move(names).error();
  }
  for (const std::string& name : *names) {
    std::string path = folder + name;
    if (path.ends_with('/')) {
      if (!CanHold(path, prefix, after)) continue;
      SLUICE_RETURN_IF_ERROR(ListFolder(path, prefix, after, found));
    } else if (path.starts_with(prefix) && path > after && !IsTemporary(name)) {
      auto info = Head(path);
      if (!info.ok() && info.error().code() == ErrorCode::kNotFound) continue;  // Just deleted.
      if (!info.ok()) return std::move(info).error();
      found.push_back(std::move(*info));
    }
  }
  return {};
}

Result<int64_t> LocalStore::RemoveUnfinished(os::Timestamp before) {
  int64_t removed = 0;
  SLUICE_RETURN_IF_ERROR(RemoveUnfinishedIn("", before, removed), "unfinished files");
  return removed;
}

Status LocalStore::RemoveUnfinishedIn(const std::string& folder, os::Timestamp before,
                                      int64_t& removed) {
  auto names = disk_.List(fmt::format("{}/{}", root_, folder));
  if (!names.ok()) {
    if (names.error().code() == ErrorCode::kNotFound) return {};
    return std::move(names).error();
  }
  for (const std::string& name : *names) {
    if (name.ends_with('/')) {
      SLUICE_RETURN_IF_ERROR(RemoveUnfinishedIn(folder + name, before, removed));
      continue;
    }
    if (!IsTemporary(name)) continue;
    const std::string path = fmt::format("{}/{}{}", root_, folder, name);
    const auto file = disk_.Open(path, os::OpenMode::kRead);
    if (!file.ok()) continue;  // Finished just now.
    SLUICE_ASSIGN_OR_RETURN(const os::Timestamp modified, (*file)->Modified());
    if (modified >= before) continue;
    SLUICE_RETURN_IF_ERROR(disk_.Remove(path));
    ++removed;
  }
  return {};
}

Status LocalStore::Delete(std::string_view path) {
  const std::string name(path);
  return DeleteAll({&name, 1});
}

Status LocalStore::DeleteAll(std::span<const std::string> paths) {
  for (const std::string& path : paths) SLUICE_RETURN_IF_ERROR(CheckPath(path));
  std::set<std::string, std::less<>> folders;
  for (const std::string& path : paths) {
    const std::string file = Location(path);
    const Status removed = disk_.Remove(file);
    if (!removed.ok() && removed.error().code() == ErrorCode::kNotFound) continue;
    SLUICE_RETURN_IF_ERROR(removed);
    const std::string_view folder = os::FolderOf(file);
    if (!folders.contains(folder)) folders.emplace(folder);
  }
  for (const std::string& folder : folders) {
    SLUICE_RETURN_IF_ERROR(disk_.SyncDirectory(folder));
  }
  return {};
}

}  // namespace sluice::store
