#include "sluice/os/clock.h"

#include <gtest/gtest.h>

namespace sluice::os {
namespace {

using std::chrono::hours;
using std::chrono::seconds;

TEST(SystemClockTest, GoesForward) {
  const SystemClock clock;
  const Monotonic before = clock.Steady();
  EXPECT_GT(clock.Now(), Timestamp(std::chrono::sys_days{std::chrono::year(2024) / 1 / 1}));
  EXPECT_GE(clock.Steady(), before);
}

TEST(SimulatedClockTest, MovesWhenTold) {
  SimulatedClock clock(Timestamp(hours(1)));
  clock.Advance(seconds(5));
  EXPECT_EQ(clock.Now(), Timestamp(hours(1) + seconds(5)));
  EXPECT_EQ(clock.Steady().time_since_epoch(), seconds(5));
  clock.SetWall(Timestamp(seconds(1)));
  EXPECT_EQ(clock.Now(), Timestamp(seconds(1)));
  EXPECT_EQ(clock.Steady().time_since_epoch(), seconds(5));
}

}  // namespace
}  // namespace sluice::os
