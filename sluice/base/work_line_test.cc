#include "sluice/base/work_line.h"

#include <gtest/gtest.h>

#include <atomic>
#include <memory>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

namespace sluice {
namespace {

constexpr size_t kMiB = size_t{1} << 20;

TEST(WorkLineTest, UsesItemsInTheirOrder) {
  std::vector<int> used;
  WorkLine<int> line([&](int item) -> Status {
    used.push_back(item);
    return {};
  });
  std::vector<int> put;
  for (int item = 0; item < 500; ++item) {
    // More than may wait, now and then.
    ASSERT_TRUE(line.Put(item, item % 100 == 99 ? 24 * kMiB : kMiB / 2).ok());
    put.push_back(item);
  }
  EXPECT_TRUE(line.Finish().ok());
  EXPECT_EQ(used, put);
}

TEST(WorkLineTest, UsesFewOnTheCallersThread) {
  const auto caller = std::this_thread::get_id();
  std::vector<bool> here;
  for (const int threads : {1, 2}) {
    WorkLine<std::string> line(
        [&](const std::string&) -> Status {
          here.push_back(std::this_thread::get_id() == caller);
          return {};
        },
        threads);
    ASSERT_TRUE(line.Put("few", kMiB).ok());
    ASSERT_TRUE(line.Put("many", 4 * kMiB).ok());
    ASSERT_TRUE(line.Finish().ok());
  }
  EXPECT_EQ(here, (std::vector{true, true, true, false}));
}

TEST(WorkLineTest, TellsTheFirstErrorAndUsesNothingBehindIt) {
  for (const int bad : {0, 50}) {  // On the caller's thread, on the other one.
    std::atomic<int> last = -1;
    WorkLine<int> line([&](int item) -> Status {
      last = item;
      if (item == bad) return Invalid("item {}", item);
      return {};
    });
    Status put;
    // The line takes items until the bad one's turn has come.
    for (int item = 0; put.ok(); ++item) put = line.Put(item, kMiB);
    EXPECT_EQ(put.error().message(), "item " + std::to_string(bad));
    EXPECT_EQ(line.Put(1000, kMiB).error().message(), put.error().message());
    EXPECT_EQ(line.Finish().error().message(), put.error().message());
    EXPECT_EQ(last, bad);
  }
}

TEST(WorkLineTest, TellsOfExceptions) {
  WorkLine<int> line([](int) -> Status { throw std::runtime_error("no memory"); });
  (void)line.Put(0, 8 * kMiB);
  const Status finished = line.Finish();
  ASSERT_FALSE(finished.ok());
  EXPECT_EQ(finished.error().code(), ErrorCode::kInternal);
  EXPECT_EQ(finished.error().message(), "no memory");
}

TEST(WorkLineTest, ThrowsAwayWhatWaitsWhenItIsDestroyed) {
  const auto item = std::make_shared<int>();
  std::atomic<bool> go_on = false;
  {
    WorkLine<std::shared_ptr<int>> line([&](const std::shared_ptr<int>&) -> Status {
      while (!go_on) std::this_thread::yield();
      return {};
    });
    for (int i = 0; i < 3; ++i) ASSERT_TRUE(line.Put(item, 5 * kMiB).ok());
    EXPECT_GT(item.use_count(), 1);
    go_on = true;
  }
  EXPECT_EQ(item.use_count(), 1);
}

}  // namespace
}  // namespace sluice
