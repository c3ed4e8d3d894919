#include "sluice/backup/restore.h"

#include <set>
#include <string_view>

namespace sluice::backup {

namespace {

constexpr uint64_t kKeysBytesMax = 512ull << 20;

/// Copies files of a backup, and remembers the folders that must be synced.
class Placer {
 public:
  Placer(os::Disk& disk, const std::string& source) : disk_(disk), source_(source) {}

  Status Put(const StoredFile& file, const std::string& path, os::OpenMode mode) {
    const std::string folder(os::FolderOf(path));
    SLUICE_RETURN_IF_ERROR(disk_.MakeFolders(folder));
    folders_.insert(folder);
    SLUICE_ASSIGN_OR_RETURN(const auto from,
                            disk_.Open(source_ + "/" + file.path, os::OpenMode::kRead));
    SLUICE_ASSIGN_OR_RETURN(const auto content,
                            os::CopyToNewFile(*from, file.content.bytes, disk_, path, mode));
    if (content.crc32c == file.content.crc32c) return {};
    return Corrupt("'{}' of the backup is damaged: checksum {:08x}, expected {:08x}", file.path,
                   content.crc32c, file.content.crc32c);
  }

  Status Sync() {
    for (const std::string& folder : folders_) {
      SLUICE_RETURN_IF_ERROR(disk_.SyncDirectory(folder));
    }
    return {};
  }

 private:
  os::Disk& disk_;
  const std::string source_;
  std::set<std::string> folders_;
};

/// Whether a file is there already, with the same bytes. kConflict: with others.
Result<bool> IsThere(os::Disk& disk, const std::string& source, const StoredFile& file,
                     const std::string& path) {
  SLUICE_ASSIGN_OR_RETURN(const bool exists, disk.Exists(path));
  if (!exists) return false;
  SLUICE_ASSIGN_OR_RETURN(const std::string ours, os::ReadFile(disk, path, kKeysBytesMax));
  SLUICE_ASSIGN_OR_RETURN(const std::string theirs,
                          os::ReadFile(disk, source + "/" + file.path, kKeysBytesMax));
  if (ours == theirs) return true;
  return Conflict("'{}' is there, and another than in the backup; move it away first", path);
}

}  // namespace

Result<bool> RestoreProject(os::Disk& disk, const std::string& source, const Contents& contents,
                            const std::string& folder) {
  SLUICE_ASSIGN_OR_RETURN(const bool exists, disk.Exists(folder + "/sluice.yaml"));
  if (exists) return false;
  for (const StoredFile& file : contents.files) {
    if (!file.path.starts_with(kProject)) continue;
    const std::string path = folder + "/" + file.path.substr(kProject.size());
    SLUICE_ASSIGN_OR_RETURN(const bool taken, disk.Exists(path));
    if (taken) return Conflict("'{}' is there already; move it away first", path);
  }
  Placer placer(disk, source);
  // The project file last: without it this counts as not done.
  for (const bool last : {false, true}) {
    for (const StoredFile& file : contents.files) {
      if (!file.path.starts_with(kProject)) continue;
      const std::string name = file.path.substr(kProject.size());
      if ((name == "sluice.yaml") != last) continue;
      SLUICE_RETURN_IF_ERROR(placer.Put(file, folder + "/" + name, os::OpenMode::kCreateNew));
    }
    SLUICE_RETURN_IF_ERROR(placer.Sync());
  }
  return true;
}

Status Restore(os::Disk& disk, const std::string& source, const Contents& contents,
               const Installation& installation) {
  SLUICE_ASSIGN_OR_RETURN(const auto names, disk.List(installation.data));
  if (!names.empty()) {
    return Conflict("'{}' is not empty; move it away first", installation.data);
  }
  const std::string unfinished = installation.data + ".restoring";
  SLUICE_ASSIGN_OR_RETURN(const auto left, disk.List(unfinished));
  if (!left.empty()) {
    return Conflict("'{}' is what a restore that was cut short has left; remove it first",
                    unfinished);
  }
  const auto key_path = [&](const StoredFile& file) {
    return file.path.ends_with("/tokens") ? installation.tokens_file : installation.key_file;
  };
  std::set<std::string> there;
  for (const StoredFile& file : contents.files) {
    if (!file.path.starts_with(kKeys)) continue;
    SLUICE_ASSIGN_OR_RETURN(const bool same, IsThere(disk, source, file, key_path(file)));
    if (same) there.insert(file.path);
  }
  Placer placer(disk, source);
  for (const StoredFile& file : contents.files) {
    if (file.path.starts_with(kData)) {
      const std::string path = unfinished + "/" + file.path.substr(kData.size());
      SLUICE_RETURN_IF_ERROR(placer.Put(file, path, os::OpenMode::kCreateNew));
    } else if (file.path.starts_with(kKeys) && !there.contains(file.path)) {
      SLUICE_RETURN_IF_ERROR(placer.Put(file, key_path(file), os::OpenMode::kCreatePrivate));
    }
  }
  SLUICE_RETURN_IF_ERROR(placer.Sync());
  // On top of an empty folder, too.
  SLUICE_RETURN_IF_ERROR(disk.Rename(unfinished, installation.data));
  return disk.SyncDirectory(os::FolderOf(installation.data));
}

}  // namespace sluice::backup
