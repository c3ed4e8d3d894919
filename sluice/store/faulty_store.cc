#include "sluice/store/faulty_store.h"

namespace sluice::store {

void FaultyStore::Add(Fault fault) {
  const std::lock_guard lock(mutex_);
  faults_.push_back(std::move(fault));
}

void FaultyStore::Observe(std::function<void(StoreCall, std::string_view)> observer) {
  const std::lock_guard lock(mutex_);
  observer_ = std::move(observer);
}

void FaultyStore::Clear() {
  const std::lock_guard lock(mutex_);
  faults_.clear();
}

int FaultyStore::failed() const {
  const std::lock_guard lock(mutex_);
  int all = 0;
  for (const auto& [kind, times] : failed_) all += times;
  return all;
}

int FaultyStore::failed(StoreCall call, Fault::When when) const {
  const std::lock_guard lock(mutex_);
  const auto times = failed_.find({call, when});
  return times == failed_.end() ? 0 : times->second;
}

std::optional<Fault::When> FaultyStore::NextFault(StoreCall call, std::string_view path) {
  const std::lock_guard lock(mutex_);
  for (Fault& fault : faults_) {
    if (fault.call != call || fault.times == 0) continue;
    if (path.find(fault.path_part) == std::string_view::npos) continue;
    if (fault.skip > 0) {
      --fault.skip;
      continue;
    }
    --fault.times;
    ++failed_[{call, fault.when}];
    return fault.when;
  }
  return std::nullopt;
}

template <typename Answer>
Answer FaultyStore::Pass(StoreCall call, std::string_view path,
                         const std::function<Answer()>& run) {
  std::function<void(StoreCall, std::string_view)> observer;
  {
    const std::lock_guard lock(mutex_);
    observer = observer_;
  }
  if (observer) observer(call, path);
  const auto fault = NextFault(call, path);
  if (fault == Fault::When::kBefore) return Unavailable("the store failed on purpose");
  Answer answer = run();
  if (fault == Fault::When::kAfter) return Unavailable("the answer was lost on purpose");
  return answer;
}

Result<std::string> FaultyStore::Get(std::string_view path) {
  return Pass<Result<std::string>>(StoreCall::kGet, path, [&] { return store_.Get(path); });
}

Result<std::string> FaultyStore::GetRange(std::string_view path, uint64_t offset, uint64_t size) {
  return Pass<Result<std::string>>(StoreCall::kGetRange, path,
                                   [&] { return store_.GetRange(path, offset, size); });
}

Result<ObjectInfo> FaultyStore::Head(std::string_view path) {
  return Pass<Result<ObjectInfo>>(StoreCall::kHead, path, [&] { return store_.Head(path); });
}

Status FaultyStore::Put(std::string_view path, std::string_view bytes) {
  return Pass<Status>(StoreCall::kPut, path, [&] { return store_.Put(path, bytes); });
}

class FaultyStore::Writer final : public ObjectWriter {
 public:
  Writer(FaultyStore& store, std::string path, std::unique_ptr<ObjectWriter> writer)
      : store_(store), path_(std::move(path)), writer_(std::move(writer)) {}

  Status Write(std::string_view bytes) override {
    return store_.Pass<Status>(StoreCall::kWritePart, path_, [&] { return writer_->Write(bytes); });
  }
  Status Finish() override {
    return store_.Pass<Status>(StoreCall::kPut, path_, [&] { return writer_->Finish(); });
  }

 private:
  FaultyStore& store_;
  const std::string path_;
  const std::unique_ptr<ObjectWriter> writer_;
};

Result<std::unique_ptr<ObjectWriter>> FaultyStore::StartPut(std::string_view path) {
  SLUICE_ASSIGN_OR_RETURN(auto writer, store_.StartPut(path));
  return std::unique_ptr<ObjectWriter>(
      std::make_unique<Writer>(*this, std::string(path), std::move(writer)));
}

Status FaultyStore::PutIfAbsent(std::string_view path, std::string_view bytes) {
  return Pass<Status>(StoreCall::kPutIfAbsent, path,
                      [&] { return store_.PutIfAbsent(path, bytes); });
}

Result<std::vector<ObjectInfo>> FaultyStore::List(std::string_view prefix, std::string_view after) {
  return Pass<Result<std::vector<ObjectInfo>>>(StoreCall::kList, prefix,
                                               [&] { return store_.List(prefix, after); });
}

Status FaultyStore::Delete(std::string_view path) {
  return Pass<Status>(StoreCall::kDelete, path, [&] { return store_.Delete(path); });
}

Status FaultyStore::SyncFolder(std::string_view folder) {
  return Pass<Status>(StoreCall::kSyncFolder, folder, [&] { return store_.SyncFolder(folder); });
}

std::string FaultyStore::Location(std::string_view path) const { return store_.Location(path); }

}  // namespace sluice::store
