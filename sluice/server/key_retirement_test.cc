#include "sluice/server/key_retirement.h"

#include <gtest/gtest.h>

#include <optional>

#include "sluice/os/random.h"
#include "sluice/os/simulated_disk.h"

namespace sluice::server {
namespace {

constexpr std::chrono::hours kDay{24};
constexpr int32_t kToday = 20'000;

class KeyRetirementTest : public testing::Test {
 protected:
  KeyRetirementTest() {
    keys_.emplace(*privacy::Keys::LoadOrMake(disk_, "keys", random_));
    EXPECT_TRUE(keys_->DestroySealingKeysBefore(kToday).ok());
  }
  /// The first day with a key, after so many calls.
  int32_t FirstAfter(int calls) {
    for (int i = 0; i < calls; ++i) EXPECT_TRUE(RetireSealingKey(*keys_, clock_, 30 * kDay).ok());
    return keys_->FirstSealingDay();
  }

  os::SimulatedDisk disk_;
  os::SimulatedRandom random_{1};
  os::SimulatedClock wall_{os::Timestamp(kToday * kDay)};
  os::ExpiryClock clock_{wall_};
  std::optional<privacy::Keys> keys_;
};

TEST_F(KeyRetirementTest, DestroysOneKeyACallWhenItsTimeIsOver) {
  EXPECT_EQ(FirstAfter(5), kToday);
  wall_.Advance(30 * kDay);
  EXPECT_EQ(FirstAfter(5), kToday);
  wall_.Advance(3 * kDay);
  EXPECT_EQ(FirstAfter(1), kToday + 1);
  EXPECT_EQ(FirstAfter(5), kToday + 3);
}

TEST_F(KeyRetirementTest, AClockThatJumpedDestroysNone) {
  wall_.SetWall(wall_.Now() + 3650 * kDay);
  EXPECT_EQ(FirstAfter(100), kToday);
  wall_.Advance(31 * kDay);
  EXPECT_EQ(FirstAfter(100), kToday + 1) << "but for those whose time has passed";
  ASSERT_TRUE(clock_.Trust().ok());
  EXPECT_EQ(FirstAfter(2), kToday + 3) << "somebody said that it is right";
}

}  // namespace
}  // namespace sluice::server
