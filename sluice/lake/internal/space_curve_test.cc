#include "sluice/lake/internal/space_curve.h"

#include <gtest/gtest.h>

#include <array>
#include <cstdlib>
#include <map>

namespace sluice::lake::internal {
namespace {

TEST(SpaceCurveTest, ZOrderTakesBitsInTurns) {
  EXPECT_EQ(ZOrderPlace(std::array<uint32_t, 2>{0, 0}), 0u);
  EXPECT_EQ(ZOrderPlace(std::array<uint32_t, 2>{0, 1}), 1u);
  EXPECT_EQ(ZOrderPlace(std::array<uint32_t, 2>{1, 0}), 2u);
  EXPECT_EQ(ZOrderPlace(std::array<uint32_t, 2>{3, 1}), 0b1011u);
  EXPECT_EQ(ZOrderPlace(std::array<uint32_t, 3>{1, 1, 0}), 0b110u);
}

TEST(SpaceCurveTest, HilbertVisitsEachPointOnceAndStepsToNeighbours) {
  // The lowest places fill a square at the origin of any power of two.
  for (const uint32_t side : {2u, 16u, 64u}) {
    std::map<uint64_t, std::array<uint32_t, 2>> by_place;
    for (uint32_t x = 0; x < side; ++x) {
      for (uint32_t y = 0; y < side; ++y) {
        const std::array<uint32_t, 2> point{x, y};
        EXPECT_TRUE(by_place.emplace(HilbertPlace(point), point).second) << x << " " << y;
      }
    }
    EXPECT_EQ(by_place.begin()->first, 0u);
    EXPECT_EQ(by_place.rbegin()->first, uint64_t{side} * side - 1);
    const std::array<uint32_t, 2>* last = nullptr;
    for (const auto& [place, point] : by_place) {
      if (last != nullptr) {
        const int dx = std::abs(static_cast<int>(point[0]) - static_cast<int>((*last)[0]));
        const int dy = std::abs(static_cast<int>(point[1]) - static_cast<int>((*last)[1]));
        EXPECT_EQ(dx + dy, 1) << place;
      }
      last = &point;
    }
  }
}

TEST(SpaceCurveTest, HilbertStepsToNeighboursInThreeDimensions) {
  constexpr uint32_t kSide = 8;
  std::map<uint64_t, std::array<uint32_t, 3>> by_place;
  for (uint32_t x = 0; x < kSide; ++x) {
    for (uint32_t y = 0; y < kSide; ++y) {
      for (uint32_t z = 0; z < kSide; ++z) {
        const std::array<uint32_t, 3> point{x, y, z};
        by_place.emplace(HilbertPlace(point), point);
      }
    }
  }
  ASSERT_EQ(by_place.size(), kSide * kSide * kSide);
  const std::array<uint32_t, 3>* last = nullptr;
  for (const auto& [place, point] : by_place) {
    int steps = 0;
    for (size_t i = 0; i < 3 && last != nullptr; ++i) {
      steps += std::abs(static_cast<int>(point[i]) - static_cast<int>((*last)[i]));
    }
    EXPECT_EQ(steps, last == nullptr ? 0 : 1) << place;
    last = &point;
  }
}

}  // namespace
}  // namespace sluice::lake::internal
