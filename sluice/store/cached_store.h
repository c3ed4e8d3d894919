#pragma once
/// \file
/// A remote store whose data files are also kept on this machine, for programs that read files.

#include <cstdint>
#include <map>
#include <mutex>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "sluice/store/object_store.h"

namespace sluice::store {

/// Passes everything on to `remote`; of objects that never change (all but those of a `_delta_log`)
/// a copy is kept in `local` when they are put or fetched, and found at Location().
///
/// What is kept is never thrown out while the program runs: a query may be about to read it. When
/// more than half of `bytes_max` is taken at the start, all of it is.
///
/// Thread-safe.
class CachedStore final : public ObjectStore {
 public:
  /// Both must outlive this one; nobody else writes to `local`.
  CachedStore(ObjectStore& remote, ObjectStore& local, uint64_t bytes_max)
      : remote_(remote), local_(local), bytes_max_(bytes_max) {}

  /// Finds what is kept since an earlier run. Once, before all else.
  Status Open();

  Result<std::string> Get(std::string_view path) override;
  Result<std::string> GetRange(std::string_view path, uint64_t offset, uint64_t size) override;
  Result<ObjectInfo> Head(std::string_view path) override { return remote_.Head(path); }
  Status Put(std::string_view path, std::string_view bytes) override;
  Status PutIfAbsent(std::string_view path, std::string_view bytes) override {
    return remote_.PutIfAbsent(path, bytes);
  }
  Result<std::vector<ObjectInfo>> List(std::string_view prefix,
                                       std::string_view after = {}) override {
    return remote_.List(prefix, after);
  }
  Status Delete(std::string_view path) override;
  bool is_remote() const override { return remote_.is_remote(); }
  std::string Location(std::string_view path) const override { return local_.Location(path); }
  /// kUnavailable: the cache is full.
  Status MakeLocal(std::span<const std::string> paths) override;

 private:
  Status Fetch(const std::string& path);
  /// Whether a copy was kept.
  bool Keep(std::string_view path, std::string_view bytes);
  Status Forget(std::string_view path);
  bool IsKept(std::string_view path) const;

  ObjectStore& remote_;
  ObjectStore& local_;
  const uint64_t bytes_max_;
  mutable std::mutex mutex_;                           // Guards what follows.
  std::map<std::string, uint64_t, std::less<>> kept_;  // Sizes.
  uint64_t bytes_ = 0;
};

}  // namespace sluice::store
