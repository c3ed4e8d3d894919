#include "sluice/ingest/internal/identity_run.h"

#include <algorithm>
#include <span>
#include <utility>

#include "sluice/base/crc32c.h"

namespace sluice::ingest::internal {

namespace {

constexpr size_t kPageIdentities = 128;
constexpr size_t kBlockWords = 8;  // A cache line: a look-up touches no more.
constexpr size_t kBlockBits = kBlockWords * 64;
constexpr size_t kBitsPerIdentity = 10;
constexpr int kProbes = 6;

// Identities are keyed hashes, so their own bits are as good as those of any hash of them.
size_t BlockOf(const privacy::Hash128& id, size_t blocks) {
  return static_cast<size_t>((id.low >> 32) * blocks >> 32) * kBlockWords;
}

}  // namespace

void IdentityRun::AddToFilter(const privacy::Hash128& id) {
  const size_t block = BlockOf(id, filter_.size() / kBlockWords);
  uint64_t bits = id.high;
  for (int i = 0; i < kProbes; ++i, bits >>= 9) {
    filter_[block + (bits % kBlockBits) / 64] |= uint64_t{1} << (bits % 64);
  }
}

bool IdentityRun::MayHave(const privacy::Hash128& id) const {
  const size_t block = BlockOf(id, filter_.size() / kBlockWords);
  uint64_t bits = id.high;
  for (int i = 0; i < kProbes; ++i, bits >>= 9) {
    if ((filter_[block + (bits % kBlockBits) / 64] >> (bits % 64) & 1) == 0) return false;
  }
  return true;
}

Result<std::unique_ptr<IdentityRun>> IdentityRun::Write(os::Disk& disk, std::string path,
                                                        std::vector<StoredIdentity> identities) {
  std::unique_ptr<IdentityRun> run(new IdentityRun(disk, std::move(path)));
  std::sort(identities.begin(), identities.end());
  run->size_ = identities.size();
  const size_t blocks = run->size_ * kBitsPerIdentity / kBlockBits + 1;
  run->filter_.assign(blocks * kBlockWords, 0);
  for (const StoredIdentity& identity : identities) run->AddToFilter(identity.id);
  for (size_t at = 0; at < identities.size(); at += kPageIdentities) {
    const auto page =
        std::span(identities).subspan(at, std::min(kPageIdentities, identities.size() - at));
    run->pages_.push_back({.first = page.front().id.low, .crc = Crc32c(std::as_bytes(page))});
  }
  const Status removed = disk.Remove(run->path_);
  if (!removed.ok() && removed.error().code() != ErrorCode::kNotFound) return removed;
  SLUICE_ASSIGN_OR_RETURN(run->file_, disk.Open(run->path_, os::OpenMode::kCreatePrivate));
  const std::span<const std::byte> bytes = std::as_bytes(std::span(identities));
  SLUICE_RETURN_IF_ERROR(run->file_->Write(0, {&bytes, 1}));
  return run;
}

IdentityRun::~IdentityRun() {
  if (file_ == nullptr) return;
  file_.reset();
  (void)disk_.Remove(path_);  // Else the next start does it.
}

Result<std::optional<uint64_t>> IdentityRun::Find(const privacy::Hash128& id) const {
  if (!MayHave(id)) return std::optional<uint64_t>();
  auto page = std::ranges::upper_bound(pages_, id.low, {}, &Page::first);
  while (page != pages_.begin()) {
    --page;
    const size_t begin = static_cast<size_t>(page - pages_.begin()) * kPageIdentities;
    StoredIdentity identities[kPageIdentities];
    const auto wanted = std::span(identities).first(std::min(kPageIdentities, size_ - begin));
    const auto bytes = std::as_writable_bytes(wanted);
    SLUICE_ASSIGN_OR_RETURN(const size_t read, file_->Read(begin * sizeof(StoredIdentity), bytes),
                            "'{}'", path_);
    if (read != bytes.size() || Crc32c(bytes) != page->crc) {
      return Corrupt("'{}': page {} is not what was written", path_, page - pages_.begin());
    }
    const auto found = std::lower_bound(wanted.begin(), wanted.end(), StoredIdentity{.id = id});
    if (found != wanted.end() && found->id == id) return std::optional(found->content);
    if (page->first < id.low) break;  // Else those with an equal first word may begin before it.
  }
  return std::optional<uint64_t>();
}

size_t IdentityRun::memory_bytes() const {
  return filter_.size() * sizeof(uint64_t) + pages_.size() * sizeof(Page);
}

}  // namespace sluice::ingest::internal
