#include "sluice/ingest/dedupe.h"

#include <gtest/gtest.h>
#include <stdlib.h>

#include <cstdio>
#include <filesystem>
#include <map>
#include <random>
#include <utility>

#include "sluice/os/simulated_disk.h"

namespace sluice::ingest {
namespace {

using Verdict = Dedupe::Verdict;

std::shared_ptr<DedupeMemory> Memory(size_t ids_max) {
  auto memory = std::make_shared<DedupeMemory>();
  memory->ids_max = ids_max;
  return memory;
}

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

TEST(DedupeTest, AFailedClaimLeavesWhatAnotherHasClaimedSince) {
  Dedupe dedupe({.horizon = std::chrono::seconds(80)});
  const auto first = dedupe.Begin();
  EXPECT_EQ(dedupe.Claim(first, {1, 1}, 7, At(1)).verdict, Verdict::kNew);
  const auto second = dedupe.Begin();
  for (int64_t at = 10; at <= 200; at += 10) {
    (void)dedupe.Claim(second, {static_cast<uint64_t>(at), 1}, 7, At(at));
  }
  EXPECT_EQ(dedupe.Claim(second, {1, 1}, 7, At(200)).verdict, Verdict::kNew) << "it was forgotten";
  dedupe.Settle(second, true);
  dedupe.Settle(first, false);
  EXPECT_EQ(dedupe.Claim(dedupe.Begin(), {1, 1}, 7, At(200)).verdict, Verdict::kDuplicate);
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

TEST(DedupeTest, SaysInWhichSliceAnIdentityWasReceived) {
  // The same in memory and in files.
  for (const size_t in_memory : {size_t{1'000'000}, size_t{2'000}}) {
    os::SimulatedDisk disk;
    Dedupe dedupe({.horizon = std::chrono::seconds(800),
                   .ids_max = 100'000,
                   .memory = Memory(in_memory),
                   .disk = &disk,
                   .folder = "d"});
    for (uint64_t i = 1; i < 20'000; ++i) {
      const uint64_t word = i * 0x9e37'79b9'7f4a'7c15u;
      dedupe.Restore({word, ~word}, i, At(static_cast<int64_t>(i / 40)));
    }
    EXPECT_EQ(dedupe.ids_on_disk() > 0, in_memory == 2'000);
    for (uint64_t i = 1; i < 20'000; i += 500) {
      const uint64_t word = i * 0x9e37'79b9'7f4a'7c15u;
      const auto slice = dedupe.ReceivedWithin({word, ~word});
      ASSERT_TRUE(slice) << i;
      EXPECT_LE(slice->first, At(static_cast<int64_t>(i / 40)));
      EXPECT_GE(slice->last, At(static_cast<int64_t>(i / 40)));
      EXPECT_LE(slice->last - slice->first, std::chrono::seconds(110));
    }
    EXPECT_FALSE(dedupe.ReceivedWithin({5, 5}));
  }
}

TEST(DedupeTest, AClockThatWasSetMakesNoIdentityOld) {
  Dedupe dedupe({.horizon = std::chrono::seconds(80)});
  const auto claim = dedupe.Begin();
  EXPECT_EQ(dedupe.Claim(claim, {1, 1}, 1, {At(10), At(10)}).verdict, Verdict::kNew);
  EXPECT_EQ(dedupe.Claim(claim, {2, 2}, 1, {At(25), At(1'000'000)}).verdict, Verdict::kNew);
  EXPECT_EQ(dedupe.Claim(claim, {1, 1}, 1, {At(26), At(1'000'001)}).verdict, Verdict::kInFlight);
  EXPECT_EQ(dedupe.ReceivedWithin({1, 1})->last, At(10));
  EXPECT_EQ(dedupe.ReceivedWithin({2, 2})->first, At(1'000'000)) << "as its row says";
  EXPECT_EQ(dedupe.ReceivedWithin({2, 2})->last, At(1'000'001));
  dedupe.Restore({3, 3}, 1, {At(5), At(5)});
  EXPECT_EQ(dedupe.ReceivedWithin({3, 3})->first, At(5)) << "also what comes late";
  EXPECT_EQ(dedupe.forgotten_early(), 0u);
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

// As rows come from files that were clustered.
TEST(DedupeTest, TakesTimesInAnyOrder) {
  os::SimulatedDisk disk;
  Dedupe dedupe({.horizon = std::chrono::hours(24),
                 .ids_max = 90'000,
                 .memory = std::make_shared<DedupeMemory>(1 << 20),
                 .disk = &disk,
                 .folder = "dedupe"});
  std::mt19937_64 random(7);
  for (uint64_t i = 1; i < 100'000; ++i) {
    const auto second = static_cast<int64_t>(random() % (24 * 3600));
    dedupe.Restore({i * 0x9E3779B97F4A7C15, i * 0xD6E8FEB86659FD93}, i, At(second));
  }
  EXPECT_GT(dedupe.size(), 80'000u);
}

// The number of a slice comes again after 62 others.
TEST(DedupeTest, WhatIsForgottenStaysSo) {
  Dedupe dedupe({.horizon = std::chrono::seconds(80), .ids_max = 100'000});
  for (uint64_t i = 1; i <= 10'000; ++i) {
    dedupe.Restore({i * 0x9E3779B97F4A7C15, i * 0xD6E8FEB86659FD93}, i, At(0));
  }
  const size_t bytes = dedupe.memory_bytes();
  for (int64_t slice = 1; slice < 200; ++slice) {
    dedupe.Restore({static_cast<uint64_t>(slice) * 0xA24BAED4963EE407, 0}, 1, At(slice * 10));
    if (slice <= 10) continue;
    for (uint64_t i = 1; i <= 10'000; i += 997) {
      ASSERT_EQ(dedupe.Look({i * 0x9E3779B97F4A7C15, i * 0xD6E8FEB86659FD93}, i), Verdict::kNew)
          << slice;
    }
    EXPECT_LE(dedupe.size(), 10u);
  }
  EXPECT_LT(dedupe.memory_bytes(), bytes / 20);
}

TEST(DedupeTest, BringsTheOldestToFilesAndKnowsThem) {
  os::SimulatedDisk disk;
  {
    Dedupe dedupe({.horizon = std::chrono::hours(1),
                   .ids_max = 100'000,
                   .memory = Memory(2'000),
                   .disk = &disk,
                   .folder = "dedupe/orders"});
    const auto claim = dedupe.Begin();
    ASSERT_EQ(dedupe.Claim(claim, {1, 1}, 1, At(1)).verdict, Verdict::kNew);
    for (uint64_t i = 10; i < 20'000; ++i) dedupe.Restore({i << 40, i << 50}, i, At(2));
    EXPECT_EQ(dedupe.size(), 19'991u);
    EXPECT_GT(dedupe.ids_on_disk(), 10'000u);
    EXPECT_LT(dedupe.memory_bytes(), 500'000u);
    for (uint64_t i = 10; i < 20'000; ++i) {
      ASSERT_EQ(dedupe.Claim(claim, {i << 40, i << 50}, i, At(3)).verdict, Verdict::kDuplicate);
      ASSERT_EQ(dedupe.Claim(claim, {i << 40, i << 50}, i + 1, At(3)).verdict,
                Verdict::kOtherContent);
    }
    EXPECT_EQ(dedupe.size(), 19'991u);
    // In flight all the while, and then forgotten.
    EXPECT_EQ(dedupe.Claim(claim, {1, 1}, 1, At(3)).verdict, Verdict::kInFlight);
    dedupe.Settle(claim, false);
    const auto next = dedupe.Begin();
    EXPECT_EQ(dedupe.Claim(next, {1, 1}, 1, At(3)).verdict, Verdict::kNew);
    dedupe.ForgetContents();
    EXPECT_EQ(dedupe.Claim(next, {10ull << 40, 10ull << 50}, 77, At(3)).verdict,
              Verdict::kDuplicate);
    // All at its time.
    EXPECT_EQ(dedupe.Claim(next, {10ull << 40, 10ull << 50}, 77, At(3'700)).verdict, Verdict::kNew);
    EXPECT_EQ(dedupe.ids_on_disk(), 0u);
  }
  EXPECT_TRUE(disk.List("dedupe/orders")->empty());
}

TEST(DedupeTest, StaysWithinItsMemoryHoweverManyCome) {
  constexpr size_t kBytes = 1 << 20;
  constexpr uint64_t kIds = 600'000;
  constexpr uint64_t kSpread = 0x9E3779B97F4A7C15;
  os::SimulatedDisk disk;
  const auto memory = std::make_shared<DedupeMemory>(kBytes);
  const DedupeOptions options{.memory = memory, .disk = &disk, .folder = "dedupe/orders"};
  Dedupe orders(options);
  auto other = std::make_unique<Dedupe>([&] {
    DedupeOptions of_visits = options;
    of_visits.folder = "dedupe/visits";
    return of_visits;
  }());
  for (uint64_t i = 1; i < kIds; ++i) {
    orders.Restore({i * kSpread, i * kSpread << 17}, i, At(2));
    if (i > kIds / 2) other->Restore({i * kSpread, i * kSpread << 17}, i, At(2));
    if (i % 1'000 != 0) continue;
    ASSERT_LE(memory->bytes, kBytes * 3 / 2) << i;  // Two topics: each with its newest slice.
    ASSERT_LE(memory->ids_on_disk, memory->ids_on_disk_max + memory->topic_ids_max / 16) << i;
    if (i == kIds / 2) {
      // As many as one byte in three has room for.
      EXPECT_GT(orders.size(), kBytes * 9 / 32);
    }
  }
  EXPECT_EQ(orders.size() + orders.forgotten_early(), kIds - 1);
  EXPECT_GT(other->size(), kBytes / 8);
  const auto claim = orders.Begin();
  EXPECT_EQ(orders.Claim(claim, {(kIds - 1) * kSpread, (kIds - 1) * kSpread << 17}, kIds - 1, At(2))
                .verdict,
            Verdict::kDuplicate);
  other.reset();
  const auto last = orders.Begin();  // A later time: all before it are told.
  (void)orders.Claim(last, {1, 1}, 1, At(3));
  EXPECT_EQ(memory->ids + memory->ids_on_disk, orders.size() - 1);
  EXPECT_EQ(memory->topics_on_disk, 1u);
}

// Whoever sends meanwhile waits for the mutex. SLUICE_LONG=1: as many as a server has by default.
TEST(DedupeTest, BringsNoMoreToFilesAtOnceThanAShard) {
  const uint64_t ids_max = std::getenv("SLUICE_LONG") != nullptr ? 7'000'000 : 200'000;
  std::string folder = testing::TempDir() + "/sluice_dedupe_XXXXXX";
  ASSERT_NE(::mkdtemp(folder.data()), nullptr);
  os::SystemDisk disk;
  const os::SystemClock clock;
  {
    Dedupe dedupe({.horizon = std::chrono::hours(1'000),
                   .ids_max = ids_max * 4,
                   .memory = Memory(ids_max),
                   .disk = &disk,
                   .folder = folder});
    std::chrono::microseconds longest{0};
    uint64_t most = 0;
    for (uint64_t i = 1; i < ids_max * 2; ++i) {
      const privacy::Hash128 id{i * 0x9E3779B97F4A7C15, i * 0xD6E8FEB86659FD93};
      const uint64_t before = dedupe.ids_on_disk();
      const auto begun = clock.Steady();
      dedupe.Restore(id, i, At(static_cast<int64_t>(i / (ids_max / 1'000))));
      longest = std::max(
          longest, std::chrono::duration_cast<std::chrono::microseconds>(clock.Steady() - begun));
      most = std::max(most, dedupe.ids_on_disk() - before);
    }
    EXPECT_GT(dedupe.ids_on_disk(), ids_max / 2);
    EXPECT_LT(dedupe.size() - dedupe.ids_on_disk(), ids_max + ids_max / 8);
    EXPECT_LT(most, ids_max / 4 / 64 * 5 / 4) << "a shard of a slice, more or less";
    std::printf("%llu identities, the longest call %.1f ms\n",
                static_cast<unsigned long long>(dedupe.size()),
                static_cast<double>(longest.count()) / 1e3);
  }
  std::filesystem::remove_all(folder);
}

TEST(DedupeTest, ForgetsTheOldestWhereTheDiskTakesNothing) {
  os::SimulatedDisk disk;
  disk.SetCapacity(100'000);
  Dedupe dedupe({.horizon = std::chrono::hours(24),
                 .ids_max = 100'000,
                 .memory = Memory(2'000),
                 .disk = &disk,
                 .folder = "dedupe"});
  for (uint64_t i = 10; i < 20'000; ++i) {
    dedupe.Restore({i << 40, i << 50}, i, At(static_cast<int64_t>(i)));
  }
  EXPECT_LT(dedupe.size(), 13'000u);
  EXPECT_EQ(dedupe.forgotten_early() + dedupe.size(), 19'990u);
  EXPECT_LT(dedupe.Held(At(20'000)), std::chrono::seconds(13'000));
  const auto claim = dedupe.Begin();
  for (uint64_t i = 19'000; i < 20'000; ++i) {
    ASSERT_EQ(dedupe.Claim(claim, {i << 40, i << 50}, i, At(20'000)).verdict, Verdict::kDuplicate);
  }
}

// Against a plain map: random identities from a small range, claims settled in any order and with
// either outcome, time that passes.
class DedupeModelTest : public testing::TestWithParam<size_t> {};
INSTANTIATE_TEST_SUITE_P(InMemoryAndInFiles, DedupeModelTest, testing::Values(SIZE_MAX, 1'000));

TEST_P(DedupeModelTest, AgreesWithAModel) {
  const uint64_t seed = std::random_device{}();
  SCOPED_TRACE(seed);
  std::mt19937_64 random(seed);
  os::SimulatedDisk disk;
  Dedupe dedupe({.horizon = std::chrono::seconds(800),
                 .ids_max = GetParam() == SIZE_MAX ? 20'000'000u : 16'000u,
                 .memory = Memory(GetParam()),
                 .disk = &disk,
                 .folder = "dedupe"});
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
