// Rows that wait, and what is told of those that have landed.

#include <gtest/gtest.h>

#include <algorithm>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "sluice/land/internal/landing_table.h"
#include "sluice/ledger/proof.h"

namespace sluice::land {
namespace {

using std::chrono::hours;

class TailTest : public LandingTable {
 protected:
  std::vector<std::string> Received(os::Timestamp since, std::optional<os::Timestamp> until = {}) {
    const auto files = lander_->FilesReceived(kPartition, since, until);
    EXPECT_TRUE(files.ok());
    return files.ok() ? *files : std::vector<std::string>();
  }
};

TEST_F(TailTest, RowsOfManyDatesInTurnLandAll) {
  std::vector<int> days;
  for (int i = 0; i < 40; ++i) days.push_back(1 + i % 3);
  Add(days);
  ASSERT_TRUE(lander_->LandAll().ok());
  EXPECT_EQ(Table().files, 3);
  EXPECT_EQ(Seen(), UpTo(40));
}

// A reader joins what waits; what comes behind lost offsets is not joined with it.
TEST_F(TailTest, RowsBehindAHoleKeepTheirOffsetsWhoeverLooks) {
  lander_->AcceptLosses(kPartition, {{.partition = kPartition, .begin = 2, .end = 5}});
  Add({1, 1});
  EXPECT_EQ(Seen(), UpTo(2));
  next_ = 5;
  Add({1, 2});
  const std::multiset<int64_t> all{0, 1, 5, 6};
  EXPECT_EQ(Seen(), all);
  ASSERT_TRUE(lander_->LandAll().ok());
  EXPECT_EQ(Table().landed, 6);
  EXPECT_EQ(Seen(), all);
  EXPECT_EQ(lander_->TailBytes(), 0);
}

// It began to look before a landing, and is done after it.
TEST_F(TailTest, AReaderThatWasSlowTakesNothingBack) {
  AppendForeignRow();
  Add({1});
  bool landed = false;
  store_.Observe([&](store::StoreCall call, std::string_view path) {
    if (call != store::StoreCall::kGet || !path.ends_with(fmt::format("{:020}.json", 1))) return;
    if (std::exchange(landed, true)) return;
    ASSERT_TRUE(lander_->LandAll().ok());
  });
  const auto view = lander_->View("bronze", "clicks");
  store_.Observe(nullptr);
  ASSERT_TRUE(view.ok()) << view.error().ToString();
  ASSERT_TRUE(landed);
  EXPECT_EQ(view->snapshot->version(), 2);
  EXPECT_EQ(view->tail_rows, 0);
  EXPECT_EQ(Seen(), (std::multiset<int64_t>{-1, 0}));
}

TEST_F(TailTest, WhatWaitsWhenLandingStopsIsNoLongerOfTheTablesThatLand) {
  options_.tail_bytes_max = 100'000;
  Restart("journal-1");
  next_ = 5;  // Nothing says what became of those before.
  const std::vector<int> large(600, 1);
  while (!lander_->Behind()) Add(large);
  EXPECT_FALSE(lander_->LandAll().ok());
  ASSERT_FALSE(Table().stopped.empty());
  EXPECT_FALSE(lander_->Behind());
  EXPECT_FALSE(lander_->CheckRoom(kPartition).ok());
  // Another topic has room, though this one has none.
  catalog::Topic other = TopicOf(1);
  other.partition = kPartition + 1;
  other.table_path = "default/bronze/other";
  ASSERT_TRUE(lander_->Open(other).ok());
  EXPECT_TRUE(lander_->CheckRoom(kPartition + 1).ok());
  // Taken over, the table says how many offsets never had rows.
  ASSERT_TRUE(lander_->Adopt("clicks").ok());
  EXPECT_EQ(ledger::SumOfCounter(**Other().Load(), ledger::kLostCounter), 5);
}

// As another engine's compaction writes it: when the rows were received no statistics tell.
TEST_F(TailTest, AFileThatDoesNotTellCountsByItsMaking) {
  Add({1, 1});
  ASSERT_TRUE(lander_->LandAll().ok());
  const lake::DataFile file = (*Other().Load())->files()[0];
  const std::string commit = fmt::format(
      R"({{"remove":{{"path":"{0}","deletionTimestamp":1,"dataChange":false}}}}
{{"add":{{"path":"{0}","size":{1},"modificationTime":{2},"dataChange":false,"partitionValues":{{"event_date":"2001-01-01"}}}}}}
)",
      file.path, file.size, file.modified_ms);
  ASSERT_TRUE(memory_.PutIfAbsent(fmt::format("{}/_delta_log/{:020}.json", kRoot, 2), commit).ok());
  Restart("journal-1");
  EXPECT_EQ(Received(clock_.Now() - hours(1)).size(), 1u);
  EXPECT_EQ(Received(clock_.Now() + hours(1)).size(), 0u);
}

// The clock was years ahead when they were received, and behind when the second file was made.
TEST_F(TailTest, RowsBehindOthersAreAsNewAsThose) {
  const os::Timestamp ahead = clock_.Now() + hours(24 * 3650);
  const os::Timestamp now = clock_.Now();
  lander_->Add(kPartition, 0, ahead, Rows({1}));
  ASSERT_TRUE(lander_->LandAll().ok());
  clock_.SetWall(now - hours(24 * 20));
  lander_->Add(kPartition, 1, ahead, Rows({1}));
  ASSERT_TRUE(lander_->LandAll().ok());
  clock_.SetWall(now);
  EXPECT_EQ(Received(now - hours(1), now + hours(1)).size(), 2u);
}

}  // namespace
}  // namespace sluice::land
