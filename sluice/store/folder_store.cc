#include "sluice/store/folder_store.h"

namespace sluice::store {

std::string FolderStore::Full(std::string_view path) const {
  return folder_.empty() ? std::string(path) : fmt::format("{}/{}", folder_, path);
}

Result<std::string> FolderStore::Get(std::string_view path) { return store_.Get(Full(path)); }

Result<std::string> FolderStore::GetRange(std::string_view path, uint64_t offset, uint64_t size) {
  return store_.GetRange(Full(path), offset, size);
}

Result<ObjectInfo> FolderStore::Head(std::string_view path) {
  SLUICE_ASSIGN_OR_RETURN(ObjectInfo info, store_.Head(Full(path)));
  info.path = path;
  return info;
}

Status FolderStore::Put(std::string_view path, std::string_view bytes) {
  return store_.Put(Full(path), bytes);
}

Result<std::unique_ptr<ObjectWriter>> FolderStore::StartPut(std::string_view path) {
  return store_.StartPut(Full(path));
}

Status FolderStore::PutIfAbsent(std::string_view path, std::string_view bytes) {
  return store_.PutIfAbsent(Full(path), bytes);
}

Result<std::vector<ObjectInfo>> FolderStore::List(std::string_view prefix, std::string_view after) {
  SLUICE_ASSIGN_OR_RETURN(auto objects,
                          store_.List(Full(prefix), after.empty() ? std::string() : Full(after)));
  const size_t own = folder_.empty() ? 0 : folder_.size() + 1;
  for (ObjectInfo& object : objects) object.path.erase(0, own);
  return objects;
}

Status FolderStore::Delete(std::string_view path) { return store_.Delete(Full(path)); }

Status FolderStore::DeleteAll(std::span<const std::string> paths) {
  std::vector<std::string> full;
  for (const std::string& path : paths) full.push_back(Full(path));
  return store_.DeleteAll(full);
}

Status FolderStore::SyncFolder(std::string_view folder) {
  return store_.SyncFolder(folder.empty() ? std::string(folder_) : Full(folder));
}

std::string FolderStore::Location(std::string_view path) const {
  return store_.Location(path.empty() ? folder_ : Full(path));
}

}  // namespace sluice::store
