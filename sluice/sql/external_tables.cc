#include "sluice/sql/external_tables.h"

#include <fmt/format.h>

#include <algorithm>
#include <functional>

#include "sluice/store/cached_store.h"
#include "sluice/store/folder_store.h"
#include "sluice/store/local_store.h"

namespace sluice::sql {

namespace {

constexpr size_t kOpenMax = 64;

/// Returns an address in the one form that is compared: no scheme for folders of this machine, no
/// slash at the end. kInvalid: it is relative, or climbs up.
Result<std::string> Normalize(std::string_view address) {
  std::string text(address);
  if (text.starts_with("s3a://")) text.replace(0, 6, "s3://");
  if (text.starts_with("file://")) text.erase(0, 7);
  while (text.size() > 1 && text.ends_with('/')) text.pop_back();
  const std::string_view path = text.starts_with("s3://") ? std::string_view(text).substr(4) : text;
  if (!path.starts_with('/') || text.find('\0') != std::string::npos) {
    return Invalid("a table outside is named by an absolute path or s3://…");
  }
  for (size_t at = 0; at != std::string_view::npos;) {
    const size_t next = path.find('/', at + 1);
    const std::string_view part = path.substr(at + 1, next - at - 1);
    if (part == ".." || part == "." || (part.empty() && path.size() > 1)) {
      return Invalid("an address of a table has no part '{}'", part);
    }
    at = next;
  }
  return text;
}

bool IsIn(std::string_view address, std::string_view folder) {
  return address == folder || folder == "/" ||
         (address.starts_with(folder) && address[folder.size()] == '/');
}

}  // namespace

struct ExternalTables::Opened {
  // Of buckets: the table's folder there, copies here, and both as one.
  std::unique_ptr<store::ObjectStore> remote;
  std::unique_ptr<store::ObjectStore> copies;
  std::unique_ptr<store::ObjectStore> cached;
  std::unique_ptr<lake::DeltaTable> table;
  std::shared_ptr<const lake::Snapshot> newest;
  uint64_t used = 0;
};

ExternalTables::ExternalTables(ExternalOptions options, store::StoreSet& stores, os::Disk& disk,
                               const os::Clock& clock, os::Random& random)
    : options_(std::move(options)), stores_(stores), disk_(disk), clock_(clock), random_(random) {}

ExternalTables::~ExternalTables() = default;

std::vector<std::string> ExternalTables::LocalFolders() const {
  std::vector<std::string> folders;
  bool buckets = false;
  for (const std::string& allowed : options_.allowed) {
    const auto folder = Normalize(allowed);
    if (!folder.ok()) continue;
    if (store::IsBucketAddress(*folder)) {
      buckets = true;
    } else {
      folders.push_back(*folder);
    }
  }
  if (buckets) folders.push_back(options_.cache_folder);
  return folders;
}

Result<std::shared_ptr<ExternalTables::Opened>> ExternalTables::Make(const std::string& address) {
  auto opened = std::make_shared<Opened>();
  SLUICE_ASSIGN_OR_RETURN(const store::Place place, stores_.Folder(address), "'{}'", address);
  store::ObjectStore* store = place.store;
  std::string root = place.path;
  if (store::IsBucketAddress(address)) {
    const std::string folder =
        fmt::format("{}/{:016x}", options_.cache_folder, std::hash<std::string>()(address));
    SLUICE_RETURN_IF_ERROR(disk_.MakeFolders(folder), "cache of '{}'", address);
    opened->remote = std::make_unique<store::FolderStore>(*store, root);
    opened->copies = std::make_unique<store::LocalStore>(disk_, folder);
    SLUICE_ASSIGN_OR_RETURN(opened->cached,
                            store::CachedStore::Open(*opened->remote, *opened->copies,
                                                     options_.cache_bytes_max, clock_),
                            "cache of '{}'", address);
    store = opened->cached.get();
    root.clear();
  }
  opened->table = std::make_unique<lake::DeltaTable>(*store, root, clock_, random_);
  return opened;
}

Result<std::shared_ptr<const lake::DeltaTable>> ExternalTables::Open(std::string_view address) {
  SLUICE_ASSIGN_OR_RETURN(const std::string wanted, Normalize(address));
  const bool allowed = std::ranges::any_of(options_.allowed, [&](const std::string& folder) {
    const auto normal = Normalize(folder);
    return normal.ok() && IsIn(wanted, *normal);
  });
  if (!allowed) {
    return Denied("'{}' is in none of the folders of sql.external in sluice.yaml", wanted);
  }
  std::shared_ptr<Opened> opened;
  {
    const std::lock_guard lock(mutex_);
    if (const auto found = opened_.find(wanted); found != opened_.end()) opened = found->second;
  }
  if (opened == nullptr) {
    SLUICE_ASSIGN_OR_RETURN(opened, Make(wanted));
  }
  const std::lock_guard lock(mutex_);
  opened = opened_.try_emplace(wanted, opened).first->second;
  opened->used = ++uses_;
  if (opened_.size() > kOpenMax) {
    opened_.erase(std::ranges::min_element(opened_, {},
                                           [](const auto& entry) { return entry.second->used; }));
  }
  return std::shared_ptr<const lake::DeltaTable>(opened, opened->table.get());
}

Result<std::shared_ptr<const lake::Snapshot>> ExternalTables::Load(const lake::DeltaTable& table) {
  std::shared_ptr<Opened> of;
  std::shared_ptr<const lake::Snapshot> since;
  {
    const std::lock_guard lock(mutex_);
    for (const auto& [address, opened] : opened_) {
      if (opened->table.get() == &table) of = opened;
    }
    if (of != nullptr) since = of->newest;
  }
  SLUICE_ASSIGN_OR_RETURN(const auto newest, table.Load(since));
  if (of != nullptr) {
    const std::lock_guard lock(mutex_);
    if (of->newest == nullptr || of->newest->version() < newest->version()) of->newest = newest;
    return of->newest;
  }
  return newest;
}

}  // namespace sluice::sql
