#include "sluice/ingest/internal/identities_by_time.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>

#include "sluice/os/simulated_disk.h"

namespace sluice::ingest::internal {
namespace {

using std::chrono::seconds;

constexpr os::Timestamp kFirst{seconds(1'700'000'000)};
constexpr seconds kTime{6'400};

LandedIdentity At(int64_t second) {
  return {.id = {static_cast<uint64_t>(second) * 0x9E3779B97F4A7C15, 7},
          .content = static_cast<uint64_t>(second) + 1,
          .received = kFirst + seconds(second)};
}

class IdentitiesByTimeTest : public testing::Test {
 protected:
  /// What comes of one identity a second, told in random order.
  std::vector<LandedIdentity> Sorted(size_t held_max, os::Disk* disk, int64_t from = 0,
                                     int64_t to = kTime.count()) {
    std::vector<LandedIdentity> told;
    for (int64_t second = from; second < to; ++second) told.push_back(At(second));
    std::ranges::shuffle(told, random_);
    std::vector<LandedIdentity> found;
    IdentitiesByTime sorted(kFirst, kFirst + kTime, held_max, disk, "dedupe/3/restored",
                            [&](std::span<const LandedIdentity> some) {
                              found.insert(found.end(), some.begin(), some.end());
                            });
    for (const LandedIdentity& identity : told) sorted.Add(identity);
    sorted.Finish();
    EXPECT_EQ(found.size(), told.size());
    auto all = found;
    std::ranges::sort(all, {}, &LandedIdentity::received);
    for (size_t i = 0; i < all.size(); ++i) {
      const LandedIdentity expected = At(from + static_cast<int64_t>(i));
      EXPECT_EQ(all[i].id, expected.id);
      EXPECT_EQ(all[i].content, expected.content);
    }
    return found;
  }

  /// How far, at most, one comes behind a later one.
  static seconds Disorder(const std::vector<LandedIdentity>& found) {
    os::Timestamp latest = os::Timestamp::min();
    seconds most{0};
    for (const LandedIdentity& identity : found) {
      latest = std::max(latest, identity.received);
      most = std::max(most, std::chrono::floor<seconds>(latest - identity.received));
    }
    return most;
  }

  os::SimulatedDisk disk_;
  std::mt19937 random_{testing::UnitTest::GetInstance()->random_seed() + 1u};
};

TEST_F(IdentitiesByTimeTest, SortsThoseThatItHolds) {
  EXPECT_EQ(Disorder(Sorted(10'000, nullptr)), seconds(0));
  EXPECT_EQ(Disorder(Sorted(10'000, &disk_)), seconds(0));
  EXPECT_FALSE(*disk_.Exists("dedupe/3"));
}

TEST_F(IdentitiesByTimeTest, SortsMoreThanItHoldsIntoSlicesInAFile) {
  EXPECT_LT(Disorder(Sorted(100, &disk_)), kTime / 64);
  EXPECT_LT(Disorder(Sorted(1, &disk_)), kTime / 64);
  EXPECT_FALSE(*disk_.Exists("dedupe/3/restored"));
}

TEST_F(IdentitiesByTimeTest, TakesTimesOutsideOfTheSlices) {
  EXPECT_LT(Disorder(Sorted(100, &disk_, -1'000, kTime.count() + 1'000)), seconds(1'100));
}

TEST_F(IdentitiesByTimeTest, HandsOnOutOfOrderWithoutAFile) {
  EXPECT_GT(Disorder(Sorted(100, nullptr)), kTime / 2);
  disk_.SetCapacity(0);
  EXPECT_GT(Disorder(Sorted(100, &disk_)), kTime / 2);
}

TEST_F(IdentitiesByTimeTest, HandsOnNothingThatIsDamaged) {
  std::vector<LandedIdentity> found;
  IdentitiesByTime sorted(kFirst, kFirst + kTime, 100, &disk_, "dedupe/3/restored",
                          [&](std::span<const LandedIdentity> some) {
                            found.insert(found.end(), some.begin(), some.end());
                          });
  for (int64_t second = 0; second < 1'000; ++second) sorted.Add(At(second));
  ASSERT_TRUE(disk_.Damage("dedupe/3/restored", 5 * sizeof(LandedIdentity), 1).ok());
  sorted.Finish();
  EXPECT_GT(found.size(), 800u);
  EXPECT_LT(found.size(), 1'000u);
  for (const LandedIdentity& identity : found) {
    EXPECT_EQ(identity.id, At((identity.received - kFirst) / seconds(1)).id);
  }
}

}  // namespace
}  // namespace sluice::ingest::internal
