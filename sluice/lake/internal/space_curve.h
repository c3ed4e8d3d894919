#pragma once
/// \file
/// Curves through spaces of several dimensions: points near each other on one are near each other
/// in all of them.

#include <cstdint>
#include <span>

namespace sluice::lake::internal {

/// Bits of one coordinate.
inline constexpr int kCurveBits = 10;
/// Of points; so that a place on a curve fits 64 bits.
inline constexpr int kCurveDimensionsMax = 4;

/// Returns the place of a point on the Z-order curve: the bits of its coordinates in turns, the
/// first coordinate's first. Each is less than 1 << kCurveBits.
uint64_t ZOrderPlace(std::span<const uint32_t> point);

/// Returns the place of a point on the Hilbert curve, on which each step leads to a neighbour
/// (J. Skilling, "Programming the Hilbert curve", AIP Conference Proceedings 707, 2004).
uint64_t HilbertPlace(std::span<const uint32_t> point);

}  // namespace sluice::lake::internal
