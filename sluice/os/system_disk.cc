// SystemDisk: the calls of the kernel, with their errors turned into what a caller can do.

#include <dirent.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <limits>

#include "sluice/os/descriptor.h"
#include "sluice/os/disk.h"

namespace sluice::os {

namespace {

// The kernel takes at most 1024 pieces (IOV_MAX) and 2 GiB in one call.
constexpr size_t kPiecesPerCall = 1024;

// With fewer files left to be made a disk counts as full: landing needs some, to make room.
constexpr fsfilcnt_t kFreeFilesMin = 64;

/// What the caller can do about `number`, an errno.
ErrorCode CodeOf(int number) {
  switch (number) {
    case ENOENT:
    case ENOTDIR:
      return ErrorCode::kNotFound;
    case EEXIST:
    case EWOULDBLOCK:
      return ErrorCode::kConflict;
    case EACCES:
    case EPERM:
    case EROFS:
      return ErrorCode::kDenied;
    case EINVAL:
    case EISDIR:
    case ENAMETOOLONG:
    case ELOOP:
      return ErrorCode::kInvalid;
    case EOPNOTSUPP:
    case ENOSYS:
      return ErrorCode::kUnsupported;
    case ENOSPC:
    case EDQUOT:
    case EFBIG:  // Of a limit on the size of files; files of ours are never that large themselves.
    default:     // EMFILE, ENFILE, EIO, ENOMEM, EBUSY, ...
      return ErrorCode::kUnavailable;
  }
}

Error SystemError(int number, std::string_view what, std::string_view path) {
  std::array<char, 128> text{};
  // The GNU variant returns the message, which may or may not lie in the buffer.
  const std::string_view message = ::strerror_r(number, text.data(), text.size());
  return Error::Of(CodeOf(number), "cannot {} '{}': {}", what, path, message);
}

template <typename Call>
auto Retried(Call call) {
  auto result = call();
  while (result == -1 && errno == EINTR) result = call();
  return result;
}

int OpenRetried(const std::string& path, int flags, mode_t access = 0640) {
  return Retried([&] { return ::open(path.c_str(), flags | O_CLOEXEC, access); });
}

class SystemFile final : public File {
 public:
  SystemFile(int descriptor, std::string path) : descriptor_(descriptor), path_(std::move(path)) {}

  Result<size_t> Read(uint64_t offset, std::span<std::byte> into) override {
    size_t done = 0;
    while (done < into.size()) {
      const ssize_t got = Retried([&] {
        return ::pread(descriptor_.number(), into.data() + done, into.size() - done,
                       static_cast<off_t>(offset + done));
      });
      if (got < 0) return SystemError(errno, "read", path_);
      if (got == 0) break;
      done += static_cast<size_t>(got);
    }
    return done;
  }

  Status Write(uint64_t offset, std::span<const std::span<const std::byte>> pieces) override {
    std::array<iovec, kPiecesPerCall> vectors;
    size_t skip = 0;  // Bytes of pieces.front() that are written.
    while (!pieces.empty()) {
      if (skip == pieces.front().size()) {  // Also steps over empty pieces.
        pieces = pieces.subspan(1);
        skip = 0;
        continue;
      }
      const size_t count = std::min(pieces.size(), vectors.size());
      for (size_t i = 0; i < count; ++i) {
        const std::span<const std::byte> piece = i == 0 ? pieces[i].subspan(skip) : pieces[i];
        vectors[i] = {const_cast<std::byte*>(piece.data()), piece.size()};
      }
      const ssize_t written = Retried([&] {
        return ::pwritev(descriptor_.number(), vectors.data(), static_cast<int>(count),
                         static_cast<off_t>(offset));
      });
      if (written < 0) return SystemError(errno, "write", path_);
      if (written == 0) return SystemError(ENOSPC, "write", path_);
      offset += static_cast<uint64_t>(written);
      size_t rest = static_cast<size_t>(written);
      while (rest > 0) {
        const size_t step = std::min(rest, pieces.front().size() - skip);
        rest -= step;
        skip += step;
        if (skip == pieces.front().size()) {
          pieces = pieces.subspan(1);
          skip = 0;
        }
      }
    }
    return {};
  }

  Status Sync() override {
    // No retry, not even here: after EIO a second call may succeed with the data gone.
    if (Retried([&] { return ::fdatasync(descriptor_.number()); }) != 0) {
      return SystemError(errno, "sync", path_);
    }
    return {};
  }

  Result<uint64_t> Size() override {
    struct stat info{};
    if (::fstat(descriptor_.number(), &info) != 0) return SystemError(errno, "stat", path_);
    return static_cast<uint64_t>(info.st_size);
  }

  Result<Timestamp> Modified() override {
    struct stat info{};
    if (::fstat(descriptor_.number(), &info) != 0) return SystemError(errno, "stat", path_);
    return Timestamp(std::chrono::seconds(info.st_mtim.tv_sec) +
                     std::chrono::microseconds(info.st_mtim.tv_nsec / 1000));
  }

  Status Truncate(uint64_t size) override {
    if (Retried([&] { return ::ftruncate(descriptor_.number(), static_cast<off_t>(size)); }) != 0) {
      return SystemError(errno, "truncate", path_);
    }
    return {};
  }

  Status Allocate(uint64_t size) override {
    if (size == 0) return {};
    SLUICE_ASSIGN_OR_RETURN(const uint64_t old_size, Size());
    const int failed =
        Retried([&] { return ::fallocate(descriptor_.number(), 0, 0, static_cast<off_t>(size)); });
    if (failed == 0) return {};
    if (errno != EOPNOTSUPP) return SystemError(errno, "allocate", path_);
    // This file system cannot reserve: long files are all that can be had.
    return old_size < size ? Truncate(size) : Status();
  }

  void DropCache() override {
    // Only clean pages can be dropped.
    ::fdatasync(descriptor_.number());
    ::posix_fadvise(descriptor_.number(), 0, 0, POSIX_FADV_DONTNEED);
  }

 private:
  const Descriptor descriptor_;
  const std::string path_;
};

}  // namespace

Result<std::unique_ptr<File>> SystemDisk::Open(std::string_view path, OpenMode mode) {
  std::string name(path);
  const int flags = mode == OpenMode::kRead          ? O_RDONLY
                    : mode == OpenMode::kWrite       ? O_RDWR
                    : mode == OpenMode::kWriteDirect ? O_RDWR | O_DIRECT | O_DSYNC
                                                     : O_RDWR | O_CREAT | O_EXCL;
  const int descriptor = OpenRetried(name, flags, mode == OpenMode::kCreatePrivate ? 0600 : 0640);
  if (descriptor < 0) {
    if (mode == OpenMode::kWriteDirect && errno == EINVAL) {
      return Unsupported("'{}': the file system has no writes around the page cache", path);
    }
    return SystemError(errno, (flags & O_CREAT) != 0 ? "create" : "open", path);
  }
  return std::unique_ptr<File>(std::make_unique<SystemFile>(descriptor, std::move(name)));
}

Status SystemDisk::Rename(std::string_view from, std::string_view to) {
  if (::rename(std::string(from).c_str(), std::string(to).c_str()) != 0) {
    return SystemError(errno, "rename", from);
  }
  return {};
}

Status SystemDisk::RenameNoReplace(std::string_view from, std::string_view to) {
  const std::string source(from);
  const std::string target(to);
  if (::renameat2(AT_FDCWD, source.c_str(), AT_FDCWD, target.c_str(), RENAME_NOREPLACE) == 0) {
    return {};
  }
  if (errno == EEXIST) return Conflict("'{}' exists", to);
  if (errno != EINVAL && errno != ENOSYS) return SystemError(errno, "rename", from);
  // File systems without the flag have hard links, which also refuse a name that is taken.
  if (::link(source.c_str(), target.c_str()) != 0) {
    if (errno == EEXIST) return Conflict("'{}' exists", to);
    return SystemError(errno, "rename", from);
  }
  if (::unlink(source.c_str()) != 0) return SystemError(errno, "remove", from);
  return {};
}

Status SystemDisk::Remove(std::string_view path) {
  if (::unlink(std::string(path).c_str()) != 0) return SystemError(errno, "remove", path);
  return {};
}

Result<std::vector<std::string>> SystemDisk::List(std::string_view folder) {
  std::vector<std::string> names;
  DIR* const stream = ::opendir(std::string(folder).c_str());
  if (stream == nullptr) {
    if (errno == ENOENT) return names;
    return SystemError(errno, "list", folder);
  }
  const std::unique_ptr<DIR, int (*)(DIR*)> closer(stream, ::closedir);
  while (true) {
    errno = 0;
    const dirent* const entry = ::readdir(stream);
    if (entry == nullptr) {
      if (errno != 0) return SystemError(errno, "list", folder);
      break;
    }
    std::string name(entry->d_name);
    if (name == "." || name == "..") continue;
    bool is_folder = entry->d_type == DT_DIR;
    if (entry->d_type == DT_UNKNOWN) {
      struct stat info{};
      is_folder = ::fstatat(::dirfd(stream), name.c_str(), &info, AT_SYMLINK_NOFOLLOW) == 0 &&
                  S_ISDIR(info.st_mode);
    }
    if (is_folder) name += '/';
    names.push_back(std::move(name));
  }
  std::sort(names.begin(), names.end());
  return names;
}

Status SystemDisk::MakeFolder(std::string_view folder) {
  if (::mkdir(std::string(folder).c_str(), 0750) != 0) {
    return SystemError(errno, "make folder", folder);
  }
  return {};
}

Result<bool> SystemDisk::FolderExists(std::string_view folder) {
  struct stat info{};
  if (::stat(std::string(folder).c_str(), &info) == 0) {
    if (S_ISDIR(info.st_mode)) return true;
    return Conflict("'{}' is a file, not a folder", folder);
  }
  if (errno == ENOENT) return false;
  return SystemError(errno, "make folder", folder);
}

bool SystemDisk::CanMakeIn(std::string_view folder) {
  return ::access(std::string(folder).c_str(), W_OK | X_OK) == 0;
}

Status SystemDisk::SyncDirectory(std::string_view folder) {
  const Descriptor descriptor(OpenRetried(std::string(folder), O_RDONLY | O_DIRECTORY));
  if (descriptor.number() < 0) return SystemError(errno, "open folder", folder);
  if (Retried([&] { return ::fsync(descriptor.number()); }) != 0) {
    return SystemError(errno, "sync folder", folder);
  }
  return {};
}

Result<bool> SystemDisk::Exists(std::string_view path) {
  struct stat info{};
  if (::stat(std::string(path).c_str(), &info) == 0) return true;
  if (errno == ENOENT || errno == ENOTDIR) return false;
  return SystemError(errno, "stat", path);
}

Result<bool> SystemDisk::IsPrivate(std::string_view path) {
  struct stat info{};
  if (::stat(std::string(path).c_str(), &info) != 0) return SystemError(errno, "stat", path);
  return (info.st_mode & 0077) == 0;
}

Result<uint64_t> SystemDisk::FreeBytes(std::string_view path) {
  struct statvfs info{};
  if (::statvfs(std::string(path).c_str(), &info) != 0) return SystemError(errno, "stat", path);
  // Free blocks are of no use without a file to put them in. Zero files in all: no fixed number.
  if (info.f_files > 0 && info.f_favail < kFreeFilesMin) return 0;
  return static_cast<uint64_t>(info.f_bavail) * static_cast<uint64_t>(info.f_frsize);
}

Result<std::unique_ptr<File>> SystemDisk::Lock(std::string_view path) {
  std::string name(path);
  const int descriptor = OpenRetried(name, O_RDWR | O_CREAT);
  if (descriptor < 0) return SystemError(errno, "open", path);
  auto file = std::make_unique<SystemFile>(descriptor, std::move(name));
  // Of the open file, not of the process: a second call in this process is refused too.
  if (Retried([&] { return ::flock(descriptor, LOCK_EX | LOCK_NB); }) != 0) {
    if (errno == EWOULDBLOCK) return Conflict("'{}' is locked by another process", path);
    return SystemError(errno, "lock", path);
  }
  return std::unique_ptr<File>(std::move(file));
}

}  // namespace sluice::os
