#include "sluice/ingest/dedupe.h"

#include <gtest/gtest.h>

#include <map>
#include <random>
#include <utility>

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

TEST(DedupeTest, KnowsOldIdentitiesWhenClaimNumbersComeAgain) {
  Dedupe dedupe({});
  const auto first = dedupe.Begin();
  EXPECT_EQ(dedupe.Claim(first, {1, 1}, 7, At(1)).verdict, Verdict::kNew);
  dedupe.Settle(first, true);
  for (int i = 0; i < (1 << 20) + 10; ++i) dedupe.Settle(dedupe.Begin(), true);
  const auto later = dedupe.Begin();
  EXPECT_EQ(dedupe.Claim(later, {2, 2}, 7, At(1)).verdict, Verdict::kNew);
  EXPECT_EQ(dedupe.Claim(later, {1, 1}, 7, At(1)).verdict, Verdict::kDuplicate);
}

TEST(DedupeTest, HoldsTheNewestWhenTimeStandsStill) {
  Dedupe dedupe({.horizon = std::chrono::hours(1), .ids_max = 800});
  for (uint64_t i = 1; i <= 10'000; ++i) dedupe.Restore({i << 40, i << 50}, i, At(5));
  EXPECT_LE(dedupe.size(), 900u);
  const auto claim = dedupe.Begin();
  for (uint64_t i = 9'400; i <= 10'000; ++i) {
    EXPECT_EQ(dedupe.Claim(claim, {i << 40, i << 50}, i, At(5)).verdict, Verdict::kDuplicate);
  }
}

// Against a plain map: random identities from a small range, claims settled in any order and with
// either outcome, time that passes.
TEST(DedupeTest, AgreesWithAModel) {
  const uint64_t seed = std::random_device{}();
  SCOPED_TRACE(seed);
  std::mt19937_64 random(seed);
  Dedupe dedupe({.horizon = std::chrono::seconds(800)});
  struct Known {
    uint64_t content = 0;
    Dedupe::ClaimId claim = 0;  // 0: durable.
    int64_t at = 0;
  };
  std::map<std::pair<uint64_t, uint64_t>, Known> model;
  std::vector<Dedupe::ClaimId> open;
  int64_t now = 0;
  for (int step = 0; step < 3'000; ++step) {
    now += static_cast<int64_t>(random() % 3);
    open.push_back(dedupe.Begin());
    for (int row = 0; row < 20; ++row) {
      const uint64_t n = random() % 8'000;
      const privacy::Hash128 id{n * 0x9E3779B97F4A7C15, n * 0xD6E8FEB86659FD93};
      const uint64_t content = random() % 20 == 0 ? 2 : 1;
      const auto key = std::pair(id.low, id.high);
      auto known = model.find(key);
      // Held for the horizon at least, and for a slice more at most: in between either is right.
      const int64_t age = known == model.end() ? 0 : now - known->second.at;
      if (age > 800 && age <= 905) continue;
      if (age > 905) {
        model.erase(known);
        known = model.end();
      }
      const auto answer = dedupe.Claim(open.back(), id, content, At(now));
      if (known == model.end()) {
        ASSERT_EQ(answer.verdict, Verdict::kNew);
        model[key] = {.content = content, .claim = open.back(), .at = now};
      } else if (known->second.content != content) {
        ASSERT_EQ(answer.verdict, Verdict::kOtherContent);
      } else if (known->second.claim != 0) {
        ASSERT_EQ(answer.verdict, Verdict::kInFlight);
        ASSERT_EQ(answer.claim, known->second.claim);
      } else {
        ASSERT_EQ(answer.verdict, Verdict::kDuplicate);
      }
    }
    while (open.size() > random() % 8) {
      const size_t at = random() % open.size();
      const bool durable = random() % 4 != 0;
      dedupe.Settle(open[at], durable);
      for (auto entry = model.begin(); entry != model.end();) {
        const bool ours = entry->second.claim == open[at];
        if (ours && durable) entry->second.claim = 0;
        entry = ours && !durable ? model.erase(entry) : std::next(entry);
      }
      open.erase(open.begin() + static_cast<ptrdiff_t>(at));
    }
  }
}

}  // namespace
}  // namespace sluice::ingest
