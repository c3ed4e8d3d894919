#include "sluice/ingest/internal/identity_run.h"

#include <gtest/gtest.h>

#include <random>

#include "sluice/os/simulated_disk.h"

namespace sluice::ingest::internal {
namespace {

StoredIdentity Make(uint64_t n) {
  return {.id = {n * 0x9E3779B97F4A7C15, n * 0xD6E8FEB86659FD93}, .content = n};
}

std::vector<StoredIdentity> Many(uint64_t count) {
  std::vector<StoredIdentity> identities;
  for (uint64_t n = 1; n <= count; ++n) identities.push_back(Make(n));
  return identities;
}

std::unique_ptr<IdentityRuns> Written(os::Disk& disk, std::vector<StoredIdentity> identities) {
  auto runs = IdentityRuns::Create(disk, "run");
  EXPECT_TRUE(runs.ok()) << runs.error().ToString();
  const Status added = (*runs)->Add(std::move(identities));
  EXPECT_TRUE(added.ok()) << added.error().ToString();
  return std::move(*runs);
}

TEST(IdentityRunTest, FindsWhatItHasAndNothingElse) {
  for (const uint64_t count : {0, 1, 127, 128, 129, 10'000}) {
    os::SimulatedDisk disk;
    auto run = Written(disk, Many(count));
    for (uint64_t n = 1; n <= count; ++n) {
      const auto found = run->Find(0, Make(n).id);
      ASSERT_TRUE(found.ok());
      ASSERT_EQ(*found, n);
    }
    for (uint64_t n = count + 1; n < count + 2'000; ++n) {
      EXPECT_EQ(*run->Find(0, Make(n).id), std::nullopt);
    }
    EXPECT_TRUE(disk.Look("run").has_value());
    run.reset();
    EXPECT_FALSE(disk.Look("run").has_value());
  }
}

TEST(IdentityRunTest, FindsIdentitiesThatShareTheirFirstWord) {
  std::vector<StoredIdentity> identities;
  for (uint64_t n = 0; n < 1'000; ++n) identities.push_back({.id = {7, n * 77}, .content = n});
  os::SimulatedDisk disk;
  const auto run = Written(disk, identities);
  for (const StoredIdentity& identity : identities) {
    ASSERT_EQ(*run->Find(0, identity.id), identity.content);
  }
}

TEST(IdentityRunTest, TakesATenthOfTheMemoryAndSeldomReadsInVain) {
  os::SimulatedDisk disk;
  const auto run = Written(disk, Many(100'000));
  EXPECT_LT(run->memory_bytes(), 100'000 * 1.5);
  disk.Fail(os::DiskCall::kRead, 0, UINT64_MAX);  // A read in vain shows as an error.
  int reads = 0;
  for (uint64_t n = 200'001; n <= 300'000; ++n) reads += run->Find(0, Make(n).id).ok() ? 0 : 1;
  EXPECT_LT(reads, 2'500);
}

TEST(IdentityRunTest, DamagedPagesAreFound) {
  os::SimulatedDisk disk;
  const auto run = Written(disk, Many(1'000));
  ASSERT_TRUE(disk.Damage("run", 24 * 300, 1).ok());
  int damaged = 0;
  for (uint64_t n = 1; n <= 1'000; ++n) {
    const auto found = run->Find(0, Make(n).id);
    if (found.ok()) {
      EXPECT_EQ(*found, n);
    } else {
      EXPECT_EQ(found.error().code(), ErrorCode::kCorrupt);
      ++damaged;
    }
  }
  EXPECT_EQ(damaged, 128);
}

TEST(IdentityRunTest, RunsOfOneFileAreApart) {
  os::SimulatedDisk disk;
  auto runs = Written(disk, Many(300));
  std::vector<StoredIdentity> more;
  for (uint64_t n = 301; n <= 1'000; ++n) more.push_back(Make(n));
  ASSERT_TRUE(runs->Add({}).ok());
  ASSERT_TRUE(runs->Add(more).ok());
  EXPECT_EQ(runs->runs(), 3u);
  for (uint64_t n = 1; n <= 1'000; ++n) {
    const size_t number = n <= 300 ? 0 : 2;
    EXPECT_EQ(*runs->Find(number, Make(n).id), n);
    EXPECT_EQ(*runs->Find(2 - number, Make(n).id), std::nullopt);
    EXPECT_EQ(*runs->Find(1, Make(n).id), std::nullopt);
    EXPECT_EQ(*runs->Find(3, Make(n).id), std::nullopt);
  }
}

TEST(IdentityRunTest, AFullDiskLeavesWhatWasThereBefore) {
  os::SimulatedDisk disk;
  auto runs = Written(disk, Many(100));
  disk.SetCapacity(10'000);
  EXPECT_EQ(runs->Add(Many(1'000)).error().code(), ErrorCode::kUnavailable);
  EXPECT_EQ(runs->runs(), 1u);
  EXPECT_EQ(*runs->Find(0, Make(7).id), 7u);
  runs.reset();
  EXPECT_FALSE(disk.Look("run").has_value());
}

}  // namespace
}  // namespace sluice::ingest::internal
