#include "sluice/ledger/proof.h"

#include <arrow/api.h>
#include <gtest/gtest.h>

#include "sluice/lake/expression.h"
#include "sluice/lake/row_changes.h"
#include "sluice/ledger/carried_over.h"
#include "sluice/ledger/entries.h"
#include "sluice/ledger/signed_off.h"
#include "sluice/store/memory_store.h"

namespace sluice::ledger {
namespace {

const columnar::Schema kSchema =
    arrow::schema({arrow::field("n", arrow::int64()), arrow::field("_offset", arrow::int64()),
                   arrow::field("_received_at", arrow::timestamp(arrow::TimeUnit::MICRO, "UTC"))});
constexpr std::string_view kApp = "sluice/journal-1/7-1";

class ProofTest : public testing::Test {
 protected:
  ProofTest() { EXPECT_TRUE(table_.Create(kSchema).ok()); }

  static columnar::Batch Rows(const std::vector<std::optional<int64_t>>& offsets) {
    arrow::Int64Builder numbers;
    arrow::Int64Builder column;
    arrow::TimestampBuilder times(kSchema->field(2)->type(), arrow::default_memory_pool());
    for (const auto& offset : offsets) {
      EXPECT_TRUE(numbers.Append(1).ok());
      EXPECT_TRUE((offset ? column.Append(*offset) : column.AppendNull()).ok());
      EXPECT_TRUE((offset ? times.Append(ReceivedAt(*offset)) : times.AppendNull()).ok());
    }
    return arrow::RecordBatch::Make(kSchema, static_cast<int64_t>(offsets.size()),
                                    {*numbers.Finish(), *column.Finish(), *times.Finish()});
  }
  /// Two offsets a second.
  static int64_t ReceivedAt(int64_t offset) {
    return 1'700'000'000'000'000 + offset / 2 * 1'000'000;
  }

  /// Appends a file with those offsets; returns its path in the log.
  std::string Append(const std::vector<std::optional<int64_t>>& offsets,
                     lake::AppendOptions options) {
    const lake::NewFile file{.batches = {Rows(offsets)}};
    const auto snapshot = Newest();
    std::set<std::string> before;
    for (const auto& known : snapshot->files()) before.insert(known.path);
    const auto appended = table_.Append(snapshot, {&file, 1}, options);
    EXPECT_TRUE(appended.ok()) << appended.error().ToString();
    for (const auto& known : (*appended)->files()) {
      if (!before.contains(known.path)) return known.path;
    }
    return {};
  }

  /// Lands [begin, end), but for those to be left out.
  std::string Land(int64_t begin, int64_t end, const std::set<int64_t>& without = {},
                   int64_t duplicates = 0) {
    std::vector<std::optional<int64_t>> offsets;
    for (int64_t offset = begin; offset < end; ++offset) {
      if (!without.contains(offset)) offsets.emplace_back(offset);
    }
    return Append(
        offsets,
        {.operation = "LAND",
         .transactions = {{.app_id = std::string(kApp), .version = end - 1},
                          {.app_id = std::string(kApp) + "#duplicate", .version = duplicates}}});
  }

  /// Commits as another engine would.
  void Commit(const std::string& operation, const std::vector<std::string>& actions) {
    std::string text = fmt::format(
        R"({{"commitInfo":{{"timestamp":1700000000000,"operation":"{}","engineInfo":"other/1"}}}})"
        "\n",
        operation);
    for (const std::string& action : actions) text += action + "\n";
    ASSERT_TRUE(
        memory_.PutIfAbsent(fmt::format("t/_delta_log/{:020}.json", Newest()->version() + 1), text)
            .ok());
  }
  static std::string Remove(const std::string& path, bool data_change = true) {
    return fmt::format(
        R"({{"remove":{{"path":"{}","deletionTimestamp":1,"dataChange":{},"partitionValues":{{}}}}}})",
        path, data_change);
  }
  /// An add of what lies there already, such as a file that was removed.
  std::string Add(const lake::DataFile& file, bool data_change = true) {
    return fmt::format(
        R"({{"add":{{"path":"{}","size":{},"modificationTime":1,"dataChange":{},"partitionValues":{{}}}}}})",
        file.path, file.size, data_change);
  }
  lake::DataFile FileOf(const std::string& path) {
    const auto snapshot = Newest();
    for (const lake::DataFile& file : snapshot->files()) {
      if (file.path == path) return file;
    }
    ADD_FAILURE() << path;
    return {};
  }
  static std::vector<std::string> Texts(const std::vector<lake::Transaction>& transactions) {
    std::vector<std::string> texts;
    for (const lake::Transaction& transaction : transactions) {
      texts.push_back(fmt::format(R"({{"txn":{{"appId":"{}","version":{}}}}})", transaction.app_id,
                                  transaction.version));
    }
    return texts;
  }

  std::shared_ptr<const lake::Snapshot> Newest() { return *table_.Load(); }

  Proof MustProve(ProofOptions options = {}) {
    auto proof = Prove(table_, Newest(), options);
    EXPECT_TRUE(proof.ok()) << proof.error().ToString();
    return proof.ok() ? *proof : Proof();
  }

  store::MemoryStore memory_;
  os::SimulatedClock clock_{os::Timestamp(std::chrono::seconds(1'700'000'000))};
  os::SimulatedRandom random_{1};
  lake::DeltaTable table_{memory_, "t", clock_, random_};
};

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

TEST_F(ProofTest, RowsRemovedInCommitsThatAreTrimmedAreCarriedOver) {
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

TEST_F(ProofTest, WhatCommitsRemovedIsCountedByTheLogAlone) {
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

TEST_F(ProofTest, RowsRemovedInCommitsThatWereCleanedUpAreExplained) {
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

TEST_F(ProofTest, AGapIsNotCarriedOver) {
  const std::string first = Land(0, 5, {2});
  Land(5, 10);
  Commit("DELETE", {Remove(first)});
  const auto counters = CarryOverRemoved(table_, Newest(), std::string(kApp));
  ASSERT_TRUE(counters.ok()) << counters.error().ToString();
  EXPECT_EQ(counters->front().version, 4) << "what no commit took away stays missing";
}

TEST_F(ProofTest, CountsOnlyWhatChangedSinceItWasCounted) {
  const std::string first = Land(0, 5);
  Land(5, 8);
  Append({std::nullopt}, {});
  SignedOff signed_off = SignOff(*Newest(), MustProve(), 17);
  const auto decoded = DecodeSignedOff(Encode(signed_off));
  ASSERT_TRUE(decoded.ok());
  EXPECT_EQ(*decoded, signed_off);
  EXPECT_FALSE(DecodeSignedOff(Encode(signed_off).replace(20, 1, "x")).ok());
  EXPECT_FALSE(DecodeSignedOff("").ok());
  const auto since = [&] { return ProveSince(table_, Newest(), signed_off, {.end = 12}); };

  // Nothing new, then a landing, then rows of others, then the same rows in other files.
  EXPECT_EQ(since()->files_read, 0);
  Land(8, 10, {}, 3);
  Append({std::nullopt, std::nullopt}, {});
  Append({0, 1, 2, 3, 4}, {.operation = "OPTIMIZE"});
  Commit("OPTIMIZE", {Remove(first, false)});
  const auto proof = since();
  ASSERT_TRUE(proof.ok()) << proof.error().ToString();
  EXPECT_TRUE(proof->Balanced());
  EXPECT_EQ(proof->counted_from, signed_off.version);
  EXPECT_EQ(proof->files_read, 4);
  EXPECT_EQ(proof->landed, 10);
  EXPECT_EQ(proof->foreign, 3);
  EXPECT_EQ(proof->pending, 2);
  EXPECT_EQ(proof->duplicates, 3);
  const Proof whole = MustProve({.end = 12});
  EXPECT_EQ(whole.landed, proof->landed);
  EXPECT_EQ(whole.foreign, proof->foreign);
  EXPECT_EQ(SignOff(*Newest(), whole, 1), SignOff(*Newest(), *proof, 1));
}

TEST_F(ProofTest, LeavesToAFullCountWhatIsNoPlainLanding) {
  Land(0, 5);
  const std::string second = Land(5, 8);
  const SignedOff signed_off = SignOff(*Newest(), MustProve(), 17);
  const auto answer = [&](int64_t end = 20) {
    const auto proof = ProveSince(table_, Newest(), signed_off, {.end = end});
    return proof.ok() ? "balanced" : std::string(ToString(proof.error().code()));
  };
  EXPECT_EQ(answer(), "balanced");
  EXPECT_EQ(answer(7), "conflict") << "fewer were accepted than landed";
  Land(8, 12, {9});
  EXPECT_EQ(answer(), "conflict") << "an offset is missing";
  Append({9}, {});
  EXPECT_EQ(answer(), "balanced");
  Append({9}, {});
  EXPECT_EQ(answer(), "conflict") << "it stands twice";
  Commit("DELETE", {Remove(second)});
  EXPECT_EQ(answer(), "conflict") << "rows are gone";
  SignedOff other = signed_off;
  ++other.files_digest;
  EXPECT_FALSE(ProveSince(table_, Newest(), other).ok());
  other = signed_off;
  other.table_id = "another";
  EXPECT_FALSE(ProveSince(table_, Newest(), other).ok());
}

// As many rows as there should be, and not those.
TEST_F(ProofTest, TheRightNumberOfOtherRowsIsNotSignedOff) {
  const std::string first = Land(0, 5);
  SignedOff signed_off = SignOff(*Newest(), MustProve(), 17);
  const auto since = [&] { return ProveSince(table_, Newest(), signed_off, {.end = 20}); };
  Append({0, 1, 2, 3, 3}, {});
  Commit("OPTIMIZE", {Remove(first, false)});
  EXPECT_FALSE(since().ok()) << "4 became a second 3";
  signed_off = SignOff(*Newest(), MustProve(), 17);
  EXPECT_TRUE(since().ok());
  Append({5, 5, 7}, {.transactions = {{.app_id = std::string(kApp), .version = 7}}});
  EXPECT_FALSE(since().ok()) << "5 landed twice, and 6 did not";
}

TEST_F(ProofTest, RowsThatAVectorTakesAwayAreNotSignedOff) {
  lake::DeltaTable table(memory_, "v", clock_, random_);
  auto snapshot =
      *table.Create(kSchema, {.properties = {{"delta.enableDeletionVectors", "true"}}});
  const lake::NewFile file{.batches = {Rows({0, 1, 2, 3, 4})}};
  snapshot = *table.Append(snapshot, {&file, 1},
                           {.transactions = {{.app_id = std::string(kApp), .version = 4}}});
  const SignedOff signed_off = SignOff(*snapshot, *Prove(table, snapshot), 17);
  EXPECT_TRUE(ProveSince(table, snapshot, signed_off).ok());
  const auto removed = lake::DeleteRows(table, *lake::Expression::Parse("_offset = 3"));
  ASSERT_TRUE(removed.ok()) << removed.error().ToString();
  ASSERT_EQ(removed->files_marked, 1);
  snapshot = *table.Load();
  EXPECT_FALSE(ProveSince(table, snapshot, signed_off).ok());
  EXPECT_EQ(Prove(table, snapshot)->removed, 1);
}

TEST_F(ProofTest, WhatOneJournalCountedAsRemovedTheNextDoesNotCountAgain) {
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
