#pragma once
/// \file
/// A remote store whose data files are also kept on this machine, for programs that read files.

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "sluice/os/clock.h"
#include "sluice/store/object_store.h"

namespace sluice::store {

/// Passes everything on to `remote`; of objects that never change (all but those of a `_delta_log`)
/// a copy is kept in `local` when they are put or fetched, and found at Location().
///
/// Where a new one does not fit, those make room that nobody asked for longest, but none that
/// somebody asked for within `kInUse`: a query may be about to read it, and runs no longer.
///
/// Thread-safe. Holds no lock over I/O.
class CachedStore final : public ObjectStore {
 public:
  static constexpr std::chrono::minutes kInUse{15};

  /// Finds what `local` has of an earlier run, which counts, and deletes what of it does not fit.
  /// All must outlive the store; nobody else writes to `local`.
  static Result<std::unique_ptr<CachedStore>> Open(ObjectStore& remote, ObjectStore& local,
                                                   uint64_t bytes_max, const os::Clock& clock);

  Result<std::string> Get(std::string_view path) override;
  Result<std::string> GetRange(std::string_view path, uint64_t offset, uint64_t size) override;
  Result<ObjectInfo> Head(std::string_view path) override { return remote_.Head(path); }
  Status Put(std::string_view path, std::string_view bytes) override;
  /// The copy takes its room as it grows; one that does not fit is not kept.
  Result<std::unique_ptr<ObjectWriter>> StartPut(std::string_view path) override;
  Status PutIfAbsent(std::string_view path, std::string_view bytes) override {
    return remote_.PutIfAbsent(path, bytes);
  }
  Result<std::vector<ObjectInfo>> List(std::string_view prefix,
                                       std::string_view after = {}) override {
    return remote_.List(prefix, after);
  }
  Status Delete(std::string_view path) override;
  Status DeleteAll(std::span<const std::string> paths) override;
  Status SyncFolder(std::string_view folder) override { return remote_.SyncFolder(folder); }
  bool is_remote() const override { return remote_.is_remote(); }
  std::string Location(std::string_view path) const override { return local_.Location(path); }
  /// kUnavailable: the cache is full of what is in use. kNotFound: an object is gone.
  Status MakeLocal(std::span<const std::string> paths) override;

 private:
  class Writer;

  CachedStore(ObjectStore& remote, ObjectStore& local, uint64_t bytes_max, const os::Clock& clock)
      : remote_(remote), local_(local), bytes_max_(bytes_max), clock_(clock) {}

  Status CountKept();
  Status Fetch(const std::string& path);
  /// Whether a copy was kept.
  bool Keep(std::string_view path, std::string_view bytes);
  Status Forget(std::string_view path);
  /// Whether there is a copy, which then counts as asked for.
  bool Use(std::string_view path);
  /// Waits until no copy of the object is being deleted, which would take a new one with it; then
  /// whether there is none.
  bool HasNone(std::string_view path);
  /// Counts `bytes` as taken, for which other copies may have to go. False: they do not fit.
  bool TakeRoom(uint64_t bytes);
  void GiveRoomBack(uint64_t bytes);
  /// Counts a copy, whose room is taken, as kept.
  void Add(std::string_view path, uint64_t bytes);
  /// Takes copies out of the count until `bytes` fit, and returns them; none if that cannot be. The
  /// mutex must be held.
  std::vector<std::string> MakeRoom(uint64_t bytes);

  ObjectStore& remote_;
  ObjectStore& local_;
  const uint64_t bytes_max_;
  const os::Clock& clock_;
  struct Copy {
    uint64_t size = 0;
    std::optional<os::Monotonic> used = {};  // When somebody last asked for it.
  };
  std::mutex mutex_;  // Guards what follows.
  std::condition_variable left_;
  std::map<std::string, Copy, std::less<>> kept_;
  std::set<std::string, std::less<>> leaving_;  // Being deleted.
  uint64_t bytes_ = 0;
};

}  // namespace sluice::store
