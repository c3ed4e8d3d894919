#pragma once
/// \file
/// A folder of another store, as a store of its own.

#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "sluice/store/object_store.h"

namespace sluice::store {

/// Object `a/b` is `<folder>/a/b` of another store.
///
/// Thread-safe.
class FolderStore final : public ObjectStore {
 public:
  /// `store` must outlive this one. An empty `folder` is all of it.
  FolderStore(ObjectStore& store, std::string folder) : store_(store), folder_(std::move(folder)) {}

  Result<std::string> Get(std::string_view path) override;
  Result<std::string> GetRange(std::string_view path, uint64_t offset, uint64_t size) override;
  Result<ObjectInfo> Head(std::string_view path) override;
  Status Put(std::string_view path, std::string_view bytes) override;
  Result<std::unique_ptr<ObjectWriter>> StartPut(std::string_view path) override;
  Status PutIfAbsent(std::string_view path, std::string_view bytes) override;
  Result<std::vector<ObjectInfo>> List(std::string_view prefix,
                                       std::string_view after = {}) override;
  Status Delete(std::string_view path) override;
  Status DeleteAll(std::span<const std::string> paths) override;
  Status SyncFolder(std::string_view folder) override;
  bool is_remote() const override { return store_.is_remote(); }
  std::string Location(std::string_view path) const override;

 private:
  std::string Full(std::string_view path) const;

  ObjectStore& store_;
  const std::string folder_;
};

}  // namespace sluice::store
