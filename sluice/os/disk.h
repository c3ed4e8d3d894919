#pragma once
/// \file
/// Files, as the rest of Sluice sees them: what is durable after which call is part of the
/// contract.

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "sluice/base/error.h"
#include "sluice/os/clock.h"

namespace sluice::os {

/// An open file. Reads and writes give their own offset, so threads may share it.
///
/// Thread-safe, as far as callers do not write the same bytes. Written bytes may be lost or torn by
/// a power loss until Sync() has returned.
class File {
 public:
  virtual ~File() = default;

  /// Reads up to `into.size()` bytes at `offset`; returns how many, fewer only at the end of the
  /// file.
  virtual Result<size_t> Read(uint64_t offset, std::span<std::byte> into) = 0;
  /// Writes all bytes of all `pieces`, one behind the other, at `offset`.
  /// kUnavailable: the disk is full or failed; some of the bytes may be written.
  virtual Status Write(uint64_t offset, std::span<const std::span<const std::byte>> pieces) = 0;
  /// Makes the bytes written so far, and the size needed to read them, survive a power loss.
  /// After an error the file must not be used further: the kernel may have dropped the bytes.
  virtual Status Sync() = 0;
  virtual Result<uint64_t> Size() = 0;
  /// When the bytes last changed; 1970 where the disk does not say.
  virtual Result<Timestamp> Modified() { return Timestamp{}; }
  /// Sets the size; bytes beyond the old one read as zero.
  virtual Status Truncate(uint64_t size) = 0;
  /// Reserves space for the first `size` bytes and makes the file that long, zero-filled.
  /// kUnavailable: the disk has no room.
  virtual Status Allocate(uint64_t size) = 0;
  /// Drops cached pages, so that the next read shows what the disk holds. Best effort.
  virtual void DropCache() = 0;
};

enum class OpenMode : uint8_t {
  kRead,       ///< Must exist.
  kWrite,      ///< Must exist; read and write.
  kCreateNew,  ///< Must not exist (else kConflict); read and write.
  /// As kCreateNew; nobody but its owner may read or write the file.
  kCreatePrivate,
  /// As kWrite, around the page cache: each write is durable when it returns. Offset, size and
  /// address of each piece are multiples of kDirectBytes. kUnsupported: the file system has none.
  kWriteDirect,
};

/// The largest block that a write around the page cache must keep to; devices have 512 or 4,096.
constexpr size_t kDirectBytes = 4096;

/// A tree of files. Paths are absolute or relative to the working directory, with '/'.
///
/// Thread-safe. A created, renamed or removed name survives a power loss only after SyncDirectory()
/// of its folder.
class Disk {
 public:
  virtual ~Disk() = default;

  virtual Result<std::unique_ptr<File>> Open(std::string_view path, OpenMode mode) = 0;
  /// Replaces `to` atomically, if it exists.
  virtual Status Rename(std::string_view from, std::string_view to) = 0;
  /// Gives the file a name that must be free. kConflict: `to` exists; nothing has changed.
  virtual Status RenameNoReplace(std::string_view from, std::string_view to) = 0;
  /// Removes a file. kNotFound: it does not exist.
  virtual Status Remove(std::string_view path) = 0;
  /// Returns the names in a folder, sorted, folders with a final '/'; empty if there is no such
  /// folder.
  virtual Result<std::vector<std::string>> List(std::string_view folder) = 0;
  /// Makes the folder and its parents; fine if it exists. Their names are durable then, also those
  /// that a process made which died before it could sync them.
  ///
  /// Calls `on_sync_failure`, if given, when a sync fails. What lies in that folder cannot be known
  /// then: kUnavailable, for the folders in it, for as long as the disk object lives.
  Status MakeFolders(std::string_view folder,
                     const std::function<void(const Error&)>& on_sync_failure = {});
  virtual Status SyncDirectory(std::string_view folder) = 0;
  virtual Result<bool> Exists(std::string_view path) = 0;
  /// Whether nobody but its owner may read or write the file. True on disks without owners.
  virtual Result<bool> IsPrivate(std::string_view path);
  /// Bytes that ordinary users may still write on the device of `path`.
  virtual Result<uint64_t> FreeBytes(std::string_view path) = 0;
  /// Takes an exclusive lock on the file `path`, made if need be; it lasts as long as the returned
  /// object. kConflict: another process (or another call) holds it.
  virtual Result<std::unique_ptr<File>> Lock(std::string_view path) = 0;

 protected:
  /// Makes a folder in one that exists. kConflict: the name is taken.
  virtual Status MakeFolder(std::string_view folder) = 0;
  /// kConflict: it is a file.
  virtual Result<bool> FolderExists(std::string_view folder) = 0;
  /// Whether this process could have made something in the folder.
  virtual bool CanMakeIn(std::string_view folder) = 0;
  /// Forgets which folders are durable, as a new process does.
  void ForgetFolders();

 private:
  std::mutex folders_mutex_;  // Guards what follows.
  std::set<std::string, std::less<>> durable_folders_;
  std::set<std::string, std::less<>> failed_folders_;  // Whose sync failed.
};

/// The machine's files.
class SystemDisk final : public Disk {
 public:
  Result<std::unique_ptr<File>> Open(std::string_view path, OpenMode mode) override;
  Status Rename(std::string_view from, std::string_view to) override;
  Status RenameNoReplace(std::string_view from, std::string_view to) override;
  Status Remove(std::string_view path) override;
  Result<std::vector<std::string>> List(std::string_view folder) override;
  Status SyncDirectory(std::string_view folder) override;
  Result<bool> Exists(std::string_view path) override;
  Result<bool> IsPrivate(std::string_view path) override;
  Result<uint64_t> FreeBytes(std::string_view path) override;
  Result<std::unique_ptr<File>> Lock(std::string_view path) override;

 protected:
  Status MakeFolder(std::string_view folder) override;
  Result<bool> FolderExists(std::string_view folder) override;
  bool CanMakeIn(std::string_view folder) override;
};

/// Reads a whole file. kInvalid: it is larger than `bytes_max`.
Result<std::string> ReadFile(Disk& disk, std::string_view path, uint64_t bytes_max);

/// Puts `bytes` under `path` so that after a power loss the old or the new content is there, whole.
Status ReplaceFile(Disk& disk, std::string_view path, std::string_view bytes);
/// The same for a file that nobody but its owner may read.
Status ReplacePrivateFile(Disk& disk, std::string_view path, std::string_view bytes);

/// Returns the part before the last '/', "." if there is none.
std::string_view FolderOf(std::string_view path);

}  // namespace sluice::os
