#pragma once
/// \file
/// Exact decimal numbers as text.

#include <cstdint>
#include <string_view>

namespace sluice::decode::internal {

/// A Decimal128 as Arrow stores it: two's complement, little-endian.
struct DecimalBits {
  uint64_t low = 0;
  uint64_t high = 0;
};

enum class DecimalVerdict : uint8_t {
  kRead,
  kNoNumber,  ///< Not a number by the grammar of JSON.
  kTooLarge,  ///< More digits in front of the point than there is room for.
  kTooFine,   ///< Digits behind the point that would be lost.
};

/// Reads a number by the grammar of JSON, such as `-12.50` or `1e3`, times 10^`scale`. Nothing is
/// rounded: digits that do not fit are a verdict. `precision`: digits in all, at most 38.
DecimalVerdict ReadDecimal(std::string_view text, int precision, int scale, DecimalBits& out);

}  // namespace sluice::decode::internal
