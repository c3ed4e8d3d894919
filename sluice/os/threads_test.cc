#include "sluice/os/threads.h"

#include <gtest/gtest.h>

#include <atomic>

#include "sluice/os/simulated_threads.h"

namespace sluice::os {
namespace {

TEST(SystemThreadsTest, AWakeIsNeverLost) {
  SystemThreads threads;
  std::atomic<int> wanted = 0;
  int done = 0;
  std::promise<void> ended;
  const auto thread = threads.Start("counter", [&](Why) -> std::optional<Wait> {
    while (done < wanted) ++done;
    if (done < 10'000) return kUntilWoken;
    ended.set_value();
    return std::nullopt;
  });
  for (int i = 0; i < 10'000; ++i) {
    ++wanted;
    thread->Wake();
  }
  threads.Await(ended.get_future());
  thread->Join();
  thread->Join();  // Twice is fine.
  EXPECT_EQ(done, 10'000);
}

TEST(SystemThreadsTest, SaysWhetherItWasWokenOrTheTimeIsOver) {
  SystemThreads threads;
  std::promise<Why> first;
  std::promise<Why> second;
  int steps = 0;
  const auto thread = threads.Start("steps", [&](Why why) -> std::optional<Wait> {
    if (++steps == 1) {
      first.set_value(why);
      return Wait(1);
    }
    second.set_value(why);
    return std::nullopt;
  });
  EXPECT_EQ(first.get_future().get(), Why::kWoken);
  EXPECT_EQ(second.get_future().get(), Why::kTime);
}

class SimulatedThreadsTest : public testing::Test {
 protected:
  SimulatedClock clock_{Timestamp{}};
  SimulatedThreads threads_{clock_};
};

TEST_F(SimulatedThreadsTest, RunsStepsOnlyWhenTold) {
  std::string order;
  bool end = false;
  const auto step = [&](char name) {
    return [&order, &end, name](Why why) -> std::optional<Wait> {
      order += name;
      order += why == Why::kWoken ? 'w' : 't';
      return end ? std::nullopt : std::optional(Wait(10));
    };
  };
  const auto a = threads_.Start("a", step('a'));
  const auto b = threads_.Start("b", step('b'));
  EXPECT_EQ(order, "");
  EXPECT_EQ(threads_.RunOne(1), "b");
  EXPECT_EQ(threads_.RunOne(1), "a") << "the only one left";
  EXPECT_EQ(threads_.RunOne(0), "");
  clock_.Advance(Wait(9));
  threads_.RunAll();
  a->Wake();
  clock_.Advance(Wait(1));
  threads_.RunAll();
  EXPECT_EQ(order, "bwawawbt");
  end = true;
  EXPECT_EQ(*threads_.NextTime(), clock_.Steady() + Wait(10));
}

TEST_F(SimulatedThreadsTest, WhoBlocksLetsTheOthersRun) {
  std::promise<int> promise;
  int steps = 0;
  const auto thread = threads_.Start("worker", [&](Why) -> std::optional<Wait> {
    if (++steps < 3) return std::chrono::hours(1);
    promise.set_value(7);
    return std::nullopt;
  });
  EXPECT_EQ(threads_.Await(promise.get_future()), 7);
  EXPECT_EQ(clock_.Steady().time_since_epoch(), std::chrono::hours(2));
}

TEST_F(SimulatedThreadsTest, AKilledThreadRunsNoMore) {
  int steps = 0;
  const auto thread = threads_.Start("worker", [&](Why) -> std::optional<Wait> {
    ++steps;
    return Wait(0);
  });
  threads_.RunOne(0);
  threads_.Kill();
  threads_.RunAll();
  thread->Join();
  EXPECT_EQ(steps, 1);
}

}  // namespace
}  // namespace sluice::os
