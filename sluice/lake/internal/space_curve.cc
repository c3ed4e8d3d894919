#include "sluice/lake/internal/space_curve.h"

#include <array>

#include "sluice/base/check.h"

namespace sluice::lake::internal {

uint64_t ZOrderPlace(std::span<const uint32_t> point) {
  uint64_t place = 0;
  for (int bit = kCurveBits - 1; bit >= 0; --bit) {
    for (const uint32_t coordinate : point) place = place << 1 | (coordinate >> bit & 1);
  }
  return place;
}

uint64_t HilbertPlace(std::span<const uint32_t> point) {
  SLUICE_CHECK(!point.empty() && point.size() <= kCurveDimensionsMax);
  std::array<uint32_t, kCurveDimensionsMax> axes{};
  const size_t n = point.size();
  for (size_t i = 0; i < n; ++i) axes[i] = point[i];
  constexpr uint32_t kTop = 1u << (kCurveBits - 1);
  // Rotations and reflections of each level undone, from the coarsest on.
  for (uint32_t level = kTop; level > 1; level >>= 1) {
    const uint32_t below = level - 1;
    for (size_t i = 0; i < n; ++i) {
      if ((axes[i] & level) != 0) {
        axes[0] ^= below;
      } else {
        const uint32_t swapped = (axes[0] ^ axes[i]) & below;
        axes[0] ^= swapped;
        axes[i] ^= swapped;
      }
    }
  }
  // Gray code.
  for (size_t i = 1; i < n; ++i) axes[i] ^= axes[i - 1];
  uint32_t flips = 0;
  for (uint32_t level = kTop; level > 1; level >>= 1) {
    if ((axes[n - 1] & level) != 0) flips ^= level - 1;
  }
  for (size_t i = 0; i < n; ++i) axes[i] ^= flips;
  return ZOrderPlace(std::span(axes).first(n));
}

}  // namespace sluice::lake::internal
