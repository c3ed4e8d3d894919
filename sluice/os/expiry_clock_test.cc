#include "sluice/os/expiry_clock.h"

#include <gtest/gtest.h>

#include <optional>

#include "sluice/os/simulated_disk.h"

namespace sluice::os {
namespace {

using std::chrono::hours;
using std::chrono::microseconds;
using std::chrono::minutes;

constexpr hours kYears{24 * 365 * 10};
constexpr hours kDay{24};
const Timestamp kStart{hours(24 * 20'000)};

class ExpiryClockTest : public testing::Test {
 protected:
  void SetAhead(microseconds by) { wall_.SetWall(wall_.Now() + by); }
  /// Another process, after the machine was off.
  void Restart(microseconds off) {
    wall_.Advance(off);
    clock_.emplace(wall_);
    const Status opened = clock_->Open(disk_, "clock");
    ASSERT_TRUE(opened.ok()) << opened.error().ToString();
  }

  SimulatedDisk disk_;
  SimulatedClock wall_{kStart};
  std::optional<ExpiryClock> clock_{wall_};
};

TEST_F(ExpiryClockTest, FollowsTheWallClock) {
  EXPECT_EQ(clock_->Now(), kStart);
  for (int i = 0; i < 10; ++i) {
    wall_.Advance(kDay);
    EXPECT_EQ(clock_->Now(), wall_.Now());
    EXPECT_EQ(clock_->Counted(), wall_.Now());
  }
  SetAhead(minutes(30));
  EXPECT_EQ(clock_->Jump(), microseconds(0)) << "a time server's";
  wall_.Advance(minutes(20));
  EXPECT_EQ(clock_->Now(), wall_.Now() - minutes(10)) << "caught up with";
  wall_.Advance(minutes(20));
  EXPECT_EQ(clock_->Now(), wall_.Now());
  const Timestamp before = clock_->Now();
  SetAhead(-minutes(30));
  EXPECT_EQ(clock_->Now(), wall_.Now()) << "never after the wall clock";
  wall_.Advance(minutes(40));
  EXPECT_EQ(clock_->Now(), before + minutes(10));
  EXPECT_EQ(clock_->Jump(), microseconds(0));
}

TEST_F(ExpiryClockTest, AJumpMakesNothingOld) {
  for (const hours by : {kYears, hours(2), -kYears}) {
    const Timestamp before = clock_->Now();
    SetAhead(by);
    EXPECT_EQ(clock_->Jump(), by);
    EXPECT_LE(clock_->Now(), before);
    wall_.Advance(24 * kDay);
    EXPECT_LE(clock_->Now(), before + 24 * kDay) << "only what has passed counts";
    EXPECT_EQ(clock_->Jump(), by);
    SetAhead(-by);
    EXPECT_EQ(clock_->Jump(), microseconds(0)) << "set right";
    EXPECT_EQ(clock_->Now(), before + 24 * kDay);
  }
}

TEST_F(ExpiryClockTest, SmallJumpsDoNotAddUp) {
  const Timestamp before = clock_->Now();
  for (int i = 0; i < 100; ++i) {
    SetAhead(minutes(59));
    wall_.Advance(minutes(1));
    EXPECT_LE(clock_->Now(), before + minutes(2 * (i + 1)));
  }
  EXPECT_GT(clock_->Jump(), kDay);
}

TEST_F(ExpiryClockTest, EndsWhenSomebodyTrustsIt) {
  SetAhead(kYears);
  const Timestamp counted = clock_->Counted();
  ASSERT_TRUE(clock_->Trust().ok());
  EXPECT_EQ(clock_->Jump(), microseconds(0));
  EXPECT_EQ(clock_->Now(), kStart + kYears);
  EXPECT_EQ(clock_->Counted(), counted) << "what was just seen was";
  SetAhead(-kYears);
  EXPECT_EQ(clock_->Jump(), -kYears);
  ASSERT_TRUE(clock_->Trust().ok());
  SetAhead(kYears);
  EXPECT_EQ(clock_->Jump(), kYears) << "a mistake leaves no gap";
}

TEST_F(ExpiryClockTest, AMachineThatWasOffForAWeekendAsksNobody) {
  Restart({});
  wall_.Advance(kDay);
  ASSERT_TRUE(clock_->Keep().ok());
  Restart(3 * kDay);
  EXPECT_EQ(clock_->Now(), kStart + kDay);
  EXPECT_EQ(clock_->Jump(), 3 * kDay) << "can be seen";
  EXPECT_EQ(clock_->Counted(), kStart + kDay);
  wall_.Advance(minutes(59));
  EXPECT_EQ(clock_->Now(), kStart + kDay + minutes(59));
  wall_.Advance(minutes(1));
  EXPECT_EQ(clock_->Now(), wall_.Now());
  EXPECT_EQ(clock_->Jump(), microseconds(0));
  EXPECT_EQ(clock_->Counted(), kStart + kDay + hours(1));
}

TEST_F(ExpiryClockTest, AStartWithAClockYearsAheadAsks) {
  Restart({});
  ASSERT_TRUE(clock_->Keep().ok());
  SetAhead(kYears);
  for (int start = 0; start < 3; ++start) {
    Restart({});
    wall_.Advance(kDay);
    EXPECT_EQ(clock_->Now(), kStart + (start + 1) * kDay);
    EXPECT_EQ(clock_->Jump(), kYears);
    ASSERT_TRUE(clock_->Keep().ok());
  }
  SetAhead(-kYears);
  Restart(minutes(5));
  EXPECT_EQ(clock_->Jump(), microseconds(0)) << "set right while nothing ran";
}

TEST_F(ExpiryClockTest, DatesNothingFarBehindWhatIsTrusted) {
  Restart({});
  ASSERT_TRUE(clock_->Keep().ok());
  EXPECT_EQ(clock_->Stamp(), kStart);
  SetAhead(-minutes(30));
  EXPECT_EQ(clock_->Stamp(), kStart - minutes(30)) << "as a time server says";
  SetAhead(minutes(30));
  for (const microseconds by : {-microseconds(kYears), -microseconds(hours(2))}) {
    SetAhead(by);
    EXPECT_EQ(clock_->Stamp(), kStart - hours(1));
    Restart({});
    EXPECT_EQ(clock_->Stamp(), kStart - hours(1)) << "at a start, too";
    SetAhead(-by);
  }
  SetAhead(-kYears);
  wall_.Advance(kDay);
  EXPECT_EQ(clock_->Stamp(), kStart + kDay - hours(1)) << "goes on";
  SetAhead(2 * kYears);
  EXPECT_EQ(clock_->Stamp(), wall_.Now()) << "ahead, what rows say is the wall clock's";
  SetAhead(-2 * kYears);
  ASSERT_TRUE(clock_->Trust().ok());
  EXPECT_EQ(clock_->Stamp(), wall_.Now()) << "somebody said that it is right";
}

TEST_F(ExpiryClockTest, AStartDoesNotTrustWhatJumpedBefore) {
  Restart({});
  SetAhead(2 * kDay);
  ASSERT_TRUE(clock_->Keep().ok());
  Restart(minutes(1));
  wall_.Advance(kDay);
  EXPECT_GT(clock_->Jump(), kDay);
  ASSERT_TRUE(clock_->Trust().ok());
  Restart(minutes(1));
  EXPECT_EQ(clock_->Jump(), microseconds(0));
}

TEST_F(ExpiryClockTest, AJumpSeenAfterANightOffAsks) {
  ASSERT_TRUE(clock_->Open(disk_, "clock").ok());
  ASSERT_TRUE(clock_->Keep().ok());
  Restart(hours(8));
  wall_.Advance(minutes(30));
  EXPECT_EQ(clock_->Jump(), hours(8)) << "may be the night";
  SetAhead(20 * kDay);
  EXPECT_EQ(clock_->Jump(), hours(8) + 20 * kDay);
  wall_.Advance(minutes(31));
  EXPECT_EQ(clock_->Now(), kStart + minutes(61)) << "somebody set it while the process ran";
  EXPECT_NE(clock_->Jump(), microseconds(0));
  ASSERT_TRUE(clock_->Keep().ok());
  Restart(hours(1));
  wall_.Advance(hours(2));
  EXPECT_NE(clock_->Jump(), microseconds(0)) << "nor after a start";

  SetAhead(-20 * kDay);
  ASSERT_TRUE(clock_->Trust().ok());
  Restart(hours(8));
  EXPECT_EQ(clock_->Jump(), hours(8));
  wall_.Advance(minutes(30));
  SetAhead(minutes(30));
  wall_.Advance(minutes(31));
  EXPECT_EQ(clock_->Jump(), microseconds(0)) << "as a time server says";
}

// A project that is restored, or was served by an earlier program, has none.
TEST_F(ExpiryClockTest, WithoutAFileItBeginsWhereSomethingElseLeftOff) {
  const auto start = [&](hours off) {
    ASSERT_TRUE(disk_.Remove("clock").ok());
    Restart(off);
    clock_->BeginAt(kStart);
  };
  ASSERT_TRUE(clock_->Open(disk_, "clock").ok());
  clock_->BeginAt(kStart - hours(8));
  EXPECT_EQ(clock_->Now(), kStart - hours(8));
  EXPECT_EQ(clock_->Counted(), kStart - hours(8));
  EXPECT_EQ(clock_->Jump(), hours(8));
  wall_.Advance(hours(1));
  EXPECT_EQ(clock_->Now(), wall_.Now()) << "it was off";
  ASSERT_TRUE(clock_->Keep().ok());
  start(kYears);
  wall_.Advance(hours(2));
  EXPECT_EQ(clock_->Now(), kStart + hours(2));
  EXPECT_EQ(clock_->Counted(), kStart + hours(2));
  ASSERT_TRUE(clock_->Keep().ok());

  Restart(hours(0));
  clock_->BeginAt(kStart + kYears);
  EXPECT_EQ(clock_->Now(), kStart + hours(2)) << "what the file says is better";
}

TEST_F(ExpiryClockTest, WhatCannotBeUnderstoodIsAJump) {
  for (const char* const text :
       {"", "sluice expiry 1 12x\n", "sluice expiry 2 12\n", "sluice expiry 3 12\n"}) {
    ASSERT_TRUE(ReplaceFile(disk_, "clock", text).ok());
    Restart({});
    wall_.Advance(kDay);
    EXPECT_LE(clock_->Now(), Timestamp() + kDay) << text;
    EXPECT_GT(clock_->Jump(), kYears);
  }
}

// A time that a flipped bit has put years ahead would make all that is known old.
TEST_F(ExpiryClockTest, NoFlippedBitOfItsFileIsBelieved) {
  Restart({});
  ASSERT_TRUE(clock_->Keep().ok());
  const std::string whole = *ReadFile(disk_, "clock", 100);
  for (size_t bit = 0; bit < 8 * whole.size(); ++bit) {
    std::string text = whole;
    text[bit / 8] = static_cast<char>(text[bit / 8] ^ 1 << bit % 8);
    ASSERT_TRUE(ReplaceFile(disk_, "clock", text).ok());
    Restart({});
    EXPECT_LE(clock_->Now(), Timestamp() + kDay) << text;
  }
  ASSERT_TRUE(ReplaceFile(disk_, "clock", "sluice expiry 1 7200000000\n").ok());
  Restart({});
  EXPECT_EQ(clock_->Trusted(), Timestamp(hours(2))) << "of a program before the checksum";
}

TEST(SinceBootTest, GoesForward) {
  const Monotonic before = SinceBoot();
  EXPECT_GT(before, Monotonic());
  EXPECT_GE(SinceBoot(), before);
}

TEST_F(ExpiryClockTest, WhatCouldNotBeKeptIsTold) {
  Restart(hours(0));
  disk_.Fail(DiskCall::kSync);
  EXPECT_FALSE(clock_->Keep().ok());
  disk_.Fail(DiskCall::kRename);
  EXPECT_FALSE(clock_->Trust().ok());
  EXPECT_TRUE(clock_->Keep().ok());
}

}  // namespace
}  // namespace sluice::os
