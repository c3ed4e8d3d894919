#pragma once
/// \file
/// Where the values of a column stood lately, so that equal ones are computed once.

#include <arrow/array/array_binary.h>

#include <array>
#include <bit>
#include <cstdint>
#include <cstring>
#include <optional>
#include <string_view>

namespace sluice::privacy::internal {

/// Of one column of text or bytes. Not thread-safe.
class RecentValues {
 public:
  /// The array must outlive it.
  explicit RecentValues(const arrow::BinaryArray& values) : values_(values) {
    slots_.fill({-1, 0});
  }

  /// An earlier row with an equal value, if it is still remembered; remembers `row` for it then.
  std::optional<int64_t> Find(std::string_view value, int64_t row) {
    const uint64_t mixed = Mix(value);
    Slot& slot = slots_[mixed % slots_.size()];
    const auto tag = static_cast<uint32_t>(mixed >> 32);
    if (slot.tag == tag && slot.row >= 0 && values_.GetView(slot.row) == value) return slot.row;
    slot = {row, tag};
    return std::nullopt;
  }

 private:
  struct Slot {
    int64_t row;
    uint32_t tag;  // Most unequal values are told apart by it.
  };

  // Both ends of a value and its size tell most values apart.
  static uint64_t Mix(std::string_view value) {
    uint64_t first = 0;
    uint64_t last = 0;
    if (value.size() >= sizeof(first)) {
      std::memcpy(&first, value.data(), sizeof(first));
      std::memcpy(&last, value.data() + value.size() - sizeof(last), sizeof(last));
    } else if (!value.empty()) {
      std::memcpy(&first, value.data(), value.size());
    }
    const uint64_t mixed = (first ^ std::rotl(last, 23) ^ value.size()) * 0x9E3779B97F4A7C15u;
    return mixed ^ mixed >> 32 ^ mixed >> 48;
  }

  const arrow::BinaryArray& values_;
  std::array<Slot, 1024> slots_;
};

}  // namespace sluice::privacy::internal
