#include "sluice/land/internal/write_memory.h"

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <thread>
#include <vector>

namespace sluice::land::internal {
namespace {

TEST(WriteMemoryTest, CountsWhatIsTakenUntilItGoes) {
  WriteMemory memory(100);
  {
    const auto one = memory.Take(60);
    const auto two = memory.Take(40);
    EXPECT_EQ(memory.taken(), 100);
  }
  EXPECT_EQ(memory.taken(), 0);
  EXPECT_EQ(memory.taken_ever(), 100);
}

TEST(WriteMemoryTest, WhoIsAloneGetsMoreThanThereIs) {
  WriteMemory memory(100);
  const auto lease = memory.Take(1'000'000);
  EXPECT_EQ(memory.taken(), 1'000'000);
}

TEST(WriteMemoryTest, NeverGivesMoreThanThereIsToSeveral) {
  WriteMemory memory(100);
  std::atomic<int64_t> taken = 0;
  std::atomic<bool> beyond = false;
  {
    std::vector<std::jthread> landings;
    for (int64_t i = 0; i < 8; ++i) {
      landings.emplace_back([&, i] {
        for (int round = 0; round < 500; ++round) {
          const int64_t bytes = 10 + i * 12;
          const auto lease = memory.Take(bytes);
          if (taken += bytes; taken > 100) beyond = true;
          taken -= bytes;
        }
      });
    }
  }
  EXPECT_FALSE(beyond);
  EXPECT_EQ(memory.taken(), 0);
}

TEST(WriteMemoryTest, ServesInTheOrderOfAsking) {
  WriteMemory memory(100);
  std::atomic<bool> small_has = false;
  std::jthread large;
  std::jthread small;
  {
    const auto held = memory.Take(60);
    large = std::jthread([&] {
      const auto lease = memory.Take(90);
      EXPECT_FALSE(small_has) << "who asked later, for what is there, does not overtake";
    });
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(60);
    while (memory.waiting() < 1) {
      ASSERT_LT(std::chrono::steady_clock::now(), deadline);
      std::this_thread::yield();
    }
    small = std::jthread([&] {
      const auto lease = memory.Take(20);
      small_has = true;
    });
    while (memory.waiting() < 2) {
      ASSERT_LT(std::chrono::steady_clock::now(), deadline);
      std::this_thread::yield();
    }
  }
  small.join();
  EXPECT_TRUE(small_has);
}

}  // namespace
}  // namespace sluice::land::internal
