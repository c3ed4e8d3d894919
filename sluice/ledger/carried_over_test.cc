#include "sluice/ledger/carried_over.h"

#include <gtest/gtest.h>

#include <string>

#include "sluice/ledger/entries.h"
#include "sluice/ledger/internal/proven_table.h"

namespace sluice::ledger {
namespace {

using CarriedOverTest = ProvenTable;

TEST_F(CarriedOverTest, RowsRemovedInCommitsThatAreTrimmedAreCarriedOver) {
  const std::string first = Land(0, 5);
  const std::string second = Land(5, 8);
  Commit("DELETE", {Remove(first)});
  Land(8, 10);
  // Trims the log behind a commit with the counter, but for `left` commits right before it.
  const auto trim = [this](int64_t expected, int left) {
    const auto counters = CarryOverRemoved(table_, Newest(), std::string(kApp));
    ASSERT_TRUE(counters.ok()) << counters.error().ToString();
    EXPECT_EQ(counters->front().app_id, std::string(kApp) + std::string(kRemovedCounter));
    EXPECT_EQ(counters->front().version, expected);
    Commit("ERASE", Texts(*counters));
    const auto newest = Newest();
    ASSERT_TRUE(table_.WriteCheckpoint(*newest).ok());
    for (int64_t version = 0; version < newest->version() - left; ++version) {
      (void)memory_.Delete(fmt::format("t/_delta_log/{:020}.json", version)).ok();
      (void)memory_.Delete(fmt::format("t/_delta_log/{:020}.checkpoint.parquet", version)).ok();
    }
  };
  const auto expect_removed = [this](int64_t rows) {
    const Proof proof = MustProve({.end = 10});
    EXPECT_TRUE(proof.Balanced()) << proof.faults[0];
    EXPECT_EQ(proof.removed, rows);
    EXPECT_EQ(proof.landed, 10 - rows);
  };
  trim(5, 0);
  expect_removed(5);
  Commit("DELETE", {Remove(second)});
  expect_removed(8);
  ASSERT_TRUE(memory_.Delete("t/" + second).ok());  // Counted by statistics then.
  expect_removed(8);
  trim(8, 0);
  expect_removed(8);
  trim(8, 1);  // Killed before the last commit went: nobody knows the state before it.
  expect_removed(8);
  trim(8, 0);
  expect_removed(8);
}

TEST_F(CarriedOverTest, WhatCommitsRemovedIsCountedByTheLogAlone) {
  const std::string first = Land(0, 5, {3});  // A gap that nobody explains.
  const std::string second = Land(5, 9);
  const std::string third = Land(9, 12);
  Commit("DELETE", {Remove(second)});
  const lake::Version after_delete = Newest()->version();
  Commit("OPTIMIZE", {Remove(third, false), Add(FileOf(third), false)});
  ASSERT_TRUE(table_.WriteCheckpoint(*Newest()).ok());
  const lake::Version begins = Newest()->version();
  Land(12, 14);
  Commit("DELETE", {Remove(first)});  // Stays in the log.
  const auto none = CarryOverRemovedUntil(table_, Newest(), after_delete - 1, std::string(kApp));
  ASSERT_TRUE(none.ok()) << none.error().ToString();
  EXPECT_TRUE(none->empty());
  const auto counters = CarryOverRemovedUntil(table_, Newest(), begins, std::string(kApp));
  ASSERT_TRUE(counters.ok()) << counters.error().ToString();
  ASSERT_EQ(counters->size(), 2u);
  EXPECT_EQ(counters->front().version, 4);
  EXPECT_EQ(counters->back().version, begins);
  const auto expect_gap = [this] {
    const Proof proof = MustProve({.end = 14});
    ASSERT_EQ(proof.faults.size(), 1u) << "the gap alone";
    EXPECT_TRUE(proof.faults[0].starts_with("offset 3 is in no file")) << proof.faults[0];
    EXPECT_EQ(proof.landed, 5);
  };
  Commit("COUNT", Texts(*counters));
  expect_gap();
  const auto again = CarryOverRemovedUntil(table_, Newest(), begins, std::string(kApp));
  ASSERT_TRUE(again.ok()) << again.error().ToString();
  EXPECT_TRUE(again->empty()) << "counted once";
}

TEST_F(CarriedOverTest, RowsRemovedInCommitsThatWereCleanedUpAreExplained) {
  const std::string first = Land(0, 5);
  const std::string second = Land(5, 9);
  Commit("DELETE", {Remove(first)});
  ASSERT_TRUE(table_.WriteCheckpoint(*Newest()).ok());
  const lake::Version begins = Newest()->version();
  Land(9, 12);
  Commit("DELETE", {Remove(second)});
  const auto counters = CarryOverRemovedUntil(table_, Newest(), begins, std::string(kApp));
  ASSERT_TRUE(counters.ok()) << counters.error().ToString();
  Commit("COUNT", Texts(*counters));
  // Killed between any two of the deletions, too.
  for (lake::Version version = 0; version <= begins; ++version) {
    const Proof proof = MustProve({.end = 12});
    EXPECT_TRUE(proof.Balanced()) << version << ": " << proof.faults[0];
    EXPECT_EQ(proof.removed, 9);
    EXPECT_EQ(proof.landed, 3);
    if (version == begins) break;
    ASSERT_TRUE(memory_.Delete(fmt::format("t/_delta_log/{:020}.json", version)).ok());
  }
  // The next part of the log, and a row that was lost before: not taken for a removed one.
  ASSERT_TRUE(table_.WriteCheckpoint(*Newest()).ok());
  const lake::Version next = Newest()->version();
  Land(12, 14);
  const auto more = CarryOverRemovedUntil(table_, Newest(), next, std::string(kApp));
  ASSERT_TRUE(more.ok()) << more.error().ToString();
  ASSERT_FALSE(more->empty());
  EXPECT_EQ(more->front().version, 9);
  Commit("COUNT", Texts(*more));
  for (lake::Version version = begins; version < next; ++version) {
    ASSERT_TRUE(memory_.Delete(fmt::format("t/_delta_log/{:020}.json", version)).ok());
  }
  const Proof proof = MustProve({.end = 14});
  EXPECT_TRUE(proof.Balanced()) << proof.faults[0];
  EXPECT_EQ(proof.removed, 9);
  Entries entries;
  ASSERT_TRUE(entries.Extend(table_, *Newest()).ok());
  int64_t balance = 0;
  for (const Entry& entry : entries.entries()) {
    balance += entry.accepted - entry.landed - entry.removed - entry.expired - entry.erased;
  }
  EXPECT_EQ(balance, 0);
}

TEST_F(CarriedOverTest, AGapIsNotCarriedOver) {
  const std::string first = Land(0, 5, {2});
  Land(5, 10);
  Commit("DELETE", {Remove(first)});
  const auto counters = CarryOverRemoved(table_, Newest(), std::string(kApp));
  ASSERT_TRUE(counters.ok()) << counters.error().ToString();
  EXPECT_EQ(counters->front().version, 4) << "what no commit took away stays missing";
}

TEST_F(CarriedOverTest, WhatOneJournalCountedAsRemovedTheNextDoesNotCountAgain) {
  const std::string first = Land(0, 5);
  const std::string second = Land(5, 8);
  Commit("DELETE", {Remove(first)});
  const lake::Version deleted = Newest()->version();
  Commit("COUNT", Texts(*CarryOverRemovedUntil(table_, Newest(), deleted, std::string(kApp))));
  const std::string next = "sluice/journal-2/7-1";
  Append({8, 9}, {.transactions = {{.app_id = next, .version = 9}}});
  Commit("DELETE", {Remove(second)});
  const auto counters = CarryOverRemovedUntil(table_, Newest(), Newest()->version(), next);
  ASSERT_TRUE(counters.ok()) << counters.error().ToString();
  ASSERT_EQ(counters->size(), 2u);
  EXPECT_EQ(counters->front().version, 3);
  Commit("COUNT", Texts(*counters));
  EXPECT_EQ(SumOfCounter(*Newest(), kRemovedCounter), 8);
}

// The commit is still in the log, and the counter counts its rows, too.
TEST_F(CarriedOverTest, ARowThatIsLostIsNotExplainedByRowsThatACommitTookAway) {
  Land(0, 5, {3});
  const std::string second = Land(5, 9);
  ASSERT_TRUE(table_.WriteCheckpoint(*Newest()).ok());
  Commit("DELETE", {Remove(second)});
  const lake::Version deleted = Newest()->version();
  Land(9, 12);
  Commit("COUNT", Texts(*CarryOverRemovedUntil(table_, Newest(), deleted, std::string(kApp))));
  for (int version = 0; version < 2; ++version) {
    ASSERT_TRUE(memory_.Delete(fmt::format("t/_delta_log/{:020}.json", version)).ok());
  }
  const Proof proof = MustProve({.end = 12});
  ASSERT_EQ(proof.faults.size(), 1u);
  EXPECT_TRUE(proof.faults[0].starts_with("offset 3 is in no file")) << proof.faults[0];
  EXPECT_EQ(proof.removed, 4);
}

}  // namespace
}  // namespace sluice::ledger
