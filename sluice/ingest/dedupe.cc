#include "sluice/ingest/dedupe.h"

#include <algorithm>
#include <span>
#include <utility>

#include "sluice/base/check.h"
#include "sluice/base/trace.h"
#include "sluice/ingest/internal/identity_run.h"

namespace sluice::ingest {
namespace {

// Slot::high_generation, from the top: 6 bits of generation (0: the slot is free), 58 of the hash.
constexpr int kGenerationShift = 58;
constexpr uint64_t kHighMask = (uint64_t{1} << kGenerationShift) - 1;
constexpr uint64_t kForgotten = 63;
constexpr uint64_t kGenerationNumbers = 62;  // From 1 on, again and again.
// Slot::content_claim: 44 bits of content, 20 of the claim (0: restored).
constexpr int kClaimBits = 20;
constexpr uint64_t kClaimMask = (uint64_t{1} << kClaimBits) - 1;

constexpr size_t kSlotsMin = 8;
constexpr size_t kReservedMin = 10'000;  // Fewer are added as fast.
constexpr int kSlices = 8;
constexpr size_t kSlicesByNumberMax = 32;  // With those by time less than kGenerationsMax.
// When a slice begins, the slots of those that have ended are freed in a part of the shards: in all
// of them, before the number of such a slice comes again.
constexpr size_t kGenerationsMax = 45;
constexpr size_t kShardsCleaned = 4;
static_assert(64 / kShardsCleaned <= kGenerationNumbers - kGenerationsMax);
static_assert(kSlicesByNumberMax + kSlices + 2 <= kGenerationsMax);
constexpr uint64_t kBytesInMemory = 54;  // Of an identity, at most.
// Of one in a file: its filter and its part of the first of each page.
constexpr double kBytesOnDisk = 1.4;

uint64_t NumberOf(uint64_t high_generation) { return high_generation >> kGenerationShift; }

DedupeOptions WithinMemory(DedupeOptions options) {
  if (options.memory == nullptr) return options;
  options.ids_max = std::min(options.ids_max, options.memory->topic_ids_max);
  return options;
}

/// What a known identity with content `before` is when it comes with `after`.
Dedupe::Verdict Compare(uint64_t before, uint64_t after) {
  after = after << kClaimBits >> kClaimBits;
  const bool same =
      before == after || before == Dedupe::kAnyContent || after == Dedupe::kAnyContent;
  return same ? Dedupe::Verdict::kDuplicate : Dedupe::Verdict::kOtherContent;
}

}  // namespace

DedupeMemory::DedupeMemory(uint64_t bytes_max)
    : ids_max(bytes_max / kBytesInMemory),
      ids_on_disk_max(static_cast<size_t>(static_cast<double>(bytes_max) / 2 / kBytesOnDisk)),
      // Its newest slice is in memory whatever the limit of that is.
      topic_ids_max(
          static_cast<size_t>(static_cast<double>(bytes_max) /
                              (kBytesOnDisk + double{kBytesInMemory} / kSlicesByNumberMax))) {}

size_t DedupeMemory::IdsMaxNow() const {
  const auto filters = static_cast<size_t>(static_cast<double>(ids_on_disk) * kBytesOnDisk);
  return ids_max - std::min(ids_max / 2, filters / kBytesInMemory);
}

// Keeps the order of the hashes, so that a rebuild walks through both tables from front to back.
size_t Dedupe::Shard::Home(uint64_t low) const {
  constexpr uint64_t kSpread = 0x9E3779B97F4A7C15;
  return static_cast<size_t>(((low * kSpread) >> 32) * size >> 32);
}

size_t Dedupe::ShardOf(const privacy::Hash128& id) { return id.high >> kGenerationShift; }

Dedupe::Dedupe(const DedupeOptions& options) : options_(WithinMemory(options)) {
  if (options_.disk == nullptr) return;
  const auto left = options_.disk->List(options_.folder);  // By a process that was killed.
  for (const std::string& name : left.ok() ? *left : std::vector<std::string>()) {
    if (name.starts_with("run-")) (void)options_.disk->Remove(options_.folder + "/" + name);
  }
}

Dedupe::~Dedupe() {
  if (options_.memory == nullptr) return;
  options_.memory->ids -= told_ids_;
  options_.memory->ids_on_disk -= told_ids_on_disk_;
  if (told_ids_on_disk_ > 0) --options_.memory->topics_on_disk;
  options_.memory->bytes -= told_bytes_;
}

void Dedupe::TellMemory() {
  if (options_.memory == nullptr) return;
  const size_t ids = size_ - ids_on_disk_;
  options_.memory->ids += ids - std::exchange(told_ids_, ids);
  const size_t told_on_disk = std::exchange(told_ids_on_disk_, ids_on_disk_);
  options_.memory->ids_on_disk += ids_on_disk_ - told_on_disk;
  if (told_on_disk == 0 && ids_on_disk_ > 0) ++options_.memory->topics_on_disk;
  if (told_on_disk > 0 && ids_on_disk_ == 0) --options_.memory->topics_on_disk;
  const size_t bytes = memory_bytes();
  options_.memory->bytes += bytes - std::exchange(told_bytes_, bytes);
}

bool Dedupe::IsLive(const Slot& slot, size_t shard) const {
  return shard >= live_from_[NumberOf(slot.high_generation)];
}

void Dedupe::MarkLive() {
  live_from_.fill(shards_.size());
  for (const Generation& generation : generations_) {
    live_from_[generation.number] = generation.shards_on_disk;
  }
}

size_t Dedupe::SliceIds() const {
  size_t ids = options_.ids_max / kSlices;
  if (options_.memory != nullptr) ids = std::min(ids, options_.memory->ids_max / 4);
  return std::max(ids, options_.ids_max / kSlicesByNumberMax);
}

void Dedupe::DropOldest() {
  const Generation& oldest = generations_.front();
  size_ -= oldest.ids;
  ids_on_disk_ -= oldest.ids_on_disk;
  generations_.pop_front();
  MarkLive();
}

void Dedupe::ForgetOldest() {
  forgotten_early_ += generations_.front().ids;
  DropOldest();
}

void Dedupe::Spill() {
  for (bool first = true;; first = false) {
    TellMemory();
    const size_t ids_max = options_.memory->IdsMaxNow();
    const auto oldest = std::ranges::find_if(generations_, [&](const Generation& generation) {
      return generation.shards_on_disk < shards_.size();
    });
    if (oldest == generations_.end() || &*oldest == &generations_.back()) return;
    const size_t ids = options_.memory->ids;
    const bool begun = oldest->shards_on_disk > 0;
    if (first ? ids <= ids_max && !begun : ids <= ids_max + ids_max / 8) return;
    const Status spilled = SpillShard(*oldest);
    if (spilled.ok()) continue;
    trace::Error("identities forgotten early",
                 {{"ids", oldest->ids}, {"reason", spilled.error().ToString()}});
    while (&generations_.front() != &*oldest) ForgetOldest();
    ForgetOldest();
  }
}

Status Dedupe::SpillShard(Generation& generation) {
  if (generation.runs == nullptr) {
    SLUICE_RETURN_IF_ERROR(options_.disk->MakeFolders(options_.folder));
    const std::string path = options_.folder + "/run-" + std::to_string(runs_written_++);
    SLUICE_ASSIGN_OR_RETURN(generation.runs, internal::IdentityRuns::Create(*options_.disk, path));
  }
  const size_t number = generation.shards_on_disk;
  std::vector<internal::StoredIdentity> identities;
  Generation& current = generations_.back();
  const ClaimId last = first_open_ + open_.size() - 1;
  for (Slot& slot : std::span(shards_[number].slots.get(), shards_[number].size)) {
    if (NumberOf(slot.high_generation) != generation.number) continue;
    const uint64_t high = slot.high_generation & kHighMask;
    // What is in flight may still be forgotten, so it stays in memory, as if seen just now.
    const ClaimId met = last - ((last - slot.content_claim) & kClaimMask);
    if ((slot.content_claim & kClaimMask) != 0 && FindOpen(met) != nullptr) {
      slot.high_generation = current.number << kGenerationShift | high;
      --generation.ids;
      ++current.ids;
      continue;
    }
    identities.push_back({.id = {slot.low, high | number << kGenerationShift},
                          .content = slot.content_claim >> kClaimBits});
  }
  const size_t ids = identities.size();
  SLUICE_RETURN_IF_ERROR(generation.runs->Add(std::move(identities)));
  ++generation.shards_on_disk;
  generation.ids_on_disk += ids;
  ids_on_disk_ += ids;
  MarkLive();
  if (shards_[number].size > 0) Rebuild(number);
  SLUICE_CHECK(generation.shards_on_disk < shards_.size() ||
               generation.ids_on_disk == generation.ids);
  return {};
}

std::optional<uint64_t> Dedupe::FindOnDisk(const privacy::Hash128& id) {
  const size_t shard = ShardOf(id);
  for (const Generation& generation : generations_) {  // So that their misses wait at once.
    if (shard < generation.shards_on_disk) generation.runs->Prefetch(shard, id);
  }
  for (auto generation = generations_.begin(); generation != generations_.end();) {
    if (shard >= generation->shards_on_disk) {
      ++generation;
      continue;
    }
    const auto found = generation->runs->Find(shard, id);
    if (found.ok()) {
      if (*found) return generation->any_content ? kAnyContent : **found;
      ++generation;
      continue;
    }
    // A cache that cannot be read is none. Whether the identity was in it nobody can tell.
    trace::Error("identities forgotten early",
                 {{"ids", generation->ids}, {"reason", found.error().ToString()}});
    size_ -= generation->ids;
    ids_on_disk_ -= generation->ids_on_disk;
    forgotten_early_ += generation->ids;
    generation = generations_.erase(generation);
    MarkLive();
  }
  return std::nullopt;
}

void Dedupe::Prefetch(const privacy::Hash128& id) const {
  const Shard& shard = shards_[ShardOf(id)];
  if (shard.size > 0) __builtin_prefetch(&shard.slots[shard.Home(id.low)]);
}

std::optional<Dedupe::Slice> Dedupe::ReceivedWithin(const privacy::Hash128& id) const {
  const Slot* const slot = Find(id);
  const size_t shard = ShardOf(id);
  for (const Generation& generation : generations_) {
    bool has = slot != nullptr && NumberOf(slot->high_generation) == generation.number;
    if (slot == nullptr && shard < generation.shards_on_disk) {
      const auto found = generation.runs->Find(shard, id);
      has = found.ok() && *found;  // A file that cannot be read does not know it.
    }
    if (has) return generation.received;
  }
  return std::nullopt;
}

Dedupe::Slot* Dedupe::Find(const privacy::Hash128& id) {
  return const_cast<Slot*>(std::as_const(*this).Find(id));
}

const Dedupe::Slot* Dedupe::Find(const privacy::Hash128& id) const {
  const size_t number = ShardOf(id);
  const Shard& shard = shards_[number];
  if (shard.size == 0) return nullptr;
  for (size_t at = shard.Home(id.low);; at = at + 1 < shard.size ? at + 1 : 0) {
    const Slot& slot = shard.slots[at];
    if (slot.high_generation == 0) return nullptr;
    if (slot.low == id.low && ((slot.high_generation ^ id.high) & kHighMask) == 0 &&
        IsLive(slot, number)) {
      return &slot;
    }
  }
}

Dedupe::Slot* Dedupe::FindOrInsert(const privacy::Hash128& id, bool& is_new) {
  const size_t number = ShardOf(id);
  Shard& shard = shards_[number];
  if ((shard.used + 1) * 4 > shard.size * 3) Rebuild(number);
  size_t at = shard.Home(id.low);
  for (; shard.slots[at].high_generation != 0; at = at + 1 < shard.size ? at + 1 : 0) {
    Slot& slot = shard.slots[at];
    if (slot.low == id.low && ((slot.high_generation ^ id.high) & kHighMask) == 0 &&
        IsLive(slot, number)) {
      is_new = false;
      return &slot;
    }
  }
  Generation& current = generations_.back();
  ++shard.used;
  ++current.ids;
  ++size_;
  is_new = true;
  shard.slots[at] = {.low = id.low,
                     .high_generation = current.number << kGenerationShift | (id.high & kHighMask),
                     .content_claim = 0};
  return &shard.slots[at];
}

void Dedupe::Reserve(size_t ids) {
  ids = std::min(ids, options_.ids_max - std::min(options_.ids_max, size_));
  if (options_.memory != nullptr) {
    const size_t taken = options_.memory->ids;
    ids = std::min(ids, options_.memory->ids_max - std::min(options_.memory->ids_max, taken));
  }
  if (ids < kReservedMin) return;
  for (size_t number = 0; number < shards_.size(); ++number) {
    Rebuild(number, ids / shards_.size() + 1);
  }
  TellMemory();
}

void Dedupe::Rebuild(size_t number, size_t more) {
  Shard& shard = shards_[number];
  const std::span<const Slot> old(shard.slots.get(), shard.size);
  const auto count =
      std::ranges::count_if(old, [&](const Slot& slot) { return IsLive(slot, number); });

  Shard next;
  // Full to 45 %, until it is full to 75 %; with those for which room is made to 64 %, as not every
  // shard gets as many.
  const auto held = static_cast<size_t>(count);
  next.size = std::max({kSlotsMin, held * 20 / 9, (held + more) * 14 / 9});
  next.slots = std::make_unique<Slot[]>(next.size);
  for (const Slot& slot : old) {
    if (!IsLive(slot, number)) continue;
    size_t at = next.Home(slot.low);
    while (next.slots[at].high_generation != 0) at = at + 1 < next.size ? at + 1 : 0;
    next.slots[at] = slot;
  }
  next.used = held;
  shard = std::move(next);
}

void Dedupe::Advance(SeenAt seen) {
  const os::Timestamp now = seen.now;
  const auto slice = options_.horizon / kSlices;
  if (generations_.empty() || now - generations_.back().begin >= slice ||
      generations_.back().ids > SliceIds()) {
    const uint64_t last = generations_.empty() ? 0 : generations_.back().number;
    while (generations_.size() >= kGenerationsMax) ForgetOldest();
    // No slice begins before the one before it, else a time that comes and goes would end one each
    // time that it comes.
    const os::Timestamp begin =
        generations_.empty() ? now : std::max(now, generations_.back().begin);
    generations_.push_back({.begin = begin,
                            .last = begin,
                            .received = {.first = seen.received, .last = seen.received},
                            .number = last % kGenerationNumbers + 1,
                            .ids = 0});
    MarkLive();
    for (size_t i = 0; i < kShardsCleaned; ++i) {
      if (shards_[next_cleaned_].size > 0) Rebuild(next_cleaned_);
      next_cleaned_ = (next_cleaned_ + 1) % shards_.size();
    }
  }
  if (options_.disk != nullptr && options_.memory != nullptr) {
    Spill();
    const DedupeMemory& memory = *options_.memory;
    while (memory.ids_on_disk > memory.ids_on_disk_max &&
           ids_on_disk_ > memory.ids_on_disk_max / memory.topics_on_disk) {
      ForgetOldest();
      TellMemory();
    }
  }
  // Where time goes back, as between files that are restored, what comes goes into a later slice
  // and is held for longer: so the oldest slice ends first.
  while (generations_.size() > 1 && now - generations_.front().last > options_.horizon) {
    DropOldest();
  }
  while (generations_.size() > 1 && size_ > options_.ids_max) ForgetOldest();
  Generation& current = generations_.back();
  current.last = std::max(current.last, now);
  current.received.first = std::min(current.received.first, seen.received);
  current.received.last = std::max(current.received.last, seen.received);
  advanced_to_ = seen;
  TellMemory();
}

Dedupe::ClaimId Dedupe::Begin() {
  SLUICE_CHECK(open_.size() < kClaimMask);
  open_.emplace_back();
  ClaimId claim = first_open_ + open_.size() - 1;
  if ((claim & kClaimMask) != 0) return claim;
  open_.back().settled = true;  // This number means something else.
  open_.emplace_back();
  return claim + 1;
}

Dedupe::Open* Dedupe::FindOpen(ClaimId claim) {
  if (claim < first_open_ || claim >= first_open_ + open_.size()) return nullptr;
  Open& open = open_[claim - first_open_];
  return open.settled ? nullptr : &open;
}

Dedupe::Answer Dedupe::Claim(ClaimId claim, const privacy::Hash128& id, uint64_t content,
                             SeenAt seen) {
  if (seen != advanced_to_ || generations_.back().ids > SliceIds()) Advance(seen);
  if (ids_on_disk_ > 0 && Find(id) == nullptr) {
    if (const auto before = FindOnDisk(id)) return {.verdict = Compare(*before, content)};
  }
  bool is_new = false;
  Slot* const slot = FindOrInsert(id, is_new);
  if (is_new) {
    slot->content_claim = content << kClaimBits | (claim & kClaimMask);
    Open* const open = claim == first_open_ + open_.size() - 1 ? &open_.back() : FindOpen(claim);
    open->ids.push_back(id);
    return {.verdict = Verdict::kNew};
  }
  if (Compare(slot->content_claim >> kClaimBits, content) == Verdict::kOtherContent) {
    return {.verdict = Verdict::kOtherContent};
  }
  if ((slot->content_claim & kClaimMask) == 0) return {.verdict = Verdict::kDuplicate};
  // The newest claim of that number. Should it be another one, a million claims later, then the
  // duplicate waits for an outcome that is not its own, which is slow but never wrong.
  const ClaimId last = first_open_ + open_.size() - 1;
  const ClaimId met = last - ((last - slot->content_claim) & kClaimMask);
  if (FindOpen(met) == nullptr) return {.verdict = Verdict::kDuplicate};
  return {.verdict = Verdict::kInFlight, .claim = met};
}

Dedupe::Verdict Dedupe::Look(const privacy::Hash128& id, uint64_t content) const {
  if (const Slot* const slot = Find(id)) {
    return Compare(slot->content_claim >> kClaimBits, content);
  }
  const size_t shard = ShardOf(id);
  for (const Generation& generation : generations_) {
    if (shard >= generation.shards_on_disk) continue;
    const auto found = generation.runs->Find(shard, id);
    if (!found.ok() || !*found) continue;  // A file that cannot be read does not know it.
    return Compare(generation.any_content ? kAnyContent : **found, content);
  }
  return Verdict::kNew;
}

std::vector<std::function<void(bool)>> Dedupe::Settle(ClaimId claim, bool durable) {
  Open* const open = FindOpen(claim);
  if (open == nullptr) return {};
  if (!durable) {
    for (const privacy::Hash128& id : open->ids) {
      Slot* const slot = Find(id);
      // Beyond the horizon by now, and perhaps claimed again.
      if (slot == nullptr || ((slot->content_claim ^ claim) & kClaimMask) != 0) continue;
      --std::ranges::find(generations_, NumberOf(slot->high_generation), &Generation::number)->ids;
      --size_;
      slot->high_generation = kForgotten << kGenerationShift | (id.high & kHighMask);
    }
  }
  auto waiters = std::move(open->waiters);
  *open = {};
  open->settled = true;
  while (!open_.empty() && open_.front().settled) {
    open_.pop_front();
    ++first_open_;
  }
  TellMemory();
  return waiters;
}

std::vector<Dedupe::ClaimId> Dedupe::Unsettled() const {
  std::vector<ClaimId> claims;
  for (size_t i = 0; i < open_.size(); ++i) {
    if (!open_[i].settled) claims.push_back(first_open_ + i);
  }
  return claims;
}

void Dedupe::Await(ClaimId claim, std::function<void(bool)> done) {
  Open* const open = FindOpen(claim);
  SLUICE_CHECK(open != nullptr);
  open->waiters.push_back(std::move(done));
}

void Dedupe::Restore(const privacy::Hash128& id, uint64_t content, SeenAt seen) {
  if (seen != advanced_to_ || generations_.back().ids > SliceIds()) Advance(seen);
  bool is_new = false;
  Slot* const slot = FindOrInsert(id, is_new);
  if (is_new) slot->content_claim = content << kClaimBits;
}

void Dedupe::ForgetContents() {
  for (Generation& generation : generations_)
    generation.any_content = generation.shards_on_disk > 0;
  for (Shard& shard : shards_) {
    for (size_t i = 0; i < shard.size; ++i) shard.slots[i].content_claim &= kClaimMask;
  }
}

size_t Dedupe::size() const { return size_; }

size_t Dedupe::memory_bytes() const {
  size_t bytes = 0;
  for (const Shard& shard : shards_) bytes += shard.size * sizeof(Slot);
  for (const Generation& generation : generations_) {
    if (generation.runs != nullptr) bytes += generation.runs->memory_bytes();
  }
  return bytes;
}

std::chrono::microseconds Dedupe::Held(os::Timestamp now) const {
  if (generations_.empty()) return options_.horizon;
  return std::min<std::chrono::microseconds>(options_.horizon, now - generations_.front().begin);
}

}  // namespace sluice::ingest
