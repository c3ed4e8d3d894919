#include "sluice/server/space_watch.h"

#include <gtest/gtest.h>

#include <string>

#include "sluice/os/simulated_disk.h"

namespace sluice::server {
namespace {

constexpr uint64_t kMiB = 1 << 20;

class SpaceWatchTest : public testing::Test {
 protected:
  void SetUp() override {
    disk_.SetCapacity(10 * kMiB);
    ASSERT_TRUE(watch_.Start().ok());
  }
  /// Leaves so much free by a file of others.
  void LeaveFree(uint64_t bytes) {
    (void)disk_.Remove("others");
    const uint64_t others = *disk_.FreeBytes("data") - bytes;
    ASSERT_TRUE((*disk_.Open("others", os::OpenMode::kCreateNew))->Allocate(others).ok());
  }

  os::SimulatedDisk disk_;
  SpaceWatch watch_{{.folder = "data", .free_bytes_min = kMiB, .reserve_bytes = 2 * kMiB}, disk_};
};

TEST_F(SpaceWatchTest, HoldsAReserveWhileThereIsRoom) {
  EXPECT_FALSE(watch_.full());
  EXPECT_TRUE(watch_.reserve_held());
  EXPECT_EQ(disk_.UsedBytes(), 2 * kMiB);
  SpaceWatch next({.folder = "data", .free_bytes_min = kMiB, .reserve_bytes = 2 * kMiB}, disk_);
  ASSERT_TRUE(next.Start().ok());
  EXPECT_TRUE(next.reserve_held());
  EXPECT_EQ(disk_.UsedBytes(), 2 * kMiB) << "one";
}

TEST_F(SpaceWatchTest, GivesItBackWhenTheDiskIsFullAndTakesItAgainLater) {
  for (int cycle = 0; cycle < 100; ++cycle) {
    LeaveFree(kMiB - 4096);
    watch_.Look();
    EXPECT_TRUE(watch_.full());
    EXPECT_FALSE(watch_.reserve_held());
    EXPECT_GT(*disk_.FreeBytes("data"), 2 * kMiB) << "room to land in";
    watch_.Look();
    EXPECT_TRUE(watch_.full()) << "the room of the reserve is not room";
    LeaveFree(3 * kMiB);
    watch_.Look();
    EXPECT_TRUE(watch_.full()) << "the least, the reserve, and a quarter between";
    LeaveFree(4 * kMiB);
    watch_.Look();
    EXPECT_FALSE(watch_.full());
    EXPECT_TRUE(watch_.reserve_held());
    watch_.Look();
    EXPECT_FALSE(watch_.full());
  }
}

TEST_F(SpaceWatchTest, HasNoReserveWhereItWouldTakeTheLeast) {
  ASSERT_TRUE(disk_.Remove("data/reserve").ok());
  LeaveFree(3 * kMiB - 4096);
  SpaceWatch next({.folder = "data", .free_bytes_min = kMiB, .reserve_bytes = 2 * kMiB}, disk_);
  ASSERT_TRUE(next.Start().ok());
  EXPECT_FALSE(next.full());
  EXPECT_FALSE(next.reserve_held());
}

TEST_F(SpaceWatchTest, TakesItAgainThoughSomebodyRemovedIt) {
  ASSERT_TRUE(disk_.Remove("data/reserve").ok());
  LeaveFree(0);
  watch_.Look();
  EXPECT_TRUE(watch_.full());
  LeaveFree(4 * kMiB);
  watch_.Look();
  EXPECT_FALSE(watch_.full());
  EXPECT_TRUE(disk_.Look("data/reserve").has_value());
}

TEST_F(SpaceWatchTest, ADiskThatDoesNotAnswerIsAsItWas) {
  disk_.CutPowerAfter(0);
  (void)disk_.Remove("data/reserve");
  watch_.Look();
  EXPECT_FALSE(watch_.full());
}

TEST_F(SpaceWatchTest, MakesAReserveOfAnotherSizeAnew) {
  const auto held_by = [&](uint64_t reserve_bytes) {
    SpaceWatch next({.folder = "data", .free_bytes_min = kMiB, .reserve_bytes = reserve_bytes},
                    disk_);
    EXPECT_TRUE(next.Start().ok());
    EXPECT_EQ(next.reserve_held(), reserve_bytes > 0);
    return disk_.UsedBytes();
  };
  EXPECT_EQ(held_by(3 * kMiB), 3 * kMiB);
  EXPECT_EQ(held_by(kMiB), kMiB);
  // Of a process that died before it had the room.
  ASSERT_TRUE((*disk_.Open("data/reserve", os::OpenMode::kWrite))->Truncate(0).ok());
  EXPECT_EQ(held_by(2 * kMiB), 2 * kMiB);
  EXPECT_EQ(held_by(0), 0u);
}

TEST_F(SpaceWatchTest, TriesAgainToGiveBackWhatCouldNotBeRemoved) {
  LeaveFree(0);
  disk_.Fail(os::DiskCall::kRemove);
  watch_.Look();
  EXPECT_TRUE(watch_.full());
  EXPECT_TRUE(watch_.reserve_held());
  watch_.Look();
  EXPECT_TRUE(watch_.full());
  EXPECT_FALSE(watch_.reserve_held());
  EXPECT_EQ(*disk_.FreeBytes("data"), 2 * kMiB) << "room to land in";
}

TEST_F(SpaceWatchTest, ADiskWithRoomOnWhichNoReserveCanBeHadIsNotFull) {
  LeaveFree(0);
  watch_.Look();
  ASSERT_TRUE(watch_.full());
  LeaveFree(4 * kMiB);
  disk_.Fail(os::DiskCall::kAllocate);
  watch_.Look();
  EXPECT_FALSE(watch_.full());
  EXPECT_FALSE(watch_.reserve_held());
  EXPECT_FALSE(disk_.Look("data/reserve"));
}

TEST_F(SpaceWatchTest, WorksWithoutAReserve) {
  SpaceWatch watch({.folder = "data", .free_bytes_min = kMiB, .reserve_bytes = 0}, disk_);
  watch_.Look();
  ASSERT_TRUE(watch.Start().ok());
  LeaveFree(0);
  watch.Look();
  EXPECT_TRUE(watch.full());
  LeaveFree(2 * kMiB);
  watch.Look();
  EXPECT_FALSE(watch.full());
}

}  // namespace
}  // namespace sluice::server
