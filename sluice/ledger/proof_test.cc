#include "sluice/ledger/proof.h"

#include <arrow/api.h>
#include <gtest/gtest.h>

#include "sluice/ledger/entries.h"
#include "sluice/ledger/internal/proven_table.h"

namespace sluice::ledger {
namespace {

using ProofTest = ProvenTable;

TEST_F(ProofTest, AnEmptyTableIsBalanced) {
  const Proof proof = MustProve({.end = 3});
  EXPECT_TRUE(proof.Balanced());
  EXPECT_EQ(proof.pending, 3);
}

TEST_F(ProofTest, CountsWhatLandedAndWhatOthersWrote) {
  Land(0, 5);
  Land(5, 8, {}, 4);
  Append({std::nullopt, std::nullopt}, {});
  const Proof proof = MustProve({.end = 10});
  EXPECT_TRUE(proof.Balanced());
  EXPECT_EQ(proof.landed, 8);
  EXPECT_EQ(proof.pending, 2);
  EXPECT_EQ(proof.accepted, 10);
  EXPECT_EQ(proof.foreign, 2);
  EXPECT_EQ(proof.duplicates, 4);
  EXPECT_EQ(MustProve().pending, std::nullopt) << "without the journal it is not known";
}

TEST_F(ProofTest, NamesTheFirstGapAndTheLandingThatShouldHaveIt) {
  Land(0, 5);
  Land(5, 20, {7, 8, 12});
  const Proof proof = MustProve();
  ASSERT_EQ(proof.faults.size(), 2);
  EXPECT_EQ(proof.faults[0],
            "offsets 7 to 8 are in no file: version 2 says that offsets 5 to 19 landed, and no "
            "commit since took them away");
  EXPECT_EQ(proof.landed, 17);
}

TEST_F(ProofTest, NamesWhatStandsTwice) {
  Land(0, 5);
  Append({3}, {});
  const Proof proof = MustProve();
  ASSERT_EQ(proof.faults.size(), 1);
  EXPECT_EQ(proof.faults[0].find("offset 3 stands in 2 rows, of "), 0) << proof.faults[0];
}

TEST_F(ProofTest, NamesRowsThatNoTransactionLanded) {
  Land(0, 5);
  Append({9}, {});
  ASSERT_EQ(MustProve().faults.size(), 1);
  EXPECT_NE(MustProve().faults[0].find("such as 9"), std::string::npos);
}

TEST_F(ProofTest, SaysWhoTookRowsAway) {
  const std::string first = Land(0, 5);
  Land(5, 10);
  Commit("DELETE", {Remove(first)});
  Land(10, 12);
  const Proof proof = MustProve({.end = 12});
  EXPECT_TRUE(proof.Balanced());
  EXPECT_EQ(proof.landed, 7);
  EXPECT_EQ(proof.removed, 5);
  ASSERT_EQ(proof.removals.size(), 1);
  EXPECT_EQ(proof.removals[0].version, 3);
  EXPECT_EQ(proof.removals[0].operation, "DELETE");
  EXPECT_EQ(proof.removals[0].engine, "other/1");
  EXPECT_EQ(proof.removals[0].first_offset, 0);
  EXPECT_FALSE(proof.removals[0].by_statistics);
}

TEST_F(ProofTest, ARewriteThatKeepsRowsRemovesOnlyTheOthers) {
  const std::string first = Land(0, 5);
  Land(5, 10);
  const std::string rest = Append({0, 1, 4}, {});  // Made beside, then swapped in.
  lake::DataFile file;
  const auto snapshot = Newest();
  for (const auto& known : snapshot->files()) {
    if (known.path == rest) file = known;
  }
  Commit("undo", {Remove(rest)});
  Commit("UPDATE", {Remove(first), Add(file)});
  const Proof proof = MustProve();
  EXPECT_TRUE(proof.Balanced()) << proof.faults[0];
  EXPECT_EQ(proof.removed, 2);
  ASSERT_EQ(proof.removals.size(), 1);
  EXPECT_EQ(proof.removals[0].first_offset, 2);
}

TEST_F(ProofTest, RowsThatCameBackAreNotMissing) {
  const std::string first = Land(0, 5);
  const auto snapshot = Newest();
  const lake::DataFile& file = snapshot->files()[0];
  Commit("DELETE", {Remove(first)});
  Commit("RESTORE", {Add(file)});
  const Proof proof = MustProve();
  EXPECT_TRUE(proof.Balanced());
  EXPECT_EQ(proof.removed, 0);
}

TEST_F(ProofTest, VacuumedRowsAreToldByStatistics) {
  const std::string first = Land(0, 5);
  Land(5, 10);
  Commit("DELETE", {Remove(first)});
  ASSERT_TRUE(memory_.Delete("t/" + first).ok());
  const Proof proof = MustProve();
  EXPECT_TRUE(proof.Balanced());
  ASSERT_EQ(proof.removals.size(), 1);
  EXPECT_TRUE(proof.removals[0].by_statistics);
  EXPECT_EQ(proof.removed, 5);
}

TEST_F(ProofTest, StatisticsExplainNoMoreThanTheyCount) {
  const std::string first = Land(0, 5);
  Land(5, 10, {8});
  Commit("DELETE", {Remove(first)});
  ASSERT_TRUE(memory_.Delete("t/" + first).ok());
  EXPECT_FALSE(MustProve().Balanced());
}

TEST_F(ProofTest, ACompactionThatLosesRowsIsAFault) {
  const std::string first = Land(0, 5);
  Commit("OPTIMIZE", {Remove(first, false)});
  const Proof proof = MustProve();
  ASSERT_EQ(proof.faults.size(), 1);
  EXPECT_NE(proof.faults[0].find("version 2 (OPTIMIZE) says that it changed no data, but 5 rows"),
            std::string::npos)
      << proof.faults[0];
}

TEST_F(ProofTest, AnAcceptedLossIsCountedAsOne) {
  Land(0, 5);
  const auto adopted = table_.Append(
      Newest(), {},
      {.operation = "ADOPT", .transactions = {{.app_id = "sluice/journal-2/7-1", .version = 9}}});
  ASSERT_TRUE(adopted.ok());
  const Proof proof = MustProve();
  EXPECT_TRUE(proof.Balanced());
  ASSERT_EQ(proof.removals.size(), 1);
  EXPECT_EQ(proof.removals[0].cause, Cause::kLost);
  EXPECT_EQ(proof.removals[0].first_offset, 5);
  EXPECT_EQ(proof.removed, 5);
}

TEST_F(ProofTest, WorksWindowByWindow) {
  const std::string first = Land(0, 100);
  Land(100, 1'000, {555});
  Append({std::nullopt}, {});
  Commit("DELETE", {Remove(first)});
  const Proof proof = MustProve({.end = 1'001, .window = 64});
  EXPECT_EQ(proof.landed, 899);
  EXPECT_EQ(proof.removed, 100);
  EXPECT_EQ(proof.foreign, 1);
  ASSERT_EQ(proof.faults.size(), 1);
  EXPECT_EQ(proof.faults[0].find("offset 555 is in no file"), 0);
}

TEST_F(ProofTest, TheLinesOfTheLedgerBalance) {
  const std::string first = Land(0, 5);
  Append({std::nullopt}, {});
  Land(5, 10, {}, 3);
  Entries entries;
  ASSERT_TRUE(entries.Extend(table_, *Newest()).ok());
  ASSERT_EQ(entries.entries().size(), 3);
  Commit("DELETE", {Remove(first)});
  Commit("nothing", {});
  Land(10, 12, {}, 4);
  ASSERT_TRUE(entries.Extend(table_, *Newest()).ok());
  Entry sum;
  std::string operations;
  for (const Entry& entry : entries.entries()) {
    operations += entry.operation + " ";
    EXPECT_EQ(entry.accepted, entry.landed + entry.removed);
    sum.accepted += entry.accepted;
    sum.landed += entry.landed;
    sum.removed += entry.removed;
    sum.foreign += entry.foreign;
    sum.duplicate += entry.duplicate;
  }
  EXPECT_EQ(operations, "LAND WRITE LAND DELETE LAND ");
  EXPECT_EQ(sum.accepted, 12);
  EXPECT_EQ(sum.landed, 7);
  EXPECT_EQ(sum.removed, 5);
  EXPECT_EQ(sum.foreign, 1);
  EXPECT_EQ(sum.duplicate, 4);
}

TEST_F(ProofTest, ALedgerOfACleanedUpLogBeginsWithWhatWasBefore) {
  Land(0, 5);
  Land(5, 10, {}, 3);
  ASSERT_TRUE(table_.WriteCheckpoint(*Newest()).ok());
  for (int version = 0; version < 2; ++version) {
    ASSERT_TRUE(memory_.Delete(fmt::format("t/_delta_log/{:020}.json", version)).ok());
  }
  Land(10, 12, {}, 4);
  Entries entries;
  ASSERT_TRUE(entries.Extend(table_, *Newest()).ok());
  ASSERT_EQ(entries.entries().size(), 2);
  EXPECT_EQ(entries.entries()[0].operation, "BEFORE");
  EXPECT_EQ(entries.entries()[0].accepted, 10);
  EXPECT_EQ(entries.entries()[0].landed, 10);
  EXPECT_EQ(entries.entries()[1].duplicate, 1);
  EXPECT_TRUE(MustProve().Balanced()) << "no log is needed while nothing is missing";
}

TEST_F(ProofTest, WhatStoodBeforeTheLogIsCountedByItsOwnCounters) {
  const std::string first = Land(0, 5);
  Land(5, 9);
  Commit("ERASE", {Remove(first), fmt::format(R"({{"txn":{{"appId":"{}{}","version":5}}}})", kApp,
                                              kErasedCounter)});
  Entries entries;
  entries.Begin(*Newest());
  ASSERT_EQ(entries.entries().size(), 1u);
  EXPECT_EQ(entries.entries()[0].accepted, 9);
  EXPECT_EQ(entries.entries()[0].landed, 4);
  EXPECT_EQ(entries.entries()[0].erased, 5);
  EXPECT_EQ(entries.entries()[0].removed, 0);
}

TEST_F(ProofTest, RowsThatOnlyMoveAreTheSameRowsThoughStatisticsTellTheirNumberAlone) {
  const std::string first = Land(0, 5);
  std::string moved = Add(FileOf(first), false);
  moved.insert(moved.size() - 2, R"(,"stats":"{\"numRecords\":5}")");
  Commit("OPTIMIZE", {Remove(first, false), moved});
  Land(5, 7);
  Entries entries;
  ASSERT_TRUE(entries.Extend(table_, *Newest()).ok());
  ASSERT_EQ(entries.entries().size(), 2u) << "two landings";
  EXPECT_EQ(entries.entries()[0].landed, 5);
}

// Five rows were removed by what the log says, and two of them came back.
TEST_F(ProofTest, StatisticsCountNoRowThatIsThere) {
  const std::string first = Land(0, 5);
  Land(5, 7);
  Commit("DELETE", {Remove(first)});
  Append({0, 1}, {});
  ASSERT_TRUE(memory_.Delete("t/" + first).ok());
  const Proof proof = MustProve({.end = 7});
  EXPECT_TRUE(proof.Balanced()) << proof.faults[0];
  EXPECT_EQ(proof.landed, 4);
  EXPECT_EQ(proof.removed, 3);
}

TEST_F(ProofTest, WhatExpiredOrWasErasedIsCountedByItsOwnCounter) {
  const std::string first = Land(0, 5);
  const std::string second = Land(5, 9);
  const std::string third = Land(9, 10);
  const auto counter = [](std::string_view name, int64_t version) {
    return fmt::format(R"({{"txn":{{"appId":"{}{}","version":{}}}}})", kApp, name, version);
  };
  Commit("EXPIRE", {Remove(first), counter(kExpiredCounter, 5)});
  Commit("ERASE", {Remove(third), counter(kErasedCounter, 1)});
  Proof proof = MustProve({.end = 10});
  EXPECT_TRUE(proof.Balanced()) << proof.faults[0];
  EXPECT_EQ(proof.landed, 4);
  EXPECT_EQ(proof.expired, 5);
  EXPECT_EQ(proof.erased, 1);
  EXPECT_EQ(proof.removed, 0);
  Entries entries;
  ASSERT_TRUE(entries.Extend(table_, *Newest()).ok());
  EXPECT_EQ(entries.entries()[3].expired, 5);
  EXPECT_EQ(entries.entries()[4].erased, 1);
  EXPECT_EQ(entries.entries()[4].removed, 0);

  Commit("EXPIRE", {Remove(second), counter(kExpiredCounter, 8)});  // 4 rows, not 3.
  proof = MustProve({.end = 10});
  ASSERT_EQ(proof.faults.size(), 1);
  EXPECT_EQ(proof.faults[0], "version 6 (EXPIRE) says that 3 rows expired, but 4 are gone since");
}

TEST_F(ProofTest, CountersTellWhatACleanedUpLogNoLongerDoes) {
  const std::string first = Land(0, 5);
  Land(5, 8);
  Commit("EXPIRE", {Remove(first), fmt::format(R"({{"txn":{{"appId":"{}{}","version":5}}}})", kApp,
                                               kExpiredCounter)});
  Land(8, 10);
  ASSERT_TRUE(table_.WriteCheckpoint(*Newest()).ok());
  for (int version = 0; version < 4; ++version) {
    ASSERT_TRUE(memory_.Delete(fmt::format("t/_delta_log/{:020}.json", version)).ok());
  }
  const Proof proof = MustProve({.end = 10});
  EXPECT_TRUE(proof.Balanced()) << proof.faults[0];
  EXPECT_EQ(proof.removed + proof.expired, 5);
  ASSERT_EQ(proof.removals.size(), 1);
  EXPECT_EQ(proof.removals[0].operation, "BEFORE");
}

TEST_F(ProofTest, ALedgerWhoseLogIsCleanedUpBeneathItBeginsAnew) {
  Land(0, 5);
  Entries entries;
  ASSERT_TRUE(entries.Extend(table_, *Newest()).ok());
  const std::string second = Land(5, 10, {}, 3);
  Commit("DELETE", {Remove(second)});
  ASSERT_TRUE(table_.WriteCheckpoint(*Newest()).ok());
  for (int version = 0; version < 3; ++version) {
    ASSERT_TRUE(memory_.Delete(fmt::format("t/_delta_log/{:020}.json", version)).ok());
  }
  const Status extended = entries.Extend(table_, *Newest());
  ASSERT_TRUE(extended.ok()) << extended.error().ToString();
  ASSERT_EQ(entries.entries().size(), 1u);
  const Entry& before = entries.entries()[0];
  EXPECT_EQ(before.operation, "BEFORE");
  EXPECT_EQ(before.accepted, 10);
  EXPECT_EQ(before.landed, 5);
  EXPECT_EQ(before.removed, 5);
  EXPECT_EQ(before.duplicate, 3);
}

TEST_F(ProofTest, CountsWhatWasReceivedInATime) {
  Land(0, 10);
  const std::string second = Land(10, 20, {15});
  Land(20, 30);
  const auto between = [&](std::optional<int64_t> from, std::optional<int64_t> to) {
    if (from) from = ReceivedAt(*from);
    if (to) to = ReceivedAt(*to);
    const auto range = OffsetsBetween(table_, Newest(), from, to);
    EXPECT_TRUE(range.ok()) << range.error().ToString();
    return range.ok() ? *range : OffsetRange();
  };
  EXPECT_EQ(between({}, {}), (OffsetRange{0, 30}));
  EXPECT_EQ(between(4, 12), (OffsetRange{4, 12}));
  EXPECT_EQ(between(10, 20), (OffsetRange{10, 20}));
  EXPECT_EQ(between(100, {}), (OffsetRange{30, 30}));
  EXPECT_EQ(between({}, 0), (OffsetRange{0, 0}));
  EXPECT_EQ(between({}, 100), (OffsetRange{0, 30}));

  const Proof first = MustProve({.range = between(2, 10)});
  EXPECT_TRUE(first.Balanced());
  EXPECT_EQ(first.landed, 8);
  EXPECT_EQ(first.accepted, 8);
  EXPECT_EQ(first.files_read, 1);
  const Proof gap = MustProve({.range = between(12, 22)});
  EXPECT_EQ(gap.landed, 9);
  ASSERT_EQ(gap.faults.size(), 1);
  EXPECT_EQ(gap.faults[0].find("offset 15 is in no file"), 0);
  Commit("DELETE", {Remove(second)});
  // No row tells any more when those were received: all that may belong to it are counted.
  EXPECT_EQ(between(18, 22), (OffsetRange{10, 22}));
  EXPECT_EQ(MustProve({.range = between(18, 22)}).removed, 9);
}

TEST_F(ProofTest, AcceptedBelowLandedIsAFault) {
  Land(0, 5);
  EXPECT_FALSE(MustProve({.end = 4}).Balanced());
}

// Offsets alone may be as they were: each bit of the file counts.
TEST_F(ProofTest, AllBytesOfTheFilesAreComparedWithTheirChecksums) {
  Land(0, 1000);
  const std::string damaged = Land(1000, 2000);
  EXPECT_TRUE(MustProve({.all_bytes = true}).Balanced());
  const std::string path = "t/" + damaged;
  const std::string whole = *memory_.Get(path);
  std::set<std::string_view> told;
  int without = 0;
  const size_t key = whole.rfind("sluice.crc32c");  // Without it there is no checksum of the file.
  for (size_t at = 0; at < whole.size(); at += 7) {
    if (at + 2 >= key && at < key + 15) continue;
    std::string bytes = whole;
    bytes[at] = static_cast<char>(bytes[at] ^ 1 << at % 8);
    ASSERT_TRUE(memory_.Put(path, bytes).ok());
    const Proof proof = MustProve({.all_bytes = true});
    EXPECT_FALSE(proof.Balanced()) << "byte " << at << " of " << whole.size();
    ASSERT_EQ(proof.damaged.size(), 1U) << at;
    EXPECT_NE(proof.damaged[0].find(damaged), std::string::npos) << proof.damaged[0];
    for (const std::string_view part :
         {"row group 0, column 'n'", "row group 0, column '_offset'",
          "row group 0, column '_received_at'", "no page of a column"}) {
      if (proof.damaged[0].find(part) != std::string::npos) told.insert(part);
    }
    const auto plain = Prove(table_, Newest());
    without += plain.ok() && plain->Balanced() ? 1 : 0;
  }
  EXPECT_EQ(told.size(), 4U);
  EXPECT_GT(without, 0) << "a count of offsets alone does not see them all";
}

}  // namespace
}  // namespace sluice::ledger
