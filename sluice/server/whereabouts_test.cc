#include "sluice/server/whereabouts.h"

#include <gtest/gtest.h>

#include <string>

#include "sluice/os/clock.h"
#include "sluice/os/simulated_disk.h"

namespace sluice::server {
namespace {

class WhereaboutsTest : public ::testing::Test {
 protected:
  WhereaboutsTest() { EXPECT_TRUE(disk_.MakeFolders("data").ok()); }

  void Put(const std::string& text) {
    ASSERT_TRUE(os::ReplaceFile(disk_, "data/serving", text).ok());
  }

  os::SimulatedDisk disk_;
};

TEST_F(WhereaboutsTest, WhoLooksFindsTheServerUntilItTakesItsWordBack) {
  EXPECT_FALSE(FindServer(disk_, "data"));
  ASSERT_TRUE(LeaveWord(disk_, "data", {.address = "127.0.0.2", .port = 7118, .tls = true}).ok());
  const auto found = FindServer(disk_, "data");
  ASSERT_TRUE(found);
  EXPECT_EQ(found->address, "127.0.0.2");
  EXPECT_EQ(found->port, 7118);
  EXPECT_TRUE(found->tls);
  EXPECT_EQ(found->process, os::ThisProcess());
  TakeWordBack(disk_, "data");
  EXPECT_FALSE(FindServer(disk_, "data"));
  TakeWordBack(disk_, "data");
}

TEST_F(WhereaboutsTest, ANewWordTakesThePlaceOfAnOldOneAndOfOneCutShort) {
  ASSERT_TRUE(LeaveWord(disk_, "data", {.address = "127.0.0.1", .port = 1}).ok());
  ASSERT_TRUE(os::ReplaceFile(disk_, "data/serving.new", "addr").ok());
  ASSERT_TRUE(LeaveWord(disk_, "data", {.address = "127.0.0.1", .port = 2}).ok());
  EXPECT_EQ(FindServer(disk_, "data")->port, 2);
}

TEST_F(WhereaboutsTest, WhoListensEverywhereIsAskedOnThisMachine) {
  ASSERT_TRUE(LeaveWord(disk_, "data", {.address = "0.0.0.0", .port = 1}).ok());
  EXPECT_EQ(FindServer(disk_, "data")->address, "127.0.0.1");
  ASSERT_TRUE(LeaveWord(disk_, "data", {.address = "::", .port = 1}).ok());
  EXPECT_EQ(FindServer(disk_, "data")->address, "::1");
}

TEST_F(WhereaboutsTest, TheWordOfAProcessThatHasEndedIsNothing) {
  os::ProcessIdentity ended = os::ThisProcess();
  ++ended.started;
  ASSERT_TRUE(LeaveWord(disk_, "data", {.address = "127.0.0.1", .port = 1, .process = ended}).ok());
  EXPECT_FALSE(FindServer(disk_, "data"));
}

TEST_F(WhereaboutsTest, WhatCannotBeReadIsNothing) {
  ASSERT_TRUE(LeaveWord(disk_, "data", {.address = "127.0.0.1", .port = 7118}).ok());
  const std::string whole = *os::ReadFile(disk_, "data/serving", 4096);
  for (size_t length = 0; length + 1 < whole.size(); ++length) {
    Put(whole.substr(0, length));
    // The last number cut short names another process.
    EXPECT_FALSE(FindServer(disk_, "data")) << length;
  }
  Put(std::string(whole.size(), '\0'));
  EXPECT_FALSE(FindServer(disk_, "data"));
  Put("address a\nport 99999999\ntls no\nprocess 1\nstarted 1\n");
  EXPECT_FALSE(FindServer(disk_, "data"));
}

}  // namespace
}  // namespace sluice::server
