#pragma once
/// \file
/// Objects in memory, for tests.

#include <functional>
#include <map>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "sluice/store/object_store.h"

namespace sluice::store {

/// Thread-safe.
class MemoryStore final : public ObjectStore {
 public:
  /// Without a clock, which must outlive the store, it does not say when objects were written.
  explicit MemoryStore(const os::Clock* clock = nullptr) : clock_(clock) {}

  Result<std::string> Get(std::string_view path) override;
  Result<std::string> GetRange(std::string_view path, uint64_t offset, uint64_t size) override;
  Result<ObjectInfo> Head(std::string_view path) override;
  Status Put(std::string_view path, std::string_view bytes) override;
  Status PutIfAbsent(std::string_view path, std::string_view bytes) override;
  Result<std::vector<ObjectInfo>> List(std::string_view prefix,
                                       std::string_view after = {}) override;
  Status Delete(std::string_view path) override;
  std::string Location(std::string_view path) const override;

 private:
  struct Object {
    std::string bytes;
    os::Timestamp modified{};
  };

  Object Made(std::string_view bytes) const {
    return {.bytes = std::string(bytes),
            .modified = clock_ == nullptr ? os::Timestamp() : clock_->Now()};
  }

  const os::Clock* const clock_;
  std::mutex mutex_;  // Guards what follows.
  std::map<std::string, Object, std::less<>> objects_;
};

}  // namespace sluice::store
