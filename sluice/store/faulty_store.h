#pragma once
/// \file
/// A store that fails on purpose, for tests.

#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "sluice/store/object_store.h"

namespace sluice::store {

/// The end of an object that is written part by part is a kPut, each of its parts a kWritePart.
enum class StoreCall : uint8_t {
  kGet,
  kGetRange,
  kHead,
  kPut,
  kWritePart,
  kPutIfAbsent,
  kList,
  kDelete,
  kSyncFolder,
};

/// One reason to fail. The first that matches a call decides.
struct Fault {
  enum class When : uint8_t {
    kBefore,  ///< Nothing is done; kUnavailable.
    kAfter,   ///< It is done, but the answer is lost: kUnavailable.
  };
  StoreCall call = StoreCall::kPutIfAbsent;
  When when = When::kBefore;
  std::string path_part = {};  ///< Calls whose path has this part; "" means all.
  int skip = 0;                ///< So many matching calls work first.
  int times = 1;               ///< So many fail then.
};

/// Passes every call on to another store, but for those that were chosen to fail.
///
/// Thread-safe.
class FaultyStore final : public ObjectStore {
 public:
  /// `store` must outlive this one.
  explicit FaultyStore(ObjectStore& store) : store_(store) {}

  void Add(Fault fault);
  /// From here on it says that it is remote. Before others use it.
  void PretendRemote() { remote_ = true; }
  /// Forgets the faults added so far.
  void Clear();
  /// Calls `observer` before each call is passed on, without a lock: a place to let another writer
  /// win.
  void Observe(std::function<void(StoreCall, std::string_view path)> observer);
  /// Returns how many calls have failed on purpose.
  int failed() const;
  /// Returns how many of one kind have, in one way.
  int failed(StoreCall call, Fault::When when) const;

  Result<std::string> Get(std::string_view path) override;
  Result<std::string> GetRange(std::string_view path, uint64_t offset, uint64_t size) override;
  Result<ObjectInfo> Head(std::string_view path) override;
  Status Put(std::string_view path, std::string_view bytes) override;
  Result<std::unique_ptr<ObjectWriter>> StartPut(std::string_view path) override;
  Status PutIfAbsent(std::string_view path, std::string_view bytes) override;
  Result<std::vector<ObjectInfo>> List(std::string_view prefix,
                                       std::string_view after = {}) override;
  Status Delete(std::string_view path) override;
  Status SyncFolder(std::string_view folder) override;
  std::string Location(std::string_view path) const override;
  bool is_remote() const override { return remote_ || store_.is_remote(); }

 private:
  class Writer;

  template <typename Answer>
  Answer Pass(StoreCall call, std::string_view path, const std::function<Answer()>& run);
  std::optional<Fault::When> NextFault(StoreCall call, std::string_view path);

  ObjectStore& store_;
  bool remote_ = false;
  mutable std::mutex mutex_;  // Guards what follows.
  std::vector<Fault> faults_;
  std::function<void(StoreCall, std::string_view)> observer_;
  std::map<std::pair<StoreCall, Fault::When>, int> failed_;
};

}  // namespace sluice::store
