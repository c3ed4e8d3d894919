#include "sluice/os/simulated_disk.h"

#include <algorithm>
#include <ranges>
#include <utility>

#include "sluice/base/check.h"

namespace sluice::os {

namespace {

constexpr uint64_t kBlockBytes = 4096;  // What a file takes up is a multiple of it.

Error PowerLost(std::string_view what) { return Unavailable("cannot {}: no power", what); }
Error Injected(std::string_view what) { return Unavailable("cannot {}: injected fault", what); }

bool IsIn(std::string_view path, std::string_view folder) {
  return !path.empty() && FolderOf(path) == folder;
}

bool IsUnder(std::string_view path, std::string_view folder) {
  return path.size() > folder.size() && path.starts_with(folder) && path[folder.size()] == '/';
}

std::string_view WithoutSlash(std::string_view folder) {
  while (folder.size() > 1 && folder.back() == '/') folder.remove_suffix(1);
  return folder;
}

/// `path` where it lies when `from` has become `to`.
std::string Moved(std::string_view path, std::string_view from, std::string_view to) {
  return std::string(to) + std::string(path.substr(from.size()));
}

}  // namespace

class SimulatedFile final : public File {
 public:
  enum class Kind : uint8_t { kPlain, kLock, kDirect };

  SimulatedFile(SimulatedDisk& disk, SimulatedDisk::InodePtr inode, Kind kind)
      : disk_(disk), inode_(std::move(inode)), kind_(kind), boot_(disk.boots_) {}

  ~SimulatedFile() override {
    const std::lock_guard lock(disk_.mutex_);
    if (kind_ == Kind::kLock && boot_ == disk_.boots_) inode_->locked = false;
  }

  Result<size_t> Read(uint64_t offset, std::span<std::byte> into) override {
    const std::lock_guard lock(disk_.mutex_);
    if (disk_.DeadFile(boot_)) return PowerLost("read");
    if (disk_.Begin(DiskCall::kRead, false) != Outcome::kDone) return Injected("read");
    const auto& seen = inode_->seen;
    if (offset >= seen.size()) return size_t{0};
    const size_t size = std::min<size_t>(into.size(), seen.size() - offset);
    const auto& unreadable = inode_->unreadable;
    if (unreadable && *unreadable >= offset && *unreadable < offset + size) return Injected("read");
    std::copy_n(seen.begin() + static_cast<ptrdiff_t>(offset), size, into.begin());
    return size;
  }

  Status Write(uint64_t offset, std::span<const std::span<const std::byte>> pieces) override {
    const std::lock_guard lock(disk_.mutex_);
    if (disk_.DeadFile(boot_)) return PowerLost("write");
    if (kind_ == Kind::kDirect) {
      uint64_t at = offset;
      for (const auto& piece : pieces) {
        SLUICE_CHECK(at % kDirectBytes == 0 && piece.size() % kDirectBytes == 0 &&
                     reinterpret_cast<uintptr_t>(piece.data()) % kDirectBytes == 0);
        at += piece.size();
      }
    }
    const Outcome outcome = disk_.Begin(DiskCall::kWrite, true);
    uint64_t size = 0;
    for (const auto& piece : pieces) size += piece.size();
    uint64_t take = size;
    if (outcome == Outcome::kFault) take = size * (disk_.calls_ % 3) / 2;  // Nothing, half, all.
    Status grown = disk_.Grow(DiskCall::kWrite, *inode_, offset + take);
    if (!grown.ok()) {
      take = inode_->seen.size() > offset ? inode_->seen.size() - offset : 0;
      take = std::min(take, size);
    }
    SimulatedDisk::Touch(*inode_, offset, offset + take);
    uint64_t at = offset;
    for (auto piece : pieces) {
      piece = piece.first(std::min<size_t>(piece.size(), offset + take - at));
      std::copy(piece.begin(), piece.end(), inode_->seen.begin() + static_cast<ptrdiff_t>(at));
      at += piece.size();
    }
    if (outcome == Outcome::kFault) return Injected("write");
    if (outcome == Outcome::kLastOne) return PowerLost("write");
    if (grown.ok() && kind_ == Kind::kDirect) MakeDurable(offset, offset + size);
    return grown;
  }

  Status Sync() override {
    const std::lock_guard lock(disk_.mutex_);
    if (disk_.DeadFile(boot_)) return PowerLost("sync");
    switch (disk_.Begin(DiskCall::kSync, true)) {
      case Outcome::kDone:
        SimulatedDisk::SyncInode(*inode_);
        return {};
      case Outcome::kFault:
        inode_->unsynced.clear();  // The kernel takes the pages for clean.
        return Injected("sync");
      default:
        return PowerLost("sync");
    }
  }

  Result<uint64_t> Size() override {
    const std::lock_guard lock(disk_.mutex_);
    if (disk_.DeadFile(boot_)) return PowerLost("stat");
    return static_cast<uint64_t>(inode_->seen.size());
  }

  Status Truncate(uint64_t size) override { return Resize(DiskCall::kTruncate, size, "truncate"); }

  Status Allocate(uint64_t size) override {
    {
      const std::lock_guard lock(disk_.mutex_);
      size = std::max<uint64_t>(size, inode_->seen.size());
    }
    return Resize(DiskCall::kAllocate, size, "allocate");
  }

  void DropCache() override {
    const std::lock_guard lock(disk_.mutex_);
    if (disk_.DeadFile(boot_)) return;
    // Only what is clean can be dropped: what is not yet written back stays, and stays unsynced.
    auto& seen = inode_->seen;
    for (size_t begin = 0; begin < seen.size(); begin += kSector) {
      if (inode_->unsynced.contains(begin / kSector)) continue;
      for (size_t i = begin; i < std::min<size_t>(begin + kSector, seen.size()); ++i) {
        seen[i] = i < inode_->durable.size() ? inode_->durable[i] : std::byte{0};
      }
    }
  }

 private:
  using Outcome = SimulatedDisk::Outcome;
  static constexpr uint64_t kSector = SimulatedDisk::kSectorBytes;

  // What a write around the cache has written. Its bounds are those of sectors.
  void MakeDurable(uint64_t begin, uint64_t end) {
    auto& durable = inode_->durable;
    durable.resize(std::max<size_t>(durable.size(), end));
    std::copy(inode_->seen.begin() + static_cast<ptrdiff_t>(begin),
              inode_->seen.begin() + static_cast<ptrdiff_t>(end),
              durable.begin() + static_cast<ptrdiff_t>(begin));
    inode_->unsynced.erase(inode_->unsynced.lower_bound(begin / kSector),
                           inode_->unsynced.lower_bound(end / kSector));
  }

  Status Resize(DiskCall call, uint64_t size, std::string_view what) {
    const std::lock_guard lock(disk_.mutex_);
    if (disk_.DeadFile(boot_)) return PowerLost(what);
    const Outcome outcome = disk_.Begin(call, true);
    if (outcome == Outcome::kFault) return Injected(what);
    auto& seen = inode_->seen;
    if (size < seen.size()) SimulatedDisk::Touch(*inode_, size, seen.size());
    if (size < seen.size()) seen.resize(size);
    SLUICE_RETURN_IF_ERROR(disk_.Grow(call, *inode_, size));
    return outcome == Outcome::kDone ? Status() : PowerLost(what);
  }

  SimulatedDisk& disk_;
  const SimulatedDisk::InodePtr inode_;
  const Kind kind_;
  const uint64_t boot_;
};

SimulatedDisk::SimulatedDisk() = default;
SimulatedDisk::~SimulatedDisk() = default;

SimulatedDisk::Outcome SimulatedDisk::Begin(DiskCall call, bool changes) {
  if (!powered_) return Outcome::kDead;
  if (changes) {
    ++calls_;
    if (power_until_ && calls_ > *power_until_) {
      powered_ = false;
      ++fired_[call].power_losses;
      return Outcome::kLastOne;
    }
  }
  const auto fault = faults_.find(call);
  if (fault == faults_.end() || fault->second.times == 0) return Outcome::kDone;
  if (fault->second.skip > 0) {
    --fault->second.skip;
    return Outcome::kDone;
  }
  --fault->second.times;
  ++fired_[call].faults;
  return Outcome::kFault;
}

void SimulatedDisk::Change(NameChange change) {
  Apply(change, names_);
  changes_.push_back(std::move(change));
}

void SimulatedDisk::Names::MoveFolder(const std::string& from, const std::string& to) {
  if (folders.erase(from) == 0) return;  // Its own name was lost.
  folders.emplace(to);
  Names moved;
  std::erase_if(folders, [&](const std::string& path) {
    return IsUnder(path, from) && moved.folders.emplace(Moved(path, from, to)).second;
  });
  std::erase_if(files, [&](const auto& file) {
    return IsUnder(file.first, from) &&
           moved.files.emplace(Moved(file.first, from, to), file.second).second;
  });
  folders.merge(moved.folders);
  files.merge(moved.files);
}

void SimulatedDisk::Apply(const NameChange& change, Names& names) {
  if (!change.inode) {
    if (change.removed.empty()) {
      names.folders.emplace(change.added);
    } else {
      names.MoveFolder(change.removed, change.added);
    }
    return;
  }
  if (!change.removed.empty()) {
    const auto old = names.files.find(change.removed);
    if (old != names.files.end() && old->second == change.inode) names.files.erase(old);
  }
  if (!change.added.empty()) names.files[change.added] = change.inode;
}

uint64_t SimulatedDisk::Used() const {
  uint64_t used = 0;
  for (const auto& [name, inode] : names_.files) {
    used += (inode->seen.size() + kBlockBytes - 1) / kBlockBytes * kBlockBytes;
  }
  return used;
}

Status SimulatedDisk::Grow(DiskCall call, Inode& inode, uint64_t size) {
  if (size <= inode.seen.size()) return {};
  if (capacity_ != UINT64_MAX) {
    const uint64_t used = Used();
    const uint64_t own = (inode.seen.size() + kBlockBytes - 1) / kBlockBytes * kBlockBytes;
    const uint64_t room =
        own + (capacity_ > used ? (capacity_ - used) / kBlockBytes * kBlockBytes : 0);
    if (size > room) {
      inode.seen.resize(std::max<uint64_t>(room, inode.seen.size()));
      ++fired_[call].full;
      return Unavailable("no space left on the simulated disk");
    }
  }
  inode.seen.resize(size);
  return {};
}

// To be called before the bytes change.
void SimulatedDisk::Touch(Inode& inode, uint64_t begin, uint64_t end) {
  for (size_t at = begin / kSectorBytes * kSectorBytes; at < end; at += kSectorBytes) {
    const auto [sector, first] = inode.unsynced.try_emplace(at / kSectorBytes);
    if (first || at >= inode.seen.size()) continue;
    const size_t size = std::min(kSectorBytes, inode.seen.size() - at);
    const auto from = inode.seen.begin() + static_cast<ptrdiff_t>(at);
    sector->second.assign(from, from + static_cast<ptrdiff_t>(size));
  }
}

void SimulatedDisk::SyncInode(Inode& inode) {
  inode.durable.resize(inode.seen.size());
  for (const auto& [sector, before] : inode.unsynced) {
    const size_t begin = sector * kSectorBytes;
    const size_t end = std::min(begin + kSectorBytes, inode.seen.size());
    for (size_t i = begin; i < end; ++i) inode.durable[i] = inode.seen[i];
  }
  inode.unsynced.clear();
}

void SimulatedDisk::CrashInode(Inode& inode, std::mt19937_64& engine) {
  // Chances of a sector in tenths: new, then old; the rest is zero or garbage. All-or-nothing and
  // mostly kept find other bugs than an even mix does.
  const auto pick = engine() % 4;
  const uint64_t kept = pick == 0 ? 0 : pick == 1 ? 10 : pick == 2 ? 9 : 5;
  const uint64_t old = pick == 0 ? 10 : pick == 1 ? 0 : pick == 2 ? 0 : 3;
  size_t size = inode.seen.size();
  if (size != inode.durable.size()) {
    const size_t low = std::min(size, inode.durable.size());
    const size_t high = std::max(size, inode.durable.size());
    const auto choice = engine() % 3;
    size = choice == 0 ? low : choice == 1 ? high : low + engine() % (high - low + 1);
  }
  inode.durable.resize(size);
  for (const auto& [sector, before] : inode.unsynced) {
    const uint64_t roll = engine() % 10;
    const uint64_t garbage = engine();
    const size_t begin = sector * kSectorBytes;
    const size_t end = std::min(begin + kSectorBytes, size);
    const bool stale = !before.empty() && engine() % 3 == 0;
    for (size_t i = begin; i < end; ++i) {
      if (stale) {
        inode.durable[i] = i - begin < before.size() ? before[i - begin] : std::byte{0};
      } else if (roll < kept) {
        inode.durable[i] = i < inode.seen.size() ? inode.seen[i] : std::byte{0};
      } else if (roll >= kept + old) {
        const uint64_t noise = garbage % 2 == 0 ? 0 : (garbage ^ i) * 0x9e37'79b9'7f4a'7c15u >> 56;
        inode.durable[i] = static_cast<std::byte>(noise);
      }
    }
  }
  inode.unsynced.clear();
  inode.seen = inode.durable;
}

Result<std::unique_ptr<File>> SimulatedDisk::Open(std::string_view path, OpenMode mode) {
  const std::lock_guard lock(mutex_);
  const bool creates = mode == OpenMode::kCreateNew || mode == OpenMode::kCreatePrivate;
  const Outcome outcome = Begin(DiskCall::kOpen, creates);
  if (outcome == Outcome::kDead) return PowerLost("open");
  if (outcome == Outcome::kFault) return Injected("open");
  const auto found = names_.files.find(path);
  if (!creates) {
    if (found == names_.files.end()) return NotFound("cannot open '{}': no such file", path);
    const auto kind =
        mode == OpenMode::kWriteDirect ? SimulatedFile::Kind::kDirect : SimulatedFile::Kind::kPlain;
    return std::unique_ptr<File>(std::make_unique<SimulatedFile>(*this, found->second, kind));
  }
  if (found != names_.files.end()) return Conflict("cannot create '{}': it exists", path);
  const std::string_view folder = FolderOf(path);
  if (!names_.HasFolder(folder)) {
    return NotFound("cannot create '{}': no such folder", path);
  }
  auto inode = std::make_shared<Inode>();
  Change({.removed = "", .added = std::string(path), .inode = inode});
  if (outcome == Outcome::kLastOne) return PowerLost("create");
  return std::unique_ptr<File>(
      std::make_unique<SimulatedFile>(*this, std::move(inode), SimulatedFile::Kind::kPlain));
}

Status SimulatedDisk::RenameTo(std::string_view from, std::string_view to) {
  const Outcome outcome = Begin(DiskCall::kRename, true);
  if (outcome == Outcome::kDead) return PowerLost("rename");
  if (outcome == Outcome::kFault) return Injected("rename");
  const auto source = names_.files.find(from);
  if (source == names_.files.end() && !names_.folders.contains(from)) {
    return NotFound("cannot rename '{}': no such file", from);
  }
  const bool folder = source == names_.files.end();
  const auto is_in_the_way = [&](const std::string& path) { return IsUnder(path, to); };
  if (folder && (names_.files.contains(to) || std::ranges::any_of(names_.folders, is_in_the_way) ||
                 std::ranges::any_of(std::views::keys(names_.files), is_in_the_way))) {
    return Unavailable("cannot rename '{}': '{}' is there", from, to);
  }
  Change({.removed = std::string(from),
          .added = std::string(to),
          .inode = folder ? nullptr : source->second});
  return outcome == Outcome::kDone ? Status() : PowerLost("rename");
}

Status SimulatedDisk::Rename(std::string_view from, std::string_view to) {
  const std::lock_guard lock(mutex_);
  return RenameTo(from, to);
}

Status SimulatedDisk::RenameNoReplace(std::string_view from, std::string_view to) {
  const std::lock_guard lock(mutex_);
  if (names_.files.contains(to)) return Conflict("'{}' exists", to);
  return RenameTo(from, to);
}

Status SimulatedDisk::Remove(std::string_view path) {
  const std::lock_guard lock(mutex_);
  const Outcome outcome = Begin(DiskCall::kRemove, true);
  if (outcome == Outcome::kDead) return PowerLost("remove");
  if (outcome == Outcome::kFault) return Injected("remove");
  const auto found = names_.files.find(path);
  if (found == names_.files.end()) return NotFound("cannot remove '{}': no such file", path);
  Change({.removed = std::string(path), .added = "", .inode = found->second});
  return outcome == Outcome::kDone ? Status() : PowerLost("remove");
}

Result<std::vector<std::string>> SimulatedDisk::List(std::string_view folder) {
  const std::lock_guard lock(mutex_);
  if (!powered_) return PowerLost("list");
  folder = WithoutSlash(folder);
  std::vector<std::string> names;
  for (const auto& [path, inode] : names_.files) {
    if (IsIn(path, folder)) names.push_back(path.substr(path.rfind('/') + 1));
  }
  for (const std::string& path : names_.folders) {
    if (IsIn(path, folder)) names.push_back(path.substr(path.rfind('/') + 1) + "/");
  }
  std::sort(names.begin(), names.end());
  return names;
}

Status SimulatedDisk::MakeFolder(std::string_view folder) {
  const std::lock_guard lock(mutex_);
  const Outcome outcome = Begin(DiskCall::kMakeFolder, true);
  if (outcome == Outcome::kDead) return PowerLost("make folder");
  if (outcome == Outcome::kFault) return Injected("make folder");
  if (names_.HasFolder(folder)) return Conflict("'{}' exists", folder);
  if (!names_.HasFolder(FolderOf(folder))) return NotFound("no folder '{}'", FolderOf(folder));
  Change({.removed = "", .added = std::string(folder), .inode = nullptr});
  return outcome == Outcome::kDone ? Status() : PowerLost("make folder");
}

Result<bool> SimulatedDisk::FolderExists(std::string_view folder) {
  const std::lock_guard lock(mutex_);
  if (!powered_) return PowerLost("stat");
  if (names_.files.contains(folder)) return Conflict("'{}' is a file, not a folder", folder);
  return names_.HasFolder(folder);
}

bool SimulatedDisk::CanMakeIn(std::string_view) { return true; }

Status SimulatedDisk::SyncDirectory(std::string_view folder) {
  const std::lock_guard lock(mutex_);
  folder = WithoutSlash(folder);
  const auto in_folder = [&](const NameChange& change) {
    return IsIn(change.removed, folder) || IsIn(change.added, folder);
  };
  const Outcome outcome = Begin(DiskCall::kSyncDirectory, true);
  if (outcome == Outcome::kFault) {
    for (NameChange& change : changes_) change.failed = change.failed || in_folder(change);
    return Injected("sync folder");
  }
  if (outcome != Outcome::kDone) return PowerLost("sync folder");
  if (!names_.HasFolder(folder)) return NotFound("no folder '{}'", folder);
  std::vector<NameChange> left;
  for (NameChange& change : changes_) {
    if (change.failed || !in_folder(change)) {
      left.push_back(std::move(change));
      continue;
    }
    Apply(change, durable_names_);
    // What the disk has of a name now is newer than what failed to reach it before.
    std::erase_if(left, [&](const NameChange& older) {
      return older.failed && (older.added == change.added || older.added == change.removed);
    });
  }
  changes_ = std::move(left);
  return {};
}

Result<bool> SimulatedDisk::Exists(std::string_view path) {
  const std::lock_guard lock(mutex_);
  if (!powered_) return PowerLost("stat");
  return names_.files.contains(path) || names_.HasFolder(WithoutSlash(path));
}

Result<uint64_t> SimulatedDisk::FreeBytes(std::string_view) {
  const std::lock_guard lock(mutex_);
  if (!powered_) return PowerLost("stat");
  const uint64_t used = Used();
  return capacity_ > used ? capacity_ - used : 0;
}

Result<std::unique_ptr<File>> SimulatedDisk::Lock(std::string_view path) {
  auto made = Open(path, OpenMode::kCreateNew);
  if (!made.ok() && made.error().code() != ErrorCode::kConflict) return made;
  const std::lock_guard lock(mutex_);
  const auto found = names_.files.find(path);
  if (!powered_ || found == names_.files.end()) return PowerLost("lock");
  if (found->second->locked) return Conflict("'{}' is locked by another process", path);
  found->second->locked = true;
  return std::unique_ptr<File>(
      std::make_unique<SimulatedFile>(*this, found->second, SimulatedFile::Kind::kLock));
}

void SimulatedDisk::Fail(DiskCall call, uint64_t skip, uint64_t times) {
  const std::lock_guard lock(mutex_);
  faults_[call] = {.skip = skip, .times = times};
}

void SimulatedDisk::ClearFaults() {
  const std::lock_guard lock(mutex_);
  faults_.clear();
  for (auto& [path, inode] : names_.files) inode->unreadable.reset();
  if (powered_) power_until_.reset();
}

void SimulatedDisk::FailReads(std::string_view path, uint64_t offset) {
  const std::lock_guard lock(mutex_);
  const auto found = names_.files.find(path);
  SLUICE_CHECK(found != names_.files.end());
  found->second->unreadable = offset;
}

void SimulatedDisk::SetCapacity(uint64_t bytes) {
  const std::lock_guard lock(mutex_);
  capacity_ = bytes;
}

void SimulatedDisk::CutPowerAfter(uint64_t calls) {
  const std::lock_guard lock(mutex_);
  power_until_ = calls_ + calls;
}

bool SimulatedDisk::powered() const {
  const std::lock_guard lock(mutex_);
  return powered_;
}

uint64_t SimulatedDisk::calls() const {
  const std::lock_guard lock(mutex_);
  return calls_;
}

uint64_t SimulatedDisk::UsedBytes() const {
  const std::lock_guard lock(mutex_);
  return Used();
}

std::optional<std::string> SimulatedDisk::Look(std::string_view path) const {
  const std::lock_guard lock(mutex_);
  const auto found = names_.files.find(path);
  if (found == names_.files.end()) return std::nullopt;
  const auto& seen = found->second->seen;
  return std::string(reinterpret_cast<const char*>(seen.data()), seen.size());
}

SimulatedDisk::Fired SimulatedDisk::TakeFired(DiskCall call) {
  const std::lock_guard lock(mutex_);
  return std::exchange(fired_[call], {});
}

void SimulatedDisk::Boot() {
  ++boots_;
  powered_ = true;
  power_until_.reset();
  faults_.clear();
  for (const auto& [name, inode] : names_.files) inode->locked = false;
  ForgetFolders();
}

void SimulatedDisk::Crash(uint64_t seed) {
  const std::lock_guard lock(mutex_);
  std::mt19937_64 engine(seed);
  const uint64_t keep = engine() % 3;  // Of names: none, all, or each by itself.
  for (const NameChange& change : changes_) {
    const bool lucky = engine() % 2 == 0;
    if (keep == 1 || (keep == 2 && lucky)) Apply(change, durable_names_);
  }
  changes_.clear();
  // A folder stands before what lies in it.
  std::erase_if(durable_names_.folders, [&](const std::string& folder) {
    return !durable_names_.HasFolder(FolderOf(folder));
  });
  std::erase_if(durable_names_.files,
                [&](const auto& file) { return !durable_names_.HasFolder(FolderOf(file.first)); });
  names_ = durable_names_;
  for (const auto& [name, inode] : names_.files) CrashInode(*inode, engine);
  Boot();
}

void SimulatedDisk::Restart() {
  const std::lock_guard lock(mutex_);
  // Where a folder's sync failed there is nothing more that a new process could do but to sync it.
  for (NameChange& change : changes_) change.failed = false;
  Boot();
}

Status SimulatedDisk::Damage(std::string_view path, uint64_t offset, uint8_t bits) {
  const std::lock_guard lock(mutex_);
  const auto found = names_.files.find(path);
  if (found == names_.files.end()) return NotFound("no file '{}'", path);
  Inode& inode = *found->second;
  if (offset >= inode.seen.size()) return Invalid("'{}' ends before byte {}", path, offset);
  inode.seen[offset] ^= static_cast<std::byte>(bits);
  if (offset < inode.durable.size()) inode.durable[offset] ^= static_cast<std::byte>(bits);
  return {};
}

}  // namespace sluice::os
