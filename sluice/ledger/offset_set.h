#pragma once
/// \file
/// A set of offsets out of a range, a bit each.

#include <cstdint>
#include <optional>
#include <vector>

namespace sluice::ledger {

/// A half-open range of offsets.
struct OffsetRange {
  int64_t begin = 0;
  int64_t end = 0;

  int64_t size() const { return end - begin; }
  bool operator==(const OffsetRange&) const = default;
};

/// Offsets of a range, of which a bit each is kept. Not thread-safe.
class OffsetSet {
 public:
  explicit OffsetSet(OffsetRange range);

  const OffsetRange& range() const { return range_; }
  /// How many are in it.
  int64_t size() const { return size_; }
  /// Whether `offset`, which must be in the range, is in the set.
  bool Has(int64_t offset) const;
  /// Adds an offset of the range; returns whether it was not in the set.
  bool Add(int64_t offset);
  /// Takes an offset of the range out; returns whether it was in the set.
  bool Remove(int64_t offset);
  /// Returns the first offset from `from` on that is not in the set.
  std::optional<int64_t> FirstMissing(int64_t from) const;
  /// Returns the first offset from `from` on that is in the set.
  std::optional<int64_t> First(int64_t from) const;

 private:
  std::optional<int64_t> Find(int64_t from, uint64_t flip) const;

  OffsetRange range_;
  int64_t size_ = 0;
  std::vector<uint64_t> words_;
};

}  // namespace sluice::ledger
