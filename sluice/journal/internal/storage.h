#pragma once
/// \file
/// The folder of a journal: its names, and the order of syncs that makes a change durable.

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "sluice/base/error.h"
#include "sluice/journal/internal/manifest.h"
#include "sluice/os/disk.h"

namespace sluice::journal::internal {

/// Returns the name of a segment: 20 digits.
std::string SegmentName(uint64_t id);
/// Returns the number in the name of a segment; nothing for other names.
std::optional<uint64_t> SegmentOfName(std::string_view name);

/// Thread-safe. Once a sync has failed, `broken()` stays true, and nothing more may be
/// acknowledged.
class Storage {
 public:
  /// `on_sync_failure` is called with the first failure of a sync; it need not return.
  Storage(os::Disk& disk, std::string folder, std::function<void(const Error&)> on_sync_failure);

  os::Disk& disk() const { return disk_; }
  const std::string& folder() const { return folder_; }
  std::string SegmentPath(uint64_t id) const { return folder_ + "/" + SegmentName(id); }

  /// Whether a process has the journal open. Holds its lock in `lock` if none has.
  Result<bool> InUse(std::unique_ptr<os::File>& lock);

  Status Sync(os::File& file);
  Status SyncFolder();
  bool broken() const { return broken_; }
  /// Says that what is on the disk can no longer be known.
  void Break(const Error& error);

  /// Says, durably, that segments from number `first` on are copies made by a repair. Until the
  /// manifest names them they are nothing.
  Status BeginRepair(uint64_t first);
  /// The number that a repair which did not come to its end said; nothing if there is none.
  Result<std::optional<uint64_t>> RepairBegun();
  /// Takes that back: they count, or they are gone.
  Status EndRepair();

  /// Nothing: there is none, and there are no segments either.
  Result<std::optional<Manifest>> LoadManifest();
  /// Replaces the manifest durably. When it fails and broken() is false, the old one is in place,
  /// as far as the disk says; what either of the two names must stay.
  Status StoreManifest(const Manifest& manifest);
  /// The same in two steps. After a failure of the first one the old manifest is in place, for
  /// sure.
  Status WriteManifest(const Manifest& manifest);
  Status PutManifest();

  /// Makes a segment of `bytes` zeros behind its header, durably.
  /// kUnavailable: the disk is full or failed; nothing is left of it.
  Result<std::unique_ptr<os::File>> CreateSegment(const SegmentKey& key, std::string_view uuid,
                                                  uint64_t bytes);
  /// Begins a segment that no one knows of: under its own name only after NameCarried(). There is
  /// one at a time.
  Result<std::unique_ptr<os::File>> CreateCarried(const SegmentKey& key, std::string_view uuid);
  /// Gives it its name, durably. Its bytes must be durable.
  Status NameCarried(uint64_t id);
  /// Removes what was begun, if it is still there; its space is all that it takes.
  void RemoveCarried();
  /// Returns the numbers of all segment files, listed in the manifest or not.
  Result<std::vector<uint64_t>> ListSegments();
  /// Removes segment files, durably; fine if they do not exist.
  Status RemoveSegments(const std::vector<uint64_t>& ids);

 private:
  os::Disk& disk_;
  const std::string folder_;
  const std::function<void(const Error&)> on_sync_failure_;
  std::atomic<bool> broken_ = false;
};

}  // namespace sluice::journal::internal
