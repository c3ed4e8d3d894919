#pragma once
/// \file
/// Bytes of memory that many share.

#include <atomic>
#include <cstdint>
#include <memory>
#include <utility>

namespace sluice {

/// How many bytes may be taken, and how many are. Leases take them.
///
/// Thread-safe.
class ByteBudget {
 public:
  explicit ByteBudget(uint64_t bytes_max) : bytes_max_(bytes_max) {}

  uint64_t taken() const { return taken_.load(std::memory_order_relaxed); }
  /// Whether so many more could be taken now. The first taker always can, however much it is.
  bool HasRoom(uint64_t bytes) const {
    const uint64_t taken_now = taken();
    return taken_now == 0 || (taken_now <= bytes_max_ && bytes <= bytes_max_ - taken_now);
  }

 private:
  friend class ByteLease;

  /// `own` bytes are the caller's: who is alone may have more than there is.
  bool Take(uint64_t bytes, uint64_t own) {
    uint64_t before = taken();
    do {
      const bool fits = before <= bytes_max_ && bytes <= bytes_max_ - before;
      if (!fits && before > own) return false;
    } while (!taken_.compare_exchange_weak(before, before + bytes, std::memory_order_relaxed));
    return true;
  }
  void Return(uint64_t bytes) { taken_.fetch_sub(bytes, std::memory_order_relaxed); }

  const uint64_t bytes_max_;
  std::atomic<uint64_t> taken_{0};
};

/// What one taker has of a budget; returned when it goes.
///
/// Not thread-safe: one at a time uses it.
class ByteLease {
 public:
  /// Without a budget everything is granted.
  explicit ByteLease(std::shared_ptr<ByteBudget> budget) : budget_(std::move(budget)) {}
  ~ByteLease() { Shrink(0); }
  ByteLease(const ByteLease&) = delete;
  ByteLease& operator=(const ByteLease&) = delete;

  /// Takes so many more. False: there are not as many; nothing has changed.
  bool Grow(uint64_t bytes) {
    if (budget_ == nullptr) return true;
    if (!budget_->Take(bytes, bytes_)) return false;
    bytes_ += bytes;
    return true;
  }
  /// Returns what is beyond `bytes`.
  void Shrink(uint64_t bytes) {
    if (bytes >= bytes_) return;
    budget_->Return(bytes_ - bytes);
    bytes_ = bytes;
  }
  uint64_t bytes() const { return bytes_; }

 private:
  const std::shared_ptr<ByteBudget> budget_;
  uint64_t bytes_ = 0;
};

}  // namespace sluice
