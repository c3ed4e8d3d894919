// What happens to the tables of several topics, and to one whose topic goes or is taken over.

#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <vector>

#include "sluice/land/internal/landing_table.h"
#include "sluice/ledger/proof.h"

namespace sluice::land {
namespace {

using store::Fault;
using store::StoreCall;

class TopicsTest : public LandingTable {
 protected:
  static constexpr uint32_t kOther = kPartition + 1;

  /// A second topic; the lander looks at it after the first one.
  void OpenOther() {
    catalog::Topic other = TopicOf(1);
    other.partition = kOther;
    other.table_path = "default/bronze/other";
    event::Contract contract = *other.contract;
    contract.topic = contract.table = "other";
    other.contract = std::make_shared<const event::Contract>(std::move(contract));
    const auto next = lander_->Open(other);
    ASSERT_TRUE(next.ok()) << next.error().ToString();
  }
  TableStatus OtherTable() { return lander_->Tables().back(); }

  /// How many rows the files of the first table have.
  int64_t RowsInFiles() {
    int64_t rows = 0;
    const auto snapshot = *Other().Load();
    for (const lake::DataFile& file : snapshot->files()) rows += file.rows.value_or(0);
    return rows;
  }
};

TEST_F(TopicsTest, ATableThatFailsToLandHoldsUpNoOther) {
  OpenOther();
  Add({1});
  lander_->Add(kOther, 0, clock_.Now(), Rows({1, 2}));
  lander_->AddDuplicates(kOther, 3);
  store_.Add({.call = StoreCall::kPut, .path_part = std::string(kRoot), .times = 100});
  const Status landed = lander_->LandAll();
  ASSERT_FALSE(landed.ok());
  EXPECT_EQ(landed.error().code(), ErrorCode::kUnavailable) << "the failure is told";
  EXPECT_EQ(Table().landed, -1);
  EXPECT_EQ(OtherTable().landed, 1);
}

TEST_F(TopicsTest, WhatATopicThatGoesHasLandsWhole) {
  options_.dates_max = 1;  // A commit for each.
  Restart("journal-1");
  Add({1, 2, 3, 4, 4});
  ASSERT_TRUE(lander_->BeginChange("bronze", "clicks", os::Monotonic::max()).ok());
  lander_->Drop(kPartition);
  EXPECT_EQ(RowsInFiles(), 5);
  EXPECT_EQ(ledger::LandedOffset(**Other().Load()), 4);
  EXPECT_TRUE(lander_->Tables().empty());
  Add({1});  // Of a request that was under way.
}

TEST_F(TopicsTest, WhatWaitedForAnAdoptionCountsAsAnyOtherRowsAfterIt) {
  options_.tail_bytes_max = 100'000;
  Restart("journal-1");
  Add({1});
  ASSERT_TRUE(lander_->LandAll().ok());
  Restart("journal-2");
  ASSERT_FALSE(Table().stopped.empty());
  const std::vector<int> large(600, 1);
  Add(large);
  ASSERT_TRUE(lander_->Adopt("clicks").ok());
  while (lander_->TailBytes() <= options_.tail_bytes_max) {
    EXPECT_FALSE(lander_->Behind());
    Add(large);
  }
  EXPECT_TRUE(lander_->Behind());
  ASSERT_TRUE(lander_->LandAll().ok());
  EXPECT_EQ(lander_->TailBytes(), 0);
  EXPECT_FALSE(lander_->Behind());
  EXPECT_EQ(Seen(), UpTo(next_));
}

// What another journal landed there says nothing of rows that this one keeps under the same
// offsets.
TEST_F(TopicsTest, ATableThatStoppedReleasesNothingOfTheJournal) {
  Add({1, 1, 1});
  ASSERT_TRUE(lander_->LandAll().ok());
  Restart("journal-2");
  ASSERT_FALSE(Table().stopped.empty());
  lander_->SetFirstKept(kPartition, 0);
  int released = 0;
  lander_->Start([&](uint32_t, journal::Offset) { ++released; });
  ASSERT_TRUE(lander_->Stop().ok());
  EXPECT_EQ(released, 0);
}

TEST_F(TopicsTest, ALandingThatCountsDuplicatesFirstIsNoFailureOfTheCount) {
  lander_->AddDuplicates(kPartition, 3);
  bool landed = false;
  store_.Observe([&](StoreCall call, std::string_view path) {
    if (call != StoreCall::kPutIfAbsent || !path.ends_with(".json")) return;
    if (std::exchange(landed, true)) return;
    lander_->AddDuplicates(kPartition, 1);
    Add({1});
    ASSERT_TRUE(lander_->LandAll().ok());
  });
  const Status counted = lander_->LandAll();
  store_.Observe(nullptr);
  EXPECT_TRUE(counted.ok()) << counted.error().ToString();
  EXPECT_TRUE(landed);
  EXPECT_EQ(ledger::SumOfCounter(**Other().Load(), ledger::kDuplicateCounter), 4);
  EXPECT_EQ(Seen(), UpTo(1));
}

TEST_F(TopicsTest, DuplicatesThatNoCommitCountsYetAreInTheLedger) {
  const auto duplicates = [this] {
    const auto entries = lander_->Ledger(kPartition);
    EXPECT_TRUE(entries.ok());
    int64_t sum = 0;
    for (const ledger::Entry& entry : *entries) sum += entry.duplicate;
    return sum;
  };
  lander_->AddDuplicates(kPartition, 3);
  EXPECT_EQ(duplicates(), 3);
  Add({1});
  EXPECT_EQ(duplicates(), 3) << "beside rows that wait";
  ASSERT_TRUE(lander_->LandAll().ok());
  EXPECT_EQ(duplicates(), 3);
  lander_->AddDuplicates(kPartition, 2);
  EXPECT_EQ(duplicates(), 5);
  Restart("journal-1");
  EXPECT_EQ(lander_->RaiseDuplicates(kPartition, 0), 3) << "as many as the table counts";
}

// There others' commits are looked for now and then.
TEST_F(TopicsTest, AChangeInABucketIsSeenByTheNextQuery) {
  store_.PretendRemote();
  Add({1, 1});
  ASSERT_TRUE(lander_->LandAll().ok());
  const auto begun = lander_->BeginChange("bronze", "clicks", os::Monotonic::max());
  ASSERT_TRUE(begun.ok()) << begun.error().ToString();
  EXPECT_EQ(Seen(), UpTo(2));
  AppendForeignRow();
  lander_->EndChange("bronze", "clicks", *Other().Load());
  EXPECT_EQ(Seen(), (std::multiset<int64_t>{-1, 0, 1}));
}

}  // namespace
}  // namespace sluice::land
