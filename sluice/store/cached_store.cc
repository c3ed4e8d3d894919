#include "sluice/store/cached_store.h"

#include <algorithm>
#include <atomic>
#include <thread>

namespace sluice::store {

namespace {

constexpr size_t kFetchesAtOnce = 4;  // Files of up to 128 MiB each are in memory meanwhile.

bool NeverChanges(std::string_view path) {
  return path.find("/_delta_log/") == std::string_view::npos && !path.starts_with("_delta_log/");
}

}  // namespace

Status CachedStore::Open() {
  SLUICE_ASSIGN_OR_RETURN(const auto found, local_.List(""));
  uint64_t bytes = 0;
  for (const ObjectInfo& object : found) bytes += object.size;
  if (bytes > bytes_max_ / 2) {
    for (const ObjectInfo& object : found) SLUICE_RETURN_IF_ERROR(local_.Delete(object.path));
    return {};
  }
  const std::scoped_lock lock(mutex_);
  for (const ObjectInfo& object : found) kept_.emplace(object.path, object.size);
  bytes_ = bytes;
  return {};
}

bool CachedStore::IsKept(std::string_view path) const {
  const std::scoped_lock lock(mutex_);
  return kept_.contains(path);
}

bool CachedStore::Keep(std::string_view path, std::string_view bytes) {
  {
    const std::scoped_lock lock(mutex_);
    if (kept_.contains(path)) return true;
    if (bytes.size() > bytes_max_ - std::min(bytes_, bytes_max_)) return false;
    bytes_ += bytes.size();  // Taken before it is written, so that others do not take it, too.
  }
  const bool written = local_.Put(path, bytes).ok();
  const std::scoped_lock lock(mutex_);
  // Another thread may have fetched the same object meanwhile.
  if (!written || !kept_.emplace(path, bytes.size()).second) bytes_ -= bytes.size();
  return written;
}

Result<std::string> CachedStore::Get(std::string_view path) {
  if (IsKept(path)) {
    if (auto bytes = local_.Get(path); bytes.ok()) return bytes;
  }
  return remote_.Get(path);
}

Result<std::string> CachedStore::GetRange(std::string_view path, uint64_t offset, uint64_t size) {
  return IsKept(path) ? local_.GetRange(path, offset, size) : remote_.GetRange(path, offset, size);
}

Status CachedStore::Put(std::string_view path, std::string_view bytes) {
  SLUICE_RETURN_IF_ERROR(remote_.Put(path, bytes));
  SLUICE_RETURN_IF_ERROR(Forget(path));
  // Best effort: what is not kept is fetched when it is asked for.
  if (NeverChanges(path)) static_cast<void>(Keep(path, bytes));
  return {};
}

Status CachedStore::Delete(std::string_view path) {
  SLUICE_RETURN_IF_ERROR(remote_.Delete(path));
  return Forget(path);
}

Status CachedStore::Forget(std::string_view path) {
  if (!IsKept(path)) return {};
  SLUICE_RETURN_IF_ERROR(local_.Delete(path));
  const std::scoped_lock lock(mutex_);
  if (const auto kept = kept_.find(path); kept != kept_.end()) {
    bytes_ -= kept->second;
    kept_.erase(kept);
  }
  return {};
}

Status CachedStore::Fetch(const std::string& path) {
  SLUICE_ASSIGN_OR_RETURN(const std::string bytes, remote_.Get(path));
  if (Keep(path, bytes)) return {};
  return Unavailable("'{}' does not fit into the cache of {} bytes; raise storage.cache", path,
                     bytes_max_);
}

Status CachedStore::MakeLocal(std::span<const std::string> paths) {
  std::vector<const std::string*> missing;
  {
    const std::scoped_lock lock(mutex_);
    for (const std::string& path : paths) {
      if (!kept_.contains(path)) missing.push_back(&path);
    }
  }
  if (missing.empty()) return {};
  std::atomic<size_t> next = 0;
  std::mutex failed_mutex;
  Status failed;
  const auto fetch = [&] {
    for (size_t i = next++; i < missing.size(); i = next++) {
      const Status fetched = Fetch(*missing[i]);
      if (fetched.ok()) continue;
      next = missing.size();  // The others need not go on.
      const std::scoped_lock lock(failed_mutex);
      if (failed.ok()) failed = fetched;
    }
  };
  std::vector<std::jthread> others;
  for (size_t i = 1; i < std::min(kFetchesAtOnce, missing.size()); ++i) others.emplace_back(fetch);
  fetch();
  others.clear();
  return failed;
}

}  // namespace sluice::store
