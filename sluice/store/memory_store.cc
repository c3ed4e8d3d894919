#include "sluice/store/memory_store.h"

#include <algorithm>

namespace sluice::store {

Result<std::string> MemoryStore::Get(std::string_view path) {
  SLUICE_RETURN_IF_ERROR(CheckPath(path));
  const std::lock_guard lock(mutex_);
  const auto found = objects_.find(path);
  if (found == objects_.end()) return NotFound("there is no object '{}'", path);
  return found->second.bytes;
}

Result<std::string> MemoryStore::GetRange(std::string_view path, uint64_t offset, uint64_t size) {
  SLUICE_RETURN_IF_ERROR(CheckPath(path));
  const std::lock_guard lock(mutex_);
  const auto found = objects_.find(path);
  if (found == objects_.end()) return NotFound("there is no object '{}'", path);
  const std::string& bytes = found->second.bytes;
  if (offset > bytes.size()) {
    return Invalid("'{}' has {} bytes; there is nothing at {}", path, bytes.size(), offset);
  }
  return bytes.substr(offset, size);
}

Result<ObjectInfo> MemoryStore::Head(std::string_view path) {
  SLUICE_RETURN_IF_ERROR(CheckPath(path));
  const std::lock_guard lock(mutex_);
  const auto found = objects_.find(path);
  if (found == objects_.end()) return NotFound("there is no object '{}'", path);
  return ObjectInfo{
      .path = found->first, .size = found->second.bytes.size(), .modified = found->second.modified};
}

Status MemoryStore::Put(std::string_view path, std::string_view bytes) {
  SLUICE_RETURN_IF_ERROR(CheckPath(path));
  const std::lock_guard lock(mutex_);
  objects_.insert_or_assign(std::string(path), Made(bytes));
  return {};
}

Status MemoryStore::PutIfAbsent(std::string_view path, std::string_view bytes) {
  SLUICE_RETURN_IF_ERROR(CheckPath(path));
  const std::lock_guard lock(mutex_);
  if (!objects_.try_emplace(std::string(path), Made(bytes)).second) {
    return Conflict("'{}' exists", path);
  }
  return {};
}

Result<std::vector<ObjectInfo>> MemoryStore::List(std::string_view prefix, std::string_view after) {
  std::vector<ObjectInfo> found;
  const std::lock_guard lock(mutex_);
  auto object = after < prefix ? objects_.lower_bound(prefix) : objects_.upper_bound(after);
  for (; object != objects_.end() && object->first.starts_with(prefix); ++object) {
    found.push_back({.path = object->first,
                     .size = object->second.bytes.size(),
                     .modified = object->second.modified});
  }
  return found;
}

Status MemoryStore::Delete(std::string_view path) {
  SLUICE_RETURN_IF_ERROR(CheckPath(path));
  const std::lock_guard lock(mutex_);
  if (const auto found = objects_.find(path); found != objects_.end()) objects_.erase(found);
  return {};
}

std::string MemoryStore::Location(std::string_view path) const {
  return fmt::format("memory:{}", path);
}

}  // namespace sluice::store
