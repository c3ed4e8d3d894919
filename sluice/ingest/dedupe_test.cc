#include "sluice/ingest/dedupe.h"

#include <gtest/gtest.h>

namespace sluice::ingest {
namespace {

using Verdict = Dedupe::Verdict;

os::Timestamp At(int64_t seconds) { return os::Timestamp(std::chrono::seconds(seconds)); }

TEST(DedupeTest, ADuplicateWaitsForTheOutcomeOfTheFirst) {
  Dedupe dedupe({});
  const auto first = dedupe.Begin();
  EXPECT_EQ(dedupe.Claim(first, {1, 1}, 7, At(1)).verdict, Verdict::kNew);
  const auto second = dedupe.Begin();
  const auto met = dedupe.Claim(second, {1, 1}, 7, At(1));
  EXPECT_EQ(met.verdict, Verdict::kInFlight);
  EXPECT_EQ(met.claim, first);
  int told = 0;
  dedupe.Await(first, [&](bool durable) { told = durable ? 1 : 2; });
  for (const auto& waiter : dedupe.Settle(first, true)) waiter(true);
  EXPECT_EQ(told, 1);
  EXPECT_EQ(dedupe.Claim(second, {1, 1}, 7, At(2)).verdict, Verdict::kDuplicate);
  EXPECT_EQ(dedupe.Claim(second, {1, 1}, 8, At(2)).verdict, Verdict::kOtherContent);
}

TEST(DedupeTest, AFailedClaimIsForgotten) {
  Dedupe dedupe({});
  const auto first = dedupe.Begin();
  for (uint64_t i = 0; i < 5000; ++i) {
    EXPECT_EQ(dedupe.Claim(first, {i, i}, i, At(1)).verdict, Verdict::kNew);
  }
  dedupe.Settle(first, false);
  const auto second = dedupe.Begin();
  for (uint64_t i = 0; i < 5000; ++i) {
    EXPECT_EQ(dedupe.Claim(second, {i, i}, i + 1, At(1)).verdict, Verdict::kNew);
  }
}

TEST(DedupeTest, ForgetsBeyondTheHorizonAndBeyondTheLargestNumber) {
  Dedupe dedupe({.horizon = std::chrono::seconds(80), .ids_max = 1000});
  dedupe.Restore({1, 1}, 1, At(0));
  dedupe.Restore({2, 2}, 2, At(70));
  const auto claim = dedupe.Begin();
  EXPECT_EQ(dedupe.Claim(claim, {1, 1}, 1, At(79)).verdict, Verdict::kDuplicate);
  EXPECT_EQ(dedupe.Claim(claim, {1, 1}, 1, At(95)).verdict, Verdict::kNew);
  EXPECT_EQ(dedupe.Claim(claim, {2, 2}, 2, At(95)).verdict, Verdict::kDuplicate);
  for (uint64_t i = 10; i < 5000; ++i) {
    dedupe.Restore({i, i}, i, At(100 + static_cast<int64_t>(i)));
  }
  EXPECT_LE(dedupe.size(), 1100u);
}

}  // namespace
}  // namespace sluice::ingest
