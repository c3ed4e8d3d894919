#include "sluice/sql/query_log.h"

#include <gtest/gtest.h>

#include "sluice/os/clock.h"
#include "sluice/os/random.h"

namespace sluice::sql {
namespace {

class QueryLogTest : public testing::Test {
 protected:
  void Run(const QueryLog::Asker& asker, const std::string& sql, std::string_view code = {}) {
    const auto running = log_.Begin(asker, sql);
    ASSERT_TRUE(running.ok());
    (*running)->End(code);
  }

  os::SimulatedClock clock_{os::Timestamp()};
  os::SimulatedRandom random_{1};
  QueryLog log_{clock_, random_};
  const QueryLog::Asker ada_{.tenant = "default", .principal = "ada"};
  const QueryLog::Asker page_{.tenant = "default", .principal = "ada", .background = true};
  const QueryLog::Of all_{.tenant = "default"};
};

TEST_F(QueryLogTest, CountsMoreThanItKeeps) {
  for (int i = 0; i < 1'200; ++i) Run(ada_, "select 1");
  Run({.tenant = "default", .principal = "bob"}, "select 2", "SL2001");
  EXPECT_EQ(log_.List(all_).size(), 1'000u);
  EXPECT_EQ(log_.CountAsked(all_), 1'201);
  EXPECT_EQ(log_.CountAsked({.tenant = "default", .principal = "bob"}), 1);
  EXPECT_EQ(log_.CountAsked({.tenant = "other"}), 0);
}

TEST_F(QueryLogTest, WhatRunsInTheBackgroundIsSeenWhileItRunsAndLeavesNoTrace) {
  Run(ada_, "select 'asked'");
  for (int i = 0; i < 1'200; ++i) Run(page_, "select 'shown'", i % 2 == 0 ? "" : "SL2201");
  const auto running = log_.Begin(page_, "select 'now'", "page");
  ASSERT_TRUE(running.ok());
  ASSERT_EQ(log_.List(all_).size(), 2u);
  EXPECT_EQ(log_.Find(all_, "page")->state, "running");
  EXPECT_TRUE(log_.Cancel(all_, "page").ok());
  EXPECT_TRUE((*running)->stop().stop_requested());
  (*running)->End("SL2205");
  ASSERT_EQ(log_.List(all_).size(), 1u);
  EXPECT_EQ(log_.List(all_).front().sql, "select 'asked'");
  EXPECT_EQ(log_.CountAsked(all_), 1);
}

TEST_F(QueryLogTest, NobodySeesOrCancelsTheQueriesOfOthers) {
  const auto running = log_.Begin(ada_, "select 1", "of-ada");
  ASSERT_TRUE(running.ok());
  for (const QueryLog::Of& other :
       {QueryLog::Of{.tenant = "default", .principal = "bob"}, QueryLog::Of{.tenant = "other"},
        QueryLog::Of{.tenant = "other", .principal = "ada"}}) {
    EXPECT_TRUE(log_.List(other).empty());
    EXPECT_FALSE(log_.Find(other, "of-ada"));
    EXPECT_EQ(log_.Cancel(other, "of-ada").error().code(), ErrorCode::kNotFound);
  }
  EXPECT_FALSE((*running)->stop().stop_requested());
  const QueryLog::Of herself{.tenant = "default", .principal = "ada"};
  EXPECT_TRUE(log_.Find(herself, "of-ada"));
  EXPECT_TRUE(log_.Cancel(herself, "of-ada").ok());
  EXPECT_TRUE((*running)->stop().stop_requested());
}

TEST_F(QueryLogTest, AnIdIsTakenWhileItsQueryRuns) {
  {
    const auto running = log_.Begin(ada_, "select 1", "one");
    ASSERT_TRUE(running.ok());
    EXPECT_EQ(log_.Begin(ada_, "select 2", "one").status().error().code(), ErrorCode::kConflict);
    (*running)->End("");
  }
  EXPECT_TRUE(log_.Begin(ada_, "select 2", "one").ok());
}

TEST_F(QueryLogTest, WhatRunsStaysInTheListHoweverManyCome) {
  const auto running = log_.Begin(ada_, "select 1", "long");
  ASSERT_TRUE(running.ok());
  for (int i = 0; i < 1'200; ++i) Run(ada_, "select 2");
  EXPECT_EQ(log_.List(all_).size(), 1'000u);
  ASSERT_TRUE(log_.Find(all_, "long"));
  EXPECT_TRUE(log_.Cancel(all_, "long").ok());
}

}  // namespace
}  // namespace sluice::sql
