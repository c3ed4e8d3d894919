#pragma once
/// \file
/// A store whose objects have times, which the simulated disk does not give its files.

#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "sluice/os/clock.h"
#include "sluice/store/object_store.h"

namespace sluice::sim {

/// When objects were written, by the clock of then, which may have been years off. It outlives the
/// process.
using ObjectTimes = std::map<std::string, os::Timestamp, std::less<>>;

/// Passes every call on to another store, and says when objects were written. Those of others, which
/// it did not see, are as old as its first look at them.
///
/// Not thread-safe.
class DatedStore final : public store::ObjectStore {
 public:
  /// All must outlive this one.
  DatedStore(store::ObjectStore& store, const os::Clock& clock, ObjectTimes& times)
      : store_(store), clock_(clock), times_(times) {}

  /// From now on nothing is deleted: the process has ended, and only its destructors still run.
  void End() { ended_ = true; }

  Result<std::string> Get(std::string_view path) override { return store_.Get(path); }
  Result<std::string> GetRange(std::string_view path, uint64_t offset, uint64_t size) override {
    return store_.GetRange(path, offset, size);
  }
  Result<store::ObjectInfo> Head(std::string_view path) override {
    auto info = store_.Head(path);
    if (info.ok()) Date(*info);
    return info;
  }
  Status Put(std::string_view path, std::string_view bytes) override {
    Note(path);
    return store_.Put(path, bytes);
  }
  Result<std::unique_ptr<store::ObjectWriter>> StartPut(std::string_view path) override {
    Note(path);  // Earlier than a disk would say: all the less may hang on it.
    return store_.StartPut(path);
  }
  Status PutIfAbsent(std::string_view path, std::string_view bytes) override {
    times_.try_emplace(std::string(path), clock_.Now());
    return store_.PutIfAbsent(path, bytes);
  }
  Result<std::vector<store::ObjectInfo>> List(std::string_view prefix,
                                              std::string_view after = {}) override {
    auto objects = store_.List(prefix, after);
    if (objects.ok()) {
      for (store::ObjectInfo& object : *objects) Date(object);
    }
    return objects;
  }
  Status Delete(std::string_view path) override {
    if (ended_) return Unavailable("the process has ended");
    return store_.Delete(path);
  }
  Status SyncFolder(std::string_view folder) override { return store_.SyncFolder(folder); }
  std::string Location(std::string_view path) const override { return store_.Location(path); }

 private:
  void Note(std::string_view path) { times_.insert_or_assign(std::string(path), clock_.Now()); }
  void Date(store::ObjectInfo& object) {
    object.modified = times_.try_emplace(object.path, clock_.Now()).first->second;
  }

  store::ObjectStore& store_;
  const os::Clock& clock_;
  ObjectTimes& times_;
  bool ended_ = false;
};

}  // namespace sluice::sim
