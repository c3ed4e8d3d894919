#include "sluice/land/internal/due_tables.h"

#include <gtest/gtest.h>

#include <optional>
#include <thread>
#include <vector>

#include "sluice/land/internal/landing_table.h"
#include "sluice/os/simulated_threads.h"

namespace sluice::land {
namespace {

using internal::DueTables;
using std::chrono::milliseconds;
using std::chrono::seconds;
using store::Fault;
using store::StoreCall;

os::Monotonic At(int64_t ms) { return os::Monotonic(milliseconds(ms)); }
using Partitions = std::vector<uint32_t>;

TEST(DueTablesTest, GivesEachTableOnceWhenItsTimeHasCome) {
  DueTables looks;
  EXPECT_EQ(looks.Take(At(100)), Partitions{});
  looks.LookAt(3, At(30));
  looks.LookAt(1, At(20));
  looks.LookAt(2, At(20));
  EXPECT_EQ(looks.Take(At(19)), Partitions{});
  EXPECT_EQ(looks.Take(At(20)), (Partitions{1, 2}));
  EXPECT_EQ(looks.Take(At(29)), Partitions{});
  EXPECT_EQ(looks.Take(At(1000)), Partitions{3});
  EXPECT_EQ(looks.Take(At(1000)), Partitions{});
}

TEST(DueTablesTest, KeepsTheEarliestTime) {
  DueTables looks;
  looks.LookAt(1, At(30));
  looks.LookAt(1, At(40));
  looks.LookAt(1, At(10));
  looks.LookAt(1, At(20));
  EXPECT_EQ(looks.Take(At(10)), Partitions{1});
  EXPECT_EQ(looks.Take(At(1000)), Partitions{});
  looks.LookAt(1, At(50));
  looks.LookAt(1, os::Monotonic::min());
  EXPECT_EQ(looks.Take(At(0)), Partitions{1});
}

/// A lander whose thread this one runs: it lands when a tick is run, and only then.
class DueTest : public LandingTable {
 protected:
  DueTest() {
    options_.every = seconds(10);
    Begin("journal-1");
  }
  ~DueTest() override { lander_.reset(); }

  void Begin(const std::string& journal) {
    lander_ =
        std::make_unique<Lander>(options_, store_, clock_, random_, stepped_, metrics_, journal);
    topic_ = TopicOf(1);
    next_ = MustOpen();
  }
  void Start() {
    lander_->Start([](uint32_t, journal::Offset) {});
    stepped_.RunAll();
  }
  /// With the options as they are now.
  void StartAgain() {
    lander_.reset();
    Begin("journal-1");
    Start();
  }
  /// Lets time pass, tick by tick.
  void Pass(milliseconds time) {
    const os::Monotonic end = clock_.Steady() + time;
    while (true) {
      stepped_.RunAll();
      const auto next = stepped_.NextTime();
      if (!next || *next > end) break;
      clock_.Advance(*next - clock_.Steady());
    }
    clock_.Advance(end - clock_.Steady());
    stepped_.RunAll();
  }

  os::SimulatedThreads stepped_{clock_};
};

TEST_F(DueTest, RowsLandWhenTheOldestHasWaitedLongEnough) {
  Start();
  Pass(seconds(60));
  for (int round = 0; round < 3; ++round) {
    Add({1});
    Pass(milliseconds(5'000));
    Add({1});
    Pass(milliseconds(4'900));
    EXPECT_EQ(Table().landed, 2 * round - 1);
    Pass(milliseconds(150));
    EXPECT_EQ(Table().landed, 2 * round + 1);
  }
}

TEST_F(DueTest, ManyRowsLandAtOnce) {
  options_.bytes_max = 50'000;
  StartAgain();
  const std::vector<int> large(600, 1);
  Add(large);
  while (lander_->TailBytes() < options_.bytes_max) {
    Pass(milliseconds(50));
    ASSERT_EQ(Table().landed, -1);
    Add(large);
  }
  Pass(milliseconds(50));
  EXPECT_EQ(Table().landed + 1, next_);
}

TEST_F(DueTest, RowsLandBeforeMemoryIsShort) {
  options_.tail_bytes_max = 100'000;
  StartAgain();
  const std::vector<int> large(600, 1);
  while (Table().landed < 0) {
    ASSERT_FALSE(lander_->Behind());
    Add(large);
    Pass(milliseconds(50));
  }
  EXPECT_EQ(Table().landed + 1, next_);
  Pass(seconds(1));
  Add(large);
  Pass(milliseconds(9'000));
  EXPECT_LT(Table().landed + 1, next_) << "there is room again";
  Pass(milliseconds(1'050));
  EXPECT_EQ(Table().landed + 1, next_);
}

TEST_F(DueTest, WhatFailsIsTriedAgain) {
  Start();
  store_.Add({.call = StoreCall::kPut, .path_part = ".parquet", .times = 3});
  Add({1});
  Pass(milliseconds(10'050));
  EXPECT_EQ(Table().landed, -1);
  Add({1});
  Pass(milliseconds(2'900));
  EXPECT_EQ(Table().landed, -1) << "once a second";
  Pass(milliseconds(300));
  EXPECT_EQ(Table().landed, 1);
}

TEST_F(DueTest, RowsThatWaitedForAnAdoptionLandAfterIt) {
  Add({1});
  ASSERT_TRUE(lander_->LandAll().ok());
  lander_.reset();
  Begin("journal-2");
  Start();
  Add({1});
  Pass(seconds(30));
  ASSERT_EQ(Table().landed, 0);
  ASSERT_TRUE(lander_->Adopt("clicks").ok());
  Pass(milliseconds(50));
  EXPECT_EQ(Table().landed, 1);
}

TEST_F(DueTest, LossesArePassedThoughNoRowFollows) {
  lander_->AcceptLosses(kPartition, {{.partition = kPartition, .begin = 0, .end = 2}});
  Start();
  EXPECT_EQ(Table().landed, 1);
}

TEST_F(DueTest, WhoWaitsHurriesTheLanding) {
  Start();
  Add({1});
  Pass(seconds(1));
  bool landed = false;
  lander_->WaitLanded(kPartition, 0, clock_.Steady() + seconds(5), [&](bool ok) { landed = ok; });
  stepped_.RunAll();
  EXPECT_TRUE(landed);
  Add({1});
  Pass(milliseconds(10'050));
  EXPECT_EQ(Table().landed, 1);
}

// The rows before it land in a commit of their own.
TEST_F(DueTest, WhoWaitsIsToldOfNoOtherRow) {
  options_.dates_max = 1;
  StartAgain();
  Add({1, 2});
  store_.Add({.call = StoreCall::kPut, .path_part = ".parquet", .skip = 1});
  std::optional<bool> landed;
  lander_->WaitLanded(kPartition, 1, clock_.Steady() + seconds(5), [&](bool ok) { landed = ok; });
  stepped_.RunAll();
  EXPECT_EQ(Table().landed, 0);
  EXPECT_FALSE(landed.has_value());
  Pass(milliseconds(1'050));
  EXPECT_EQ(landed, true);
}

TEST_F(DueTest, WhoWaitsIsAnsweredWhenTheTimeIsOver) {
  Start();
  store_.Add({.call = StoreCall::kPut, .path_part = ".parquet", .times = 1000});
  Add({1});
  std::optional<bool> landed;
  lander_->WaitLanded(kPartition, 0, clock_.Steady() + seconds(5), [&](bool ok) { landed = ok; });
  Pass(milliseconds(4'900));
  EXPECT_FALSE(landed.has_value());
  Pass(milliseconds(150));
  EXPECT_EQ(landed, false);
  store_.Clear();
  Pass(milliseconds(10'050));
  EXPECT_EQ(Table().landed, 0) << "the row lands all the same";
}

TEST_F(DueTest, RowsThatComeDuringALandingHaveTheirOwnTime) {
  Start();
  Add({1});
  bool added = false;
  store_.Observe([&](StoreCall call, std::string_view path) {
    if (added || call != StoreCall::kPutIfAbsent || !path.ends_with(".json")) return;
    added = true;
    Add({1});
  });
  Pass(milliseconds(10'050));
  ASSERT_TRUE(added);
  EXPECT_EQ(Table().landed, 0);
  Pass(milliseconds(9'900));
  EXPECT_EQ(Table().landed, 0);
  Pass(milliseconds(150));
  EXPECT_EQ(Table().landed, 1);
}

TEST_F(DueTest, AStoppingLanderLandsTheRest) {
  Start();
  Add({1, 2});
  Pass(milliseconds(9'980));
  ASSERT_TRUE(lander_->Stop().ok());
  EXPECT_EQ(Table().landed, 1);
}

// For the thread sanitizer too: rows, landings by time, waits and a stop at once. Whatever the
// order, no row is left behind.
TEST_F(LandingTable, NoRowIsForgottenWhoeverIsFaster) {
  options_.every = milliseconds(0);
  for (int round = 0; round < 20; ++round) {
    Restart("journal-1");
    lander_->Start([](uint32_t, journal::Offset) {});
    std::jthread readers([&] {
      for (int i = 0; i < 10; ++i) EXPECT_TRUE(lander_->View("bronze", "clicks").ok());
    });
    for (int i = 0; i < 20; ++i) Add({1});
    readers.join();
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::minutes(1);
    while (round % 2 == 0 && Table().landed + 1 < next_) {  // Nobody asks for it.
      ASSERT_LT(std::chrono::steady_clock::now(), deadline);
      std::this_thread::yield();
    }
    ASSERT_TRUE(lander_->Stop().ok());
    EXPECT_EQ(Table().landed + 1, next_);
  }
}

}  // namespace
}  // namespace sluice::land
