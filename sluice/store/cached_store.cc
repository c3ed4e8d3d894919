#include "sluice/store/cached_store.h"

#include <algorithm>
#include <atomic>
#include <thread>
#include <utility>

namespace sluice::store {

namespace {

constexpr size_t kFetchesAtOnce = 4;      // Files of up to 128 MiB each are in memory meanwhile.
constexpr uint64_t kRoomBytes = 1 << 20;  // Taken at once for a copy that grows.

bool NeverChanges(std::string_view path) {
  return path.find("/_delta_log/") == std::string_view::npos && !path.starts_with("_delta_log/");
}

}  // namespace

Result<std::unique_ptr<CachedStore>> CachedStore::Open(ObjectStore& remote, ObjectStore& local,
                                                       uint64_t bytes_max, const os::Clock& clock) {
  std::unique_ptr<CachedStore> store(new CachedStore(remote, local, bytes_max, clock));
  SLUICE_RETURN_IF_ERROR(store->CountKept());
  return store;
}

Status CachedStore::CountKept() {
  SLUICE_ASSIGN_OR_RETURN(const auto found, local_.List(""));
  for (const ObjectInfo& object : found) {
    if (object.size > bytes_max_ - bytes_) {
      SLUICE_RETURN_IF_ERROR(local_.Delete(object.path));
      continue;
    }
    const std::scoped_lock lock(mutex_);
    kept_.emplace(object.path, Copy{.size = object.size});
    bytes_ += object.size;
  }
  return {};
}

bool CachedStore::Use(std::string_view path) {
  const std::scoped_lock lock(mutex_);
  const auto found = kept_.find(path);
  if (found == kept_.end()) return false;
  found->second.used = clock_.Steady();
  return true;
}

std::vector<std::string> CachedStore::MakeRoom(uint64_t bytes) {
  if (bytes <= bytes_max_ - bytes_) return {};
  const os::Monotonic now = clock_.Steady();
  std::vector<std::pair<std::optional<os::Monotonic>, std::string_view>> idle;
  for (const auto& [path, copy] : kept_) {
    if (!copy.used || now - *copy.used >= kInUse) idle.emplace_back(copy.used, path);
  }
  std::ranges::sort(idle);
  std::vector<std::string> out;
  uint64_t room = bytes_max_ - bytes_;
  for (const auto& [used, path] : idle) {
    if (room >= bytes) break;
    room += kept_.find(path)->second.size;
    out.emplace_back(path);
  }
  if (room < bytes) return {};
  for (const std::string& path : out) {
    const auto copy = kept_.find(path);
    bytes_ -= copy->second.size;
    kept_.erase(copy);
    leaving_.insert(path);
  }
  return out;
}

bool CachedStore::HasNone(std::string_view path) {
  std::unique_lock lock(mutex_);
  left_.wait(lock, [&] { return !leaving_.contains(path); });
  return !kept_.contains(path);
}

bool CachedStore::TakeRoom(uint64_t bytes) {
  std::vector<std::string> out;
  {
    const std::scoped_lock lock(mutex_);
    out = MakeRoom(bytes);
    if (bytes > bytes_max_ - bytes_) return false;
    bytes_ += bytes;  // Before anything is written, so that others do not take it, too.
  }
  for (const std::string& other : out) {
    // One that stays takes space that nobody counts, until the next start.
    static_cast<void>(local_.Delete(other).ok());
    const std::scoped_lock lock(mutex_);
    leaving_.erase(other);
  }
  if (!out.empty()) left_.notify_all();
  return true;
}

void CachedStore::GiveRoomBack(uint64_t bytes) {
  const std::scoped_lock lock(mutex_);
  bytes_ -= bytes;
}

void CachedStore::Add(std::string_view path, uint64_t bytes) {
  const std::scoped_lock lock(mutex_);
  // Another thread may have fetched the same object meanwhile.
  const Copy copy{.size = bytes, .used = clock_.Steady()};
  if (!kept_.emplace(path, copy).second) bytes_ -= bytes;
}

bool CachedStore::Keep(std::string_view path, std::string_view bytes) {
  if (!HasNone(path)) return true;
  if (!TakeRoom(bytes.size())) return false;
  const bool written = local_.Put(path, bytes).ok();
  if (written) {
    Add(path, bytes.size());
  } else {
    GiveRoomBack(bytes.size());
  }
  return written;
}

Result<std::string> CachedStore::Get(std::string_view path) {
  if (Use(path)) {
    if (auto bytes = local_.Get(path); bytes.ok()) return bytes;
  }
  return remote_.Get(path);
}

Result<std::string> CachedStore::GetRange(std::string_view path, uint64_t offset, uint64_t size) {
  if (Use(path)) {
    if (auto bytes = local_.GetRange(path, offset, size); bytes.ok()) return bytes;
  }
  return remote_.GetRange(path, offset, size);
}

Status CachedStore::Put(std::string_view path, std::string_view bytes) {
  SLUICE_RETURN_IF_ERROR(remote_.Put(path, bytes));
  SLUICE_RETURN_IF_ERROR(Forget(path));
  // Best effort: what is not kept is fetched when it is asked for.
  if (NeverChanges(path)) static_cast<void>(Keep(path, bytes));
  return {};
}

class CachedStore::Writer final : public ObjectWriter {
 public:
  Writer(CachedStore& store, std::string_view path, std::unique_ptr<ObjectWriter> remote,
         std::unique_ptr<ObjectWriter> copy)
      : store_(store), path_(path), remote_(std::move(remote)), copy_(std::move(copy)) {}
  Writer(const Writer&) = delete;
  Writer& operator=(const Writer&) = delete;
  ~Writer() override { DropCopy(); }

  Status Write(std::string_view bytes) override {
    SLUICE_RETURN_IF_ERROR(remote_->Write(bytes));
    waiting_ += bytes.size();
    // Room is taken in large pieces, since each may cost others theirs.
    if (copy_ != nullptr && waiting_ >= kRoomBytes && !TakeRoom()) DropCopy();
    // Best effort: what is not kept is fetched when it is asked for.
    if (copy_ != nullptr && !copy_->Write(bytes).ok()) DropCopy();
    return {};
  }

  Status Finish() override {
    SLUICE_RETURN_IF_ERROR(remote_->Finish());
    SLUICE_RETURN_IF_ERROR(store_.Forget(path_));
    if (copy_ == nullptr || !store_.HasNone(path_) || !TakeRoom() || !copy_->Finish().ok()) {
      return {};
    }
    copy_.reset();
    store_.Add(path_, std::exchange(room_, 0));
    return {};
  }

 private:
  bool TakeRoom() {
    if (!store_.TakeRoom(waiting_)) return false;
    room_ += std::exchange(waiting_, 0);
    return true;
  }
  void DropCopy() {
    copy_.reset();
    store_.GiveRoomBack(std::exchange(room_, 0));
  }

  CachedStore& store_;
  const std::string path_;
  const std::unique_ptr<ObjectWriter> remote_;
  std::unique_ptr<ObjectWriter> copy_;  // Null: none is kept.
  uint64_t waiting_ = 0;                // Bytes that no room is taken for yet.
  uint64_t room_ = 0;
};

Result<std::unique_ptr<ObjectWriter>> CachedStore::StartPut(std::string_view path) {
  SLUICE_ASSIGN_OR_RETURN(auto remote, remote_.StartPut(path));
  std::unique_ptr<ObjectWriter> copy;
  if (NeverChanges(path)) {
    SLUICE_ASSIGN_OR_RETURN(copy, local_.StartPut(path));
  }
  return std::unique_ptr<ObjectWriter>(
      std::make_unique<Writer>(*this, path, std::move(remote), std::move(copy)));
}

Status CachedStore::Delete(std::string_view path) {
  SLUICE_RETURN_IF_ERROR(remote_.Delete(path));
  return Forget(path);
}

Status CachedStore::DeleteAll(std::span<const std::string> paths) {
  SLUICE_RETURN_IF_ERROR(remote_.DeleteAll(paths));
  for (const std::string& path : paths) SLUICE_RETURN_IF_ERROR(Forget(path));
  return {};
}

Status CachedStore::Forget(std::string_view path) {
  if (!Use(path)) return {};
  SLUICE_RETURN_IF_ERROR(local_.Delete(path));
  const std::scoped_lock lock(mutex_);
  if (const auto kept = kept_.find(path); kept != kept_.end()) {
    bytes_ -= kept->second.size;
    kept_.erase(kept);
  }
  return {};
}

Status CachedStore::Fetch(const std::string& path) {
  SLUICE_ASSIGN_OR_RETURN(const std::string bytes, remote_.Get(path));
  if (Keep(path, bytes)) return {};
  return Unavailable(
      "'{}' does not fit into the cache of {} bytes beside what queries of the last {} minutes "
      "asked "
      "for; raise storage.cache",
      path, bytes_max_, kInUse.count());
}

Status CachedStore::MakeLocal(std::span<const std::string> paths) {
  std::vector<const std::string*> missing;
  {
    const std::scoped_lock lock(mutex_);
    const os::Monotonic now = clock_.Steady();
    for (const std::string& path : paths) {
      if (const auto kept = kept_.find(path); kept != kept_.end()) {
        kept->second.used = now;
      } else {
        missing.push_back(&path);
      }
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
