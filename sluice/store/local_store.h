#pragma once
/// \file
/// Objects as files of one folder.

#include <atomic>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "sluice/os/disk.h"
#include "sluice/store/object_store.h"

namespace sluice::store {

/// A store on a local disk: object `a/b` is the file `<root>/a/b`.
///
/// A put writes a hidden file `.b.<n>.tmp` beside the target, syncs it, gives it its name and syncs
/// the folder; such files left by a crash are never listed. Put-if-absent is as atomic as the file
/// system's rename, so other processes may write to the same folder.
///
/// When the sync of a folder fails nobody can know whether a name in it survives a power loss, and
/// who reads it back would see it all the same. So the process ends, as it does for the journal.
///
/// Thread-safe.
class LocalStore final : public ObjectStore {
 public:
  /// `root` is absolute, and is made when first written to. `disk` must outlive the store.
  /// `on_sync_failure` is called instead of aborting, which is what an empty one does; if it
  /// returns, the put fails with kUnavailable. For simulations of a power loss.
  LocalStore(os::Disk& disk, std::string root,
             std::function<void(const Error&)> on_sync_failure = {});

  Result<std::string> Get(std::string_view path) override;
  Result<std::string> GetRange(std::string_view path, uint64_t offset, uint64_t size) override;
  Result<ObjectInfo> Head(std::string_view path) override;
  Status Put(std::string_view path, std::string_view bytes) override;
  /// Has a file open from the first MiB on.
  Result<std::unique_ptr<ObjectWriter>> StartPut(std::string_view path) override;
  Status PutIfAbsent(std::string_view path, std::string_view bytes) override;
  Result<std::vector<ObjectInfo>> List(std::string_view prefix,
                                       std::string_view after = {}) override;
  Status Delete(std::string_view path) override;
  /// Syncs each of their folders once.
  Status DeleteAll(std::span<const std::string> paths) override;
  /// Also of the folder itself and those above it.
  Status SyncFolder(std::string_view folder) override;
  std::string Location(std::string_view path) const override;

  /// Deletes hidden files that writers who died left behind, if they were last written to before
  /// `before`, which must be longer ago than any put takes; returns how many.
  Result<int64_t> RemoveUnfinished(os::Timestamp before);

 private:
  enum class IfExists { kReplace, kRefuse };
  class Temporary;
  class Writer;

  Status CheckFile(std::string_view path) const;
  Status Write(std::string_view path, std::string_view bytes, IfExists if_exists);
  Status RemoveUnfinishedIn(const std::string& folder, os::Timestamp before, int64_t& removed);
  Status ListFolder(const std::string& folder, std::string_view prefix, std::string_view after,
                    std::vector<ObjectInfo>& found);

  os::Disk& disk_;
  const std::string root_;
  const std::function<void(const Error&)> on_sync_failure_;
  std::atomic<uint64_t> next_temporary_{0};
};

}  // namespace sluice::store
