#include "sluice/ingest/dedupe.h"

#include <algorithm>
#include <span>
#include <utility>

#include "sluice/base/check.h"

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
constexpr int kSlices = 8;

uint64_t NumberOf(uint64_t high_generation) { return high_generation >> kGenerationShift; }

}  // namespace

// Keeps the order of the hashes, so that a rebuild walks through both tables from front to back.
size_t Dedupe::Shard::Home(uint64_t low) const {
  constexpr uint64_t kSpread = 0x9E3779B97F4A7C15;
  return static_cast<size_t>(((low * kSpread) >> 32) * size >> 32);
}

size_t Dedupe::ShardOf(const privacy::Hash128& id) { return id.high >> kGenerationShift; }

bool Dedupe::IsLive(const Slot& slot) const {
  const uint64_t number = NumberOf(slot.high_generation);
  if (number == kForgotten || generations_.empty()) return false;
  const uint64_t age =
      (generations_.back().number + kGenerationNumbers - number) % kGenerationNumbers;
  return age < generations_.size();
}

void Dedupe::Prefetch(const privacy::Hash128& id) const {
  const Shard& shard = shards_[ShardOf(id)];
  if (shard.size > 0) __builtin_prefetch(&shard.slots[shard.Home(id.low)]);
}

Dedupe::Slot* Dedupe::Find(const privacy::Hash128& id) {
  Shard& shard = shards_[ShardOf(id)];
  if (shard.size == 0) return nullptr;
  for (size_t at = shard.Home(id.low);; at = at + 1 < shard.size ? at + 1 : 0) {
    Slot& slot = shard.slots[at];
    if (slot.high_generation == 0) return nullptr;
    if (slot.low == id.low && ((slot.high_generation ^ id.high) & kHighMask) == 0 && IsLive(slot)) {
      return &slot;
    }
  }
}

Dedupe::Slot* Dedupe::FindOrInsert(const privacy::Hash128& id, bool& is_new) {
  Shard& shard = shards_[ShardOf(id)];
  if ((shard.used + 1) * 4 > shard.size * 3) Rebuild(shard);
  size_t at = shard.Home(id.low);
  for (; shard.slots[at].high_generation != 0; at = at + 1 < shard.size ? at + 1 : 0) {
    Slot& slot = shard.slots[at];
    if (slot.low == id.low && ((slot.high_generation ^ id.high) & kHighMask) == 0 && IsLive(slot)) {
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

void Dedupe::Rebuild(Shard& shard) {
  std::array<bool, kForgotten + 1> live{};  // By generation.
  for (const Generation& generation : generations_) live[generation.number] = true;
  const std::span<const Slot> old(shard.slots.get(), shard.size);
  const auto count = std::ranges::count_if(
      old, [&](const Slot& slot) { return live[NumberOf(slot.high_generation)]; });

  Shard next;
  // Full to 45 %, until it is full to 75 %.
  next.size = std::max(kSlotsMin, static_cast<size_t>(count) * 20 / 9);
  next.slots = std::make_unique<Slot[]>(next.size);
  for (const Slot& slot : old) {
    if (!live[NumberOf(slot.high_generation)]) continue;
    size_t at = next.Home(slot.low);
    while (next.slots[at].high_generation != 0) at = at + 1 < next.size ? at + 1 : 0;
    next.slots[at] = slot;
  }
  next.used = static_cast<size_t>(count);
  shard = std::move(next);
}

void Dedupe::Advance(os::Timestamp now) {
  const auto slice = options_.horizon / kSlices;
  if (generations_.empty() || now - generations_.back().begin >= slice ||
      generations_.back().ids > options_.ids_max / kSlices) {
    const uint64_t last = generations_.empty() ? 0 : generations_.back().number;
    generations_.push_back(
        {.begin = now, .last = now, .number = last % kGenerationNumbers + 1, .ids = 0});
    SLUICE_CHECK(generations_.size() < kGenerationNumbers);
  }
  // Received time never goes back, so the oldest slice ends first.
  while (generations_.size() > 1 &&
         (now - generations_.front().last > options_.horizon || size_ > options_.ids_max)) {
    size_ -= generations_.front().ids;
    generations_.pop_front();
  }
  generations_.back().last = std::max(generations_.back().last, now);
  advanced_to_ = now;
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
                             os::Timestamp now) {
  if (now != advanced_to_ || generations_.back().ids > options_.ids_max / kSlices) Advance(now);
  bool is_new = false;
  Slot* const slot = FindOrInsert(id, is_new);
  if (is_new) {
    slot->content_claim = content << kClaimBits | (claim & kClaimMask);
    Open* const open = claim == first_open_ + open_.size() - 1 ? &open_.back() : FindOpen(claim);
    open->ids.push_back(id);
    return {.verdict = Verdict::kNew};
  }
  const uint64_t before = slot->content_claim >> kClaimBits;
  const uint64_t after = content << kClaimBits >> kClaimBits;
  if (before != after && before != kAnyContent && after != kAnyContent) {
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

std::vector<std::function<void(bool)>> Dedupe::Settle(ClaimId claim, bool durable) {
  Open* const open = FindOpen(claim);
  if (open == nullptr) return {};
  if (!durable) {
    for (const privacy::Hash128& id : open->ids) {
      Slot* const slot = Find(id);
      // Beyond the horizon by now, and perhaps claimed again.
      if (slot == nullptr || ((slot->content_claim ^ claim) & kClaimMask) != 0) continue;
      const uint64_t age =
          generations_.back().number + kGenerationNumbers - NumberOf(slot->high_generation);
      --generations_[generations_.size() - 1 - age % kGenerationNumbers].ids;
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
  return waiters;
}

void Dedupe::Await(ClaimId claim, std::function<void(bool)> done) {
  Open* const open = FindOpen(claim);
  SLUICE_CHECK(open != nullptr);
  open->waiters.push_back(std::move(done));
}

void Dedupe::Restore(const privacy::Hash128& id, uint64_t content, os::Timestamp received) {
  Advance(received);
  bool is_new = false;
  Slot* const slot = FindOrInsert(id, is_new);
  if (is_new) slot->content_claim = content << kClaimBits;
}

void Dedupe::ForgetContents() {
  for (Shard& shard : shards_) {
    for (size_t i = 0; i < shard.size; ++i) shard.slots[i].content_claim &= kClaimMask;
  }
}

size_t Dedupe::size() const { return size_; }

std::chrono::microseconds Dedupe::Held(os::Timestamp now) const {
  if (generations_.empty()) return options_.horizon;
  return std::min<std::chrono::microseconds>(options_.horizon, now - generations_.front().begin);
}

}  // namespace sluice::ingest
