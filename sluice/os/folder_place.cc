#include "sluice/os/folder_place.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <cerrno>

#include "sluice/os/disk.h"

namespace sluice::os {

bool IsMountOrLink(const std::string& folder) {
  struct stat info{};
  if (::lstat(folder.c_str(), &info) != 0) return false;
  if (S_ISLNK(info.st_mode)) return true;
  struct statx more{};
  // Also true of a folder of the same file system that is mounted there.
  if (::statx(AT_FDCWD, folder.c_str(), AT_SYMLINK_NOFOLLOW, 0, &more) == 0 &&
      (more.stx_attributes_mask & STATX_ATTR_MOUNT_ROOT) != 0) {
    return (more.stx_attributes & STATX_ATTR_MOUNT_ROOT) != 0;
  }
  struct stat around{};
  const std::string parent(FolderOf(folder));
  return ::stat(parent.c_str(), &around) == 0 && around.st_dev != info.st_dev;
}

Result<FileIdentity> IdentityOf(const std::string& path) {
  struct stat info{};
  if (::stat(path.c_str(), &info) != 0) {
    if (errno == ENOENT || errno == ENOTDIR) return NotFound("there is no '{}'", path);
    return Unavailable("'{}' cannot be looked at: error {}", path, errno);
  }
  return FileIdentity{.device = info.st_dev, .number = info.st_ino};
}

}  // namespace sluice::os
