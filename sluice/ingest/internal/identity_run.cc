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

void IdentityRuns::Run::AddToFilter(const privacy::Hash128& id) {
  const size_t block = BlockOf(id, filter.size() / kBlockWords);
  uint64_t bits = id.high;
  for (int i = 0; i < kProbes; ++i, bits >>= 9) {
    filter[block + (bits % kBlockBits) / 64] |= uint64_t{1} << (bits % 64);
  }
}

bool IdentityRuns::Run::MayHave(const privacy::Hash128& id) const {
  const size_t block = BlockOf(id, filter.size() / kBlockWords);
  uint64_t bits = id.high;
  for (int i = 0; i < kProbes; ++i, bits >>= 9) {
    if ((filter[block + (bits % kBlockBits) / 64] >> (bits % 64) & 1) == 0) return false;
  }
  return true;
}

Result<std::unique_ptr<IdentityRuns>> IdentityRuns::Create(os::Disk& disk, std::string path) {
  std::unique_ptr<IdentityRuns> made(new IdentityRuns(disk, std::move(path)));
  const Status removed = disk.Remove(made->path_);
  if (!removed.ok() && removed.error().code() != ErrorCode::kNotFound) return removed;
  SLUICE_ASSIGN_OR_RETURN(made->file_, disk.Open(made->path_, os::OpenMode::kCreatePrivate));
  return made;
}

Status IdentityRuns::Add(std::vector<StoredIdentity> identities) {
  std::sort(identities.begin(), identities.end());
  Run run{.begin = runs_.empty() ? 0 : runs_.back().begin + runs_.back().size,
          .size = identities.size()};
  run.filter.assign((run.size * kBitsPerIdentity / kBlockBits + 1) * kBlockWords, 0);
  for (const StoredIdentity& identity : identities) run.AddToFilter(identity.id);
  for (size_t at = 0; at < identities.size(); at += kPageIdentities) {
    const auto page =
        std::span(identities).subspan(at, std::min(kPageIdentities, identities.size() - at));
    run.pages.push_back({.first = page.front().id.low, .crc = Crc32c(std::as_bytes(page))});
  }
  const std::span<const std::byte> bytes = std::as_bytes(std::span(identities));
  SLUICE_RETURN_IF_ERROR(file_->Write(run.begin * sizeof(StoredIdentity), {&bytes, 1}));
  memory_bytes_ +=
      sizeof(Run) + run.filter.size() * sizeof(uint64_t) + run.pages.size() * sizeof(Page);
  runs_.push_back(std::move(run));
  return {};
}

void IdentityRuns::Prefetch(size_t number, const privacy::Hash128& id) const {
  const Run& run = runs_[number];
  __builtin_prefetch(&run.filter[BlockOf(id, run.filter.size() / kBlockWords)]);
}

IdentityRuns::~IdentityRuns() {
  if (file_ == nullptr) return;
  file_.reset();
  (void)disk_.Remove(path_);  // Else the next start does it.
}

Result<std::optional<uint64_t>> IdentityRuns::Find(size_t number,
                                                   const privacy::Hash128& id) const {
  if (number >= runs_.size() || !runs_[number].MayHave(id)) return std::optional<uint64_t>();
  const Run& run = runs_[number];
  auto page = std::ranges::upper_bound(run.pages, id.low, {}, &Page::first);
  while (page != run.pages.begin()) {
    --page;
    const size_t begin = static_cast<size_t>(page - run.pages.begin()) * kPageIdentities;
    StoredIdentity identities[kPageIdentities];
    const auto wanted = std::span(identities).first(std::min(kPageIdentities, run.size - begin));
    const auto bytes = std::as_writable_bytes(wanted);
    SLUICE_ASSIGN_OR_RETURN(const size_t read,
                            file_->Read((run.begin + begin) * sizeof(StoredIdentity), bytes),
                            "'{}'", path_);
    if (read != bytes.size() || Crc32c(bytes) != page->crc) {
      return Corrupt("'{}': page {} of run {} is not what was written", path_,
                     page - run.pages.begin(), number);
    }
    const auto found = std::lower_bound(wanted.begin(), wanted.end(), StoredIdentity{.id = id});
    if (found != wanted.end() && found->id == id) return std::optional(found->content);
    if (page->first < id.low) break;  // Else those with an equal first word may begin before it.
  }
  return std::optional<uint64_t>();
}

}  // namespace sluice::ingest::internal
