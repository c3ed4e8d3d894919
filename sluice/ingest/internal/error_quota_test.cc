#include "sluice/ingest/internal/error_quota.h"

#include <gtest/gtest.h>

#include <chrono>
#include <string>

namespace sluice::ingest::internal {
namespace {

using Verdict = ErrorQuota::Verdict;

constexpr int64_t kRow = ErrorQuota::kRowBytes;
constexpr os::Monotonic kStart{std::chrono::hours(1)};

TEST(ErrorQuotaTest, KeepsEventsThenRowsThenNothing) {
  ErrorQuota quota(10 * kRow);
  EXPECT_EQ(quota.Take("t", "a", 7 * kRow, kStart), Verdict::kKeep);  // 2 are left.
  EXPECT_EQ(quota.Take("t", "a", 2 * kRow, kStart), Verdict::kKeepWithoutEvent);
  EXPECT_EQ(quota.Take("t", "a", 0, kStart), Verdict::kKeep) << "what is small still fits";
  for (int i = 0; i < 10; ++i) {
    EXPECT_EQ(quota.Take("t", "a", 1, kStart), Verdict::kKeepWithoutEvent) << i;
  }
  EXPECT_EQ(quota.Take("t", "a", 1, kStart), Verdict::kRefuse);
  EXPECT_EQ(quota.Take("t", "a", 0, kStart), Verdict::kRefuse);
}

TEST(ErrorQuotaTest, IsOfOneSenderAndTopic) {
  ErrorQuota quota(2 * kRow);
  EXPECT_EQ(quota.Take("t", "a", kRow, kStart), Verdict::kKeep);
  EXPECT_EQ(quota.Take("t", "a", kRow, kStart), Verdict::kKeepWithoutEvent);
  EXPECT_EQ(quota.Take("t", "b", kRow, kStart), Verdict::kKeep);
  EXPECT_EQ(quota.Take("u", "a", kRow, kStart), Verdict::kKeep);
}

TEST(ErrorQuotaTest, FillsUpWithinADayInStepsOfAnySize) {
  ErrorQuota quota(86'400 * kRow);  // A row a second.
  os::Monotonic now = kStart;
  while (quota.Take("t", "a", 9'999 * kRow, now) != Verdict::kRefuse) {
  }
  int taken = 0;
  for (int i = 0; i < 1'000; ++i) {
    now += std::chrono::milliseconds(10);
    taken += quota.Take("t", "a", 1, now) != Verdict::kRefuse ? 1 : 0;
  }
  EXPECT_NEAR(taken, 10, 1);
  now += std::chrono::hours(48);
  EXPECT_EQ(quota.Take("t", "a", 86'399 * kRow, now), Verdict::kKeep) << "full again";
  EXPECT_EQ(quota.Take("t", "a", kRow, now), Verdict::kKeepWithoutEvent) << "never more than that";
}

TEST(ErrorQuotaTest, LateSendersShareOneQuota) {
  ErrorQuota quota(2 * kRow);
  for (size_t i = 0; i < ErrorQuota::kQuotasMax; ++i) {
    ASSERT_EQ(quota.Take("t" + std::to_string(i), "a", kRow, kStart), Verdict::kKeep);
  }
  EXPECT_EQ(quota.Take("late", "a", kRow, kStart), Verdict::kKeep);
  EXPECT_EQ(quota.Take("later", "a", kRow, kStart), Verdict::kKeepWithoutEvent);
}

TEST(ErrorQuotaTest, ZeroKeepsEverything) {
  ErrorQuota quota(0);
  for (int i = 0; i < 100; ++i) {
    EXPECT_EQ(quota.Take("t", "a", int64_t{1} << 40, kStart), Verdict::kKeep);
  }
}

}  // namespace
}  // namespace sluice::ingest::internal
