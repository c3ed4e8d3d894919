#include "sluice/ledger/offset_set.h"

#include <algorithm>
#include <bit>

#include "sluice/base/check.h"

namespace sluice::ledger {

namespace {

constexpr int64_t kBits = 64;

}  // namespace

OffsetSet::OffsetSet(OffsetRange range)
    : range_(range), words_(static_cast<size_t>((range.size() + kBits - 1) / kBits)) {
  SLUICE_CHECK(range.begin <= range.end);
}

bool OffsetSet::Has(int64_t offset) const {
  const auto at = static_cast<uint64_t>(offset - range_.begin);
  return (words_[at / kBits] >> (at % kBits) & 1) != 0;
}

bool OffsetSet::Add(int64_t offset) {
  const auto at = static_cast<uint64_t>(offset - range_.begin);
  const uint64_t bit = uint64_t{1} << (at % kBits);
  uint64_t& word = words_[at / kBits];
  if ((word & bit) != 0) return false;
  word |= bit;
  ++size_;
  return true;
}

bool OffsetSet::Remove(int64_t offset) {
  if (!Has(offset)) return false;
  const auto at = static_cast<uint64_t>(offset - range_.begin);
  words_[at / kBits] &= ~(uint64_t{1} << (at % kBits));
  --size_;
  return true;
}

std::optional<int64_t> OffsetSet::Find(int64_t from, uint64_t flip) const {
  if (from < range_.begin) from = range_.begin;
  if (from >= range_.end) return std::nullopt;
  const auto at = static_cast<uint64_t>(from - range_.begin);
  size_t index = at / kBits;
  uint64_t word = (words_[index] ^ flip) & (~uint64_t{0} << (at % kBits));
  while (word == 0) {
    if (++index == words_.size()) return std::nullopt;
    word = words_[index] ^ flip;
  }
  const int64_t found = range_.begin + static_cast<int64_t>(index) * kBits + std::countr_zero(word);
  return found < range_.end ? std::optional(found) : std::nullopt;
}

std::optional<int64_t> OffsetSet::FirstMissing(int64_t from) const {
  return Find(from, ~uint64_t{0});
}

std::optional<int64_t> OffsetSet::First(int64_t from) const { return Find(from, 0); }

}  // namespace sluice::ledger
