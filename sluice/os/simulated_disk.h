#pragma once
/// \file
/// A disk in memory that can lose its power, for tests of what is kept.

#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <random>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "sluice/os/disk.h"

namespace sluice::os {

/// What a fault is injected into.
enum class DiskCall : uint8_t {
  kOpen,
  kRead,
  kWrite,
  kSync,
  kTruncate,
  kAllocate,
  kRename,
  kRemove,
  kMakeFolder,
  kSyncDirectory,
};

/// Files in memory, with what is durable kept apart from what is only written.
///
/// A file is sectors of 512 bytes and a size; a folder is names of files and folders. Each has a
/// state that calls see and one that a power loss leaves. Crash() keeps any subset of the unsynced
/// sectors, sizes and names, the last or the last but one state of a sector, and may leave zeros or
/// garbage where one was being written; what lies in a folder whose name is lost is lost with it,
/// and so are names that were not synced before their folder was renamed.
/// The same calls and seed give the same bytes.
///
/// Thread-safe. Files must not outlive the disk.
class SimulatedDisk final : public Disk {
 public:
  static constexpr size_t kSectorBytes = 512;

  SimulatedDisk();
  ~SimulatedDisk() override;

  Result<std::unique_ptr<File>> Open(std::string_view path, OpenMode mode) override;
  Status Rename(std::string_view from, std::string_view to) override;
  Status RenameNoReplace(std::string_view from, std::string_view to) override;
  Status Remove(std::string_view path) override;
  Result<std::vector<std::string>> List(std::string_view folder) override;
  Status SyncDirectory(std::string_view folder) override;
  Result<bool> Exists(std::string_view path) override;
  Result<uint64_t> FreeBytes(std::string_view path) override;
  Result<std::unique_ptr<File>> Lock(std::string_view path) override;

  /// Lets calls of this kind fail with kUnavailable, `times` in a row after the next `skip` ones. A
  /// failed write has written some of its bytes; what a failed sync should have kept is lost, yet
  /// reads show it until DropCache(), as with a real kernel. Names that a failed sync of a folder
  /// should have kept are not made durable by a later one either, until Restart().
  void Fail(DiskCall call, uint64_t skip = 0, uint64_t times = 1);
  /// Lets each read of that byte fail with kUnavailable, as of a sector that the device cannot
  /// read.
  void FailReads(std::string_view path, uint64_t offset);
  /// Forgets what Fail(), FailReads() and CutPowerAfter() have asked for and what has not happened
  /// yet.
  void ClearFaults();
  /// Sets how many bytes all files together may have; beyond, calls fail with kUnavailable.
  void SetCapacity(uint64_t bytes);

  /// Cuts the power when the next `calls` calls that change something have been made: the one after
  /// them takes effect in memory, but fails, as do all that follow, until Crash() or Restart().
  void CutPowerAfter(uint64_t calls);
  bool powered() const;
  /// Number of calls so far that change something.
  uint64_t calls() const;

  /// Loses what is not durable, by `seed`, and comes back up. Files that are still open stay dead.
  void Crash(uint64_t seed);
  /// Comes back up with all that was written, as after the death of a process alone.
  void Restart();

  /// Bytes that all files together take.
  uint64_t UsedBytes() const;
  /// The content that calls see, whatever faults and power say; nothing if there is no such file.
  std::optional<std::string> Look(std::string_view path) const;

  /// How often calls of a kind failed as asked for.
  struct Fired {
    uint64_t faults = 0;        ///< By Fail().
    uint64_t power_losses = 0;  ///< The call at which the power went.
    uint64_t full = 0;          ///< By SetCapacity().
  };
  /// Returns the numbers since the last time, and begins anew.
  Fired TakeFired(DiskCall call);

  /// Inverts bits of a stored byte, durably.
  Status Damage(std::string_view path, uint64_t offset, uint8_t bits);

 protected:
  Status MakeFolder(std::string_view folder) override;
  Result<bool> FolderExists(std::string_view folder) override;
  bool CanMakeIn(std::string_view folder) override;

 private:
  friend class SimulatedFile;

  struct Inode {
    std::vector<std::byte> seen;     // What reads show; its size is the file's.
    std::vector<std::byte> durable;  // What a power loss leaves.
    // Sectors that were written since the last sync, each with what it held before it was written
    // again: that may have reached the disk as well. Empty: it was written once.
    std::map<size_t, std::vector<std::byte>> unsynced;
    std::optional<uint64_t> unreadable;  // A byte of which no read succeeds.
    bool locked = false;
  };
  using InodePtr = std::shared_ptr<Inode>;
  struct Names {
    std::map<std::string, InodePtr, std::less<>> files;
    std::set<std::string, std::less<>> folders;
    bool HasFolder(std::string_view path) const {
      return path == "." || path == "/" || folders.contains(path);
    }
    /// With all that lies in it.
    void MoveFolder(const std::string& from, const std::string& to);
  };

  // A change of names that SyncDirectory() has not covered.
  struct NameChange {
    std::string removed;  // Empty: none.
    std::string added;    // Empty: none.
    InodePtr inode;       // Null: what was added, or has another name, is a folder.
    bool failed = false;  // A sync that should have covered it failed.
  };

  struct Fault {
    uint64_t skip = 0;
    uint64_t times = 0;
  };

  // How far a call goes.
  enum class Outcome : uint8_t {
    kDone,
    kFault,    // Injected: takes part of its effect, and fails.
    kLastOne,  // The power goes: takes its effect in memory, and fails.
    kDead,     // No power.
  };

  // All need the mutex.
  Outcome Begin(DiskCall call, bool changes);
  bool DeadFile(uint64_t boot) const { return !powered_ || boot != boots_; }
  void Change(NameChange change);
  static void Apply(const NameChange& change, Names& names);
  uint64_t Used() const;
  Status Grow(DiskCall call, Inode& inode, uint64_t size);
  static void Touch(Inode& inode, uint64_t begin, uint64_t end);
  static void SyncInode(Inode& inode);
  static void CrashInode(Inode& inode, std::mt19937_64& engine);
  Status RenameTo(std::string_view from, std::string_view to);
  void Boot();

  mutable std::mutex mutex_;  // Guards what follows, and the inodes.
  Names names_;
  Names durable_names_;
  std::vector<NameChange> changes_;
  std::map<DiskCall, Fault> faults_;
  std::map<DiskCall, Fired> fired_;
  uint64_t capacity_ = UINT64_MAX;
  uint64_t calls_ = 0;
  std::optional<uint64_t> power_until_;
  bool powered_ = true;
  uint64_t boots_ = 0;  // Files of earlier ones are dead.
};

}  // namespace sluice::os
