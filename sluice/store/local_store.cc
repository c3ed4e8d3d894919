#include "sluice/store/local_store.h"

#include <algorithm>
#include <array>
#include <cstdio>
#include <cstdlib>
#include <limits>
#include <memory>
#include <set>
#include <span>

namespace sluice::store {

namespace {

constexpr std::string_view kTemporarySuffix = ".tmp";
constexpr size_t kPieceBytes = 1 << 20;  // Of what is written part by part.

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

/// The hidden file beside an object's place, until it gets the object's name: bytes are written to
/// it one behind the other. Removes itself if it never gets there. Not thread-safe.
class LocalStore::Temporary {
 public:
  explicit Temporary(LocalStore& store, std::string_view path)
      : store_(store), path_(path), target_(store.Location(path)) {}
  Temporary(const Temporary&) = delete;
  Temporary& operator=(const Temporary&) = delete;
  ~Temporary() {
    if (file_ == nullptr) return;
    file_.reset();
    // Nothing but space hangs on it, and the first failure is the one to tell.
    static_cast<void>(store_.disk_.Remove(name_).ok());
  }

  Status Create() {
    const std::string_view folder = os::FolderOf(target_);
    SLUICE_RETURN_IF_ERROR(NotAConflict(store_.disk_.MakeFolders(folder, store_.on_sync_failure_)));
    while (file_ == nullptr) {
      name_ = fmt::format("{}/.{}.{}{}", folder, FileName(target_), store_.next_temporary_++,
                          kTemporarySuffix);
      auto created = store_.disk_.Open(name_, os::OpenMode::kCreateNew);
      if (created.ok()) {
        file_ = std::move(*created);
      } else if (created.error().code() != ErrorCode::kConflict) {
        return created.error();
      }
      // Else another process, or a crash, has left one of this name.
    }
    return {};
  }

  Status Append(std::string_view bytes) {
    const std::span<const std::byte> piece = std::as_bytes(std::span(bytes));
    SLUICE_RETURN_IF_ERROR(file_->Write(size_, {&piece, 1}));
    size_ += bytes.size();
    return {};
  }

  /// Makes it durable under its object's name.
  Status Publish(IfExists if_exists) {
    SLUICE_RETURN_IF_ERROR(file_->Sync());
    SLUICE_RETURN_IF_ERROR(if_exists == IfExists::kReplace
                               ? store_.disk_.Rename(name_, target_)
                               : store_.disk_.RenameNoReplace(name_, target_));
    file_.reset();
    const Status synced = store_.disk_.SyncDirectory(os::FolderOf(target_));
    if (synced.ok()) return {};
    store_.on_sync_failure_(synced.error());
    return Unavailable("'{}' may or may not be written: {}", path_, synced.error().message());
  }

 private:
  LocalStore& store_;
  const std::string path_;
  const std::string target_;
  std::string name_;
  std::unique_ptr<os::File> file_;  // Null before Create() and after the renaming.
  uint64_t size_ = 0;
};

Status LocalStore::CheckFile(std::string_view path) const {
  SLUICE_RETURN_IF_ERROR(CheckPath(path));
  if (IsTemporary(FileName(path))) return Invalid("'{}' is a name for unfinished objects", path);
  return {};
}

Status LocalStore::Write(std::string_view path, std::string_view bytes, IfExists if_exists) {
  SLUICE_RETURN_IF_ERROR(CheckFile(path));
  if (if_exists == IfExists::kRefuse) {  // Saves the sync; the renaming decides.
    SLUICE_ASSIGN_OR_RETURN(const bool exists, disk_.Exists(Location(path)));
    if (exists) return Conflict("'{}' exists", path);
  }
  Temporary temporary(*this, path);
  SLUICE_RETURN_IF_ERROR(temporary.Create());
  SLUICE_RETURN_IF_ERROR(temporary.Append(bytes));
  return temporary.Publish(if_exists);
}

class LocalStore::Writer final : public ObjectWriter {
 public:
  Writer(LocalStore& store, std::string_view path) : store_(store), path_(path) {}

  Status Write(std::string_view bytes) override {
    waiting_ += bytes;
    return waiting_.size() < kPieceBytes ? Status() : Flush();
  }
  Status Finish() override {
    if (temporary_ == nullptr) return store_.Put(path_, waiting_);
    SLUICE_RETURN_IF_ERROR(Flush());
    return temporary_->Publish(IfExists::kReplace);
  }

 private:
  Status Flush() {
    if (temporary_ == nullptr) {
      auto temporary = std::make_unique<Temporary>(store_, path_);
      SLUICE_RETURN_IF_ERROR(temporary->Create());
      temporary_ = std::move(temporary);
    }
    SLUICE_RETURN_IF_ERROR(temporary_->Append(waiting_));
    waiting_.clear();
    return {};
  }

  LocalStore& store_;
  const std::string path_;
  std::string waiting_;
  std::unique_ptr<Temporary> temporary_;  // From the first piece on.
};

Result<std::unique_ptr<ObjectWriter>> LocalStore::StartPut(std::string_view path) {
  SLUICE_RETURN_IF_ERROR(CheckFile(path));
  return std::unique_ptr<ObjectWriter>(std::make_unique<Writer>(*this, path));
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

Status LocalStore::SyncFolder(std::string_view folder) {
  if (!folder.empty()) SLUICE_RETURN_IF_ERROR(CheckPath(folder));
  const std::string path = Location(folder);
  SLUICE_RETURN_IF_ERROR(NotAConflict(disk_.MakeFolders(path, on_sync_failure_)));
  const Status synced = disk_.SyncDirectory(path);
  if (synced.ok()) return {};
  on_sync_failure_(synced.error());
  return Unavailable("what is in '{}' may or may not be durable: {}", folder,
                     synced.error().message());
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
