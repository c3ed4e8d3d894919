#include "sluice/ingest/dedupe.h"

#include <algorithm>
#include <utility>

namespace sluice::ingest {
namespace {

constexpr uint32_t kFree = 0;
constexpr uint32_t kDurable = 1;
constexpr uint32_t kForgotten = 2;
constexpr uint32_t kClaimBase = 3;
constexpr size_t kSlotsMin = 1 << 10;
constexpr int kGenerations = 8;

}  // namespace

Dedupe::Entry* Dedupe::Generation::Find(const privacy::Hash128& id) {
  if (slots.empty()) return nullptr;
  const size_t mask = slots.size() - 1;
  for (size_t at = id.low & mask;; at = (at + 1) & mask) {
    Entry& entry = slots[at];
    if (entry.state == kFree) return nullptr;
    if (entry.id == id && entry.state != kForgotten) return &entry;
  }
}

void Dedupe::Generation::Grow() {
  std::vector<Entry> old =
      std::exchange(slots, std::vector<Entry>(std::max(kSlotsMin, slots.size() * 2)));
  used = 0;
  for (const Entry& entry : old) {
    if (entry.state != kFree && entry.state != kForgotten) *Insert(entry.id) = entry;
  }
}

Dedupe::Entry* Dedupe::Generation::Insert(const privacy::Hash128& id) {
  if ((used + 1) * 4 > slots.size() * 3) Grow();
  const size_t mask = slots.size() - 1;
  size_t at = id.low & mask;
  while (slots[at].state != kFree) at = (at + 1) & mask;
  ++used;
  slots[at].id = id;
  return &slots[at];
}

Dedupe::Entry* Dedupe::Find(const privacy::Hash128& id) {
  for (auto generation = generations_.rbegin(); generation != generations_.rend(); ++generation) {
    if (Entry* const entry = generation->Find(id)) return entry;
  }
  return nullptr;
}

Dedupe::Generation& Dedupe::Current(os::Timestamp now) {
  const auto slice = options_.horizon / kGenerations;
  if (generations_.empty() || now - generations_.back().begin >= slice) {
    generations_.push_back({.begin = now, .last = now, .slots = {}, .used = 0});
  }
  // Received time never goes back, so the oldest slice ends first.
  while (generations_.size() > 1 &&
         (now - generations_.front().last > options_.horizon || size() > options_.ids_max)) {
    generations_.pop_front();
  }
  Generation& current = generations_.back();
  current.last = std::max(current.last, now);
  return current;
}

Dedupe::Answer Dedupe::Claim(ClaimId claim, const privacy::Hash128& id, uint64_t content,
                             os::Timestamp now) {
  Generation& current = Current(now);
  if (const Entry* const seen = Find(id)) {
    if (seen->content != content) return {.verdict = Verdict::kOtherContent};
    if (seen->state == kDurable) return {.verdict = Verdict::kDuplicate};
    return {.verdict = Verdict::kInFlight, .claim = seen->state - kClaimBase};
  }
  Entry* const entry = current.Insert(id);
  entry->content = content;
  entry->state = kClaimBase + claim;
  open_[claim].ids.push_back(id);
  return {.verdict = Verdict::kNew};
}

std::vector<std::function<void(bool)>> Dedupe::Settle(ClaimId claim, bool durable) {
  const auto found = open_.find(claim);
  if (found == open_.end()) return {};
  for (const privacy::Hash128& id : found->second.ids) {
    if (Entry* const entry = Find(id); entry != nullptr && entry->state == kClaimBase + claim) {
      entry->state = durable ? kDurable : kForgotten;
    }
  }
  auto waiters = std::move(found->second.waiters);
  open_.erase(found);
  return waiters;
}

void Dedupe::Await(ClaimId claim, std::function<void(bool)> done) {
  open_[claim].waiters.push_back(std::move(done));
}

void Dedupe::Restore(const privacy::Hash128& id, uint64_t content, os::Timestamp received) {
  Generation& current = Current(received);
  if (Find(id) != nullptr) return;
  Entry* const entry = current.Insert(id);
  entry->content = content;
  entry->state = kDurable;
}

size_t Dedupe::size() const {
  size_t total = 0;
  for (const Generation& generation : generations_) total += generation.used;
  return total;
}

std::chrono::microseconds Dedupe::Held(os::Timestamp now) const {
  if (generations_.empty()) return options_.horizon;
  return std::min<std::chrono::microseconds>(options_.horizon, now - generations_.front().begin);
}

}  // namespace sluice::ingest
