#include "sluice/store/store_set.h"

#include <filesystem>

#include "sluice/store/local_store.h"
#include "sluice/store/s3_store.h"

namespace sluice::store {

namespace {

// Returns what follows the scheme, as `bucket/path` or `/path`; and the scheme in `scheme`.
std::string_view SplitScheme(std::string_view address, std::string_view& scheme) {
  const size_t end = address.find(":/");
  scheme = {};
  if (end == std::string_view::npos || end == 0 || address.find('/') < end) return address;
  scheme = address.substr(0, end);
  address.remove_prefix(end + 1);
  if (address.starts_with("//")) address.remove_prefix(2);
  return address;
}

}  // namespace

StoreSet::StoreSet(os::Disk& disk, os::Random& random) : disk_(disk), random_(random) {}
StoreSet::~StoreSet() = default;

bool IsBucketAddress(std::string_view address) {
  return address.starts_with("s3://") || address.starts_with("s3a://");
}

Result<ObjectStore*> StoreSet::Local(const std::string& folder) {
  const std::scoped_lock lock(mutex_);
  auto& store = folders_[folder];
  if (store == nullptr) store = std::make_unique<LocalStore>(disk_, folder);
  return store.get();
}

Result<S3Store*> StoreSet::Bucket(const std::string& name) {
  SLUICE_ASSIGN_OR_RETURN(S3Options options, S3OptionsFromEnvironment(disk_, name));
  const std::scoped_lock lock(mutex_);
  auto& store = buckets_[name];
  if (store == nullptr) store = std::make_unique<S3Store>(std::move(options), random_);
  return store.get();
}

Result<Place> StoreSet::Folder(std::string_view address) {
  std::string_view scheme;
  const std::string_view rest = SplitScheme(address, scheme);
  if (scheme == "s3" || scheme == "s3a") {
    const size_t slash = rest.find('/');
    std::string path(slash == std::string_view::npos ? "" : rest.substr(slash + 1));
    while (path.ends_with('/')) path.pop_back();
    if (!path.empty()) SLUICE_RETURN_IF_ERROR(CheckPath(path));
    SLUICE_ASSIGN_OR_RETURN(ObjectStore * store, Bucket(std::string(rest.substr(0, slash))));
    return Place{store, std::move(path)};
  }
  if (!scheme.empty() && scheme != "file") {
    return Unsupported("address '{}': of schemes, file and s3 are known", address);
  }
  std::error_code failed;
  const auto absolute = std::filesystem::absolute(std::filesystem::path(rest), failed);
  if (failed || rest.empty()) return Invalid("'{}' is no folder", address);
  std::string folder = absolute.lexically_normal().string();
  while (folder.ends_with('/')) folder.pop_back();
  if (folder.empty()) return Invalid("'{}' is no folder for a table", address);
  SLUICE_ASSIGN_OR_RETURN(ObjectStore * store, Local(folder));
  return Place{store, ""};
}

Result<Place> StoreSet::WritableFolder(std::string_view address) {
  if (IsBucketAddress(address)) {
    std::string_view scheme;
    const std::string_view rest = SplitScheme(address, scheme);
    SLUICE_ASSIGN_OR_RETURN(S3Store * bucket, Bucket(std::string(rest.substr(0, rest.find('/')))));
    SLUICE_RETURN_IF_ERROR(bucket->CheckConditions());
  }
  return Folder(address);
}

Result<Place> StoreSet::Object(std::string_view address) {
  std::string_view scheme;
  const std::string_view rest = SplitScheme(address, scheme);
  if (scheme == "s3" || scheme == "s3a") return Folder(address);
  const size_t slash = rest.rfind('/');
  if ((!scheme.empty() && scheme != "file") || slash == std::string_view::npos || slash == 0) {
    return Unsupported("address '{}': of schemes, file and s3 are known", address);
  }
  SLUICE_ASSIGN_OR_RETURN(Place place, Folder(rest.substr(0, slash)));
  place.path = std::string(rest.substr(slash + 1));
  return place;
}

}  // namespace sluice::store
