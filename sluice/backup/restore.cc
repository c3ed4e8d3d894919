#include "sluice/backup/restore.h"

#include <algorithm>
#include <set>
#include <string_view>
#include <utility>
#include <vector>

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

  /// Puts a file under a name that must be free, in one step, behind all that was put before: once
  /// it is there, so are they.
  Status PutWhole(const StoredFile& file, const std::string& path) {
    const std::string temporary = path + ".restoring";
    Status removed = disk_.Remove(temporary);  // Of a restore that was cut short.
    if (!removed.ok() && removed.error().code() != ErrorCode::kNotFound) return removed;
    SLUICE_RETURN_IF_ERROR(Put(file, temporary, os::OpenMode::kCreateNew));
    SLUICE_RETURN_IF_ERROR(Sync());
    return disk_.RenameNoReplace(temporary, path);
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

enum class Found : uint8_t { kNothing, kFolders, kFiles };

/// What is in a folder, and in those in it; but for what a file system has of itself.
Result<Found> LookInto(os::Disk& disk, const std::string& folder) {
  SLUICE_ASSIGN_OR_RETURN(const auto names, disk.List(folder));
  for (std::string name : names) {
    if (name == "lost+found/") continue;
    if (!name.ends_with('/')) return Found::kFiles;
    name.pop_back();
    SLUICE_ASSIGN_OR_RETURN(const Found inner, LookInto(disk, folder + "/" + name));
    if (inner == Found::kFiles) return Found::kFiles;
  }
  return names.empty() ? Found::kNothing : Found::kFolders;
}

/// Whether a file is there already, with the same bytes. kConflict: with others.
Result<bool> IsThere(os::Disk& disk, const std::string& source, const StoredFile& file,
                     const std::string& path) {
  SLUICE_ASSIGN_OR_RETURN(const bool exists, disk.Exists(path));
  if (!exists) return false;
  SLUICE_ASSIGN_OR_RETURN(const std::string ours, os::ReadFile(disk, path, kKeysBytesMax));
  SLUICE_ASSIGN_OR_RETURN(const std::string theirs,
                          os::ReadFile(disk, source + "/" + file.path, kKeysBytesMax));
  if (ours == theirs) return true;
  // Whichever of them is newer: a token that was revoked since the backup would be valid again.
  const bool is_key = file.path.starts_with(kKeys);
  return Conflict("'{}' is there, and another than in the backup; move it away first{}", path,
                  is_key ? ", and put it back afterwards if it is the newer one" : "");
}

}  // namespace

std::string UnfinishedFolder(const std::string& data) { return data + ".restoring"; }

std::string UnfinishedMark(const std::string& data) { return data + "/restoring"; }

Status Restore(os::Disk& disk, const std::string& source, const Contents& contents,
               const Installation& installation) {
  const std::string mark = UnfinishedMark(installation.data);
  SLUICE_ASSIGN_OR_RETURN(const bool marked, disk.Exists(mark));
  if (marked) {
    return Conflict(
        "'{}' has what a restore that was cut short has left; remove all that is in it first",
        installation.data);
  }
  SLUICE_ASSIGN_OR_RETURN(const Found found, LookInto(disk, installation.data));
  if (found == Found::kFiles) {
    return Conflict("'{}' is not empty; move it away first", installation.data);
  }
  if (contents.tables_at.empty() != installation.tables_at.empty()) {
    return Conflict(
        "the tables of the backup are {}, and by the project file that is there they are {}: see "
        "its storage.path",
        contents.tables_at.empty() ? "in it" : "at " + contents.tables_at,
        installation.tables_at.empty() ? "on this disk" : "at " + installation.tables_at);
  }
  // Where the folder must stay, or has others mounted in it, the data come into it as it is.
  const bool in_place = installation.data_stays || found == Found::kFolders;
  const std::string unfinished = in_place ? installation.data : UnfinishedFolder(installation.data);
  SLUICE_ASSIGN_OR_RETURN(const auto left, disk.List(UnfinishedFolder(installation.data)));
  if (!left.empty()) {
    return Conflict("'{}' is what a restore that was cut short has left; remove it first",
                    UnfinishedFolder(installation.data));
  }
  const std::string project_file = std::string(kProject) + "sluice.yaml";
  SLUICE_ASSIGN_OR_RETURN(const bool has_project,
                          disk.Exists(installation.folder + "/sluice.yaml"));
  // Everything but the data, each with the place that it goes to.
  std::vector<std::pair<const StoredFile*, std::string>> keys;
  std::vector<std::pair<const StoredFile*, std::string>> project;
  for (const StoredFile& file : contents.files) {
    const bool is_key = file.path.starts_with(kKeys);
    if (!is_key && (has_project || !file.path.starts_with(kProject))) continue;
    const std::string path = !is_key ? installation.folder + "/" + file.path.substr(kProject.size())
                                     : (file.path.ends_with("/tokens") ? installation.tokens_file
                                                                       : installation.key_file);
    SLUICE_ASSIGN_OR_RETURN(const bool same, IsThere(disk, source, file, path));
    if (!same) (is_key ? keys : project).emplace_back(&file, path);
  }
  std::ranges::stable_partition(project,
                                [&](const auto& file) { return file.first->path != project_file; });
  if (in_place) {
    SLUICE_RETURN_IF_ERROR(disk.MakeFolders(installation.data));
    SLUICE_RETURN_IF_ERROR(disk.Open(mark, os::OpenMode::kCreateNew).status());
    SLUICE_RETURN_IF_ERROR(disk.SyncDirectory(installation.data));
  }
  Placer placer(disk, source);
  for (const StoredFile& file : contents.files) {
    if (!file.path.starts_with(kData)) continue;
    const std::string path = unfinished + "/" + file.path.substr(kData.size());
    SLUICE_RETURN_IF_ERROR(placer.Put(file, path, os::OpenMode::kCreateNew));
  }
  for (const auto& [file, path] : keys) {
    SLUICE_RETURN_IF_ERROR(placer.Put(*file, path, os::OpenMode::kCreatePrivate));
  }
  for (const auto& [file, path] : project) {
    Status put = file->path == project_file ? placer.PutWhole(*file, path)
                                            : placer.Put(*file, path, os::OpenMode::kCreateNew);
    SLUICE_RETURN_IF_ERROR(put);
  }
  SLUICE_RETURN_IF_ERROR(placer.Sync());
  if (in_place) {
    SLUICE_RETURN_IF_ERROR(disk.Remove(mark));
    return disk.SyncDirectory(installation.data);
  }
  // On top of an empty folder, too.
  SLUICE_RETURN_IF_ERROR(disk.Rename(unfinished, installation.data));
  return disk.SyncDirectory(os::FolderOf(installation.data));
}

}  // namespace sluice::backup
