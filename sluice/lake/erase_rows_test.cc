#include "sluice/lake/erase_rows.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <random>

#include "sluice/lake/check_table.h"
#include "sluice/lake/compact_files.h"
#include "sluice/lake/internal/changing_table.h"

namespace sluice::lake {
namespace {

constexpr int64_t kRowsOfFile = 10'000;

std::string SubjectOf(int64_t id) { return fmt::format("subject-{:07}@example.org", id); }

/// Rows of subjects: the text of each is private, and there is one row a subject.
class EraseRowsTest : public ChangingTable {
 protected:
  void AppendSubjects(int64_t first, int64_t count) {
    arrow::Int64Builder ids;
    arrow::Int64Builder amounts;
    arrow::StringBuilder texts;
    for (int64_t id = first; id < first + count; ++id) {
      ASSERT_TRUE(ids.Append(id).ok());
      ASSERT_TRUE(amounts.Append(id * 10).ok());
      ASSERT_TRUE(texts.Append(SubjectOf(id)).ok());
    }
    const auto schema =
        arrow::schema({arrow::field("id", arrow::int64()), arrow::field("amount", arrow::int64()),
                       arrow::field("country", arrow::utf8())});
    const NewFile file{.partition_values = {},
                       .batches = {arrow::RecordBatch::Make(
                           schema, count, {*ids.Finish(), *amounts.Finish(), *texts.Finish()})}};
    const auto appended = table_->Append(nullptr, std::vector<NewFile>{file});
    ASSERT_TRUE(appended.ok()) << appended.error().message();
  }

  FindReport Find(const std::vector<std::string>& texts) {
    const auto found = FindValues(store_, table_->root() + "/", texts);
    EXPECT_TRUE(found.ok()) << found.error().message();
    EXPECT_TRUE(found->not_decoded.empty());
    return *found;
  }

  void ExpectGone(const std::vector<std::string>& texts) {
    const FindReport found = Find(texts);
    for (const FoundValue& value : found.found) {
      ADD_FAILURE() << texts[value.value] << (value.decoded ? " decoded" : " raw") << " in "
                    << value.path;
    }
    EXPECT_GT(found.decoded, 0);
  }

  Result<EraseReport> Erase(const std::vector<std::string>& texts,
                            std::chrono::milliseconds unnamed_age = std::chrono::hours(24)) {
    return EraseRows(*table_, {.column = "country", .values = texts},
                     {.request = "request-7", .unnamed_age = unnamed_age});
  }

  /// The table opens without anything that was in memory, and says what `expected` says.
  void ExpectRows(const Rows& expected) {
    table_ = std::make_unique<DeltaTable>(store_, table_->root(), clock_, random_);
    EXPECT_EQ(Read(), expected);
  }
};

TEST_F(EraseRowsTest, NothingOfTheRowsIsLeftWhateverTheTableKeeps) {
  for (const char* const policy : {"classic", "v2"}) {
    for (const bool vectors : {false, true}) {
      for (const bool feed : {false, true}) {
        SCOPED_TRACE(fmt::format("{} {} {}", policy, vectors, feed));
        Create({{"delta.enableDeletionVectors", vectors ? "true" : "false"},
                {"delta.enableChangeDataFeed", feed ? "true" : "false"},
                {"delta.checkpointPolicy", policy},
                {"delta.enableRowTracking", "true"}},
               false);
        for (int64_t file = 0; file < 4; ++file) AppendSubjects(file * 50, 50);
        // Its values come into all that a table keeps: changes, vectors, checkpoints, the log.
        const std::vector<std::string> erased = {SubjectOf(0), SubjectOf(49), SubjectOf(120)};
        ASSERT_TRUE(UpdateRows(*table_, std::vector<Assignment>{{"amount", Parse("amount + 1")}},
                               Parse("id in (0, 60, 120)"))
                        .ok());
        ASSERT_TRUE(table_->WriteCheckpoint(**table_->Load()).ok());
        ASSERT_TRUE(DeleteRows(*table_, Parse("id in (49, 61, 62)")).ok());
        const auto snapshot = *table_->Load();
        ASSERT_TRUE(table_->WriteCheckpoint(*snapshot).ok());
        ASSERT_TRUE(table_->CompactLog(*snapshot, 1, snapshot->version()).ok());
        EXPECT_GT(Find(erased).found_count, 3);
        Rows expected = Read();
        EXPECT_EQ(expected.size(), 197u);
        expected.erase(0);
        expected.erase(120);
        const auto report = Erase(erased);
        ASSERT_TRUE(report.ok()) << report.error().message();
        EXPECT_EQ(report->rows_erased, 2) << "one was deleted before";
        EXPECT_EQ(report->rows_purged, vectors ? 6 : 0);
        EXPECT_TRUE(report->files_left.empty());
        EXPECT_EQ(report->oldest_version, report->snapshot->version());
        EXPECT_LT(report->files_after, report->files_before);
        ExpectGone(erased);
        ExpectGone({SubjectOf(61)});
        EXPECT_GT(Find({SubjectOf(63)}).found_count, 0) << "what is looked for can be found";
        ExpectRows(expected);
        EXPECT_FALSE(table_->LoadAt(report->oldest_version - 1).ok());
        EXPECT_TRUE(table_->LoadAt(report->oldest_version).ok());
        Append(1000, 5, "goes on");
        EXPECT_EQ(Read().size(), expected.size() + 5);
      }
    }
  }
}

TEST_F(EraseRowsTest, AnErasureThatWasCutShortIsFinishedByTheNext) {
  for (const store::StoreCall call :
       {store::StoreCall::kPut, store::StoreCall::kPutIfAbsent, store::StoreCall::kDelete}) {
    for (int skip = 0;; ++skip) {
      ASSERT_LT(skip, 100);
      Create({{"delta.enableDeletionVectors", "true"}, {"delta.enableChangeDataFeed", "true"}},
             false);
      for (int64_t file = 0; file < 3; ++file) AppendSubjects(file * 10, 10);
      ASSERT_TRUE(DeleteRows(*table_, Parse("id = 11")).ok());
      Rows expected = Read();
      expected.erase(5);
      const int failed = faulty_.failed();
      faulty_.Add({.call = call, .skip = skip, .times = 1'000'000});
      const bool whole = Erase({SubjectOf(5), SubjectOf(11)}).ok();
      faulty_.Clear();
      EXPECT_TRUE(whole || faulty_.failed() > failed);
      const auto again = Erase({SubjectOf(5), SubjectOf(11)}, std::chrono::milliseconds(0));
      ASSERT_TRUE(again.ok()) << again.error().message();
      ExpectGone({SubjectOf(5), SubjectOf(11)});
      ExpectRows(expected);
      if (faulty_.failed() == failed) break;
      table_ = std::make_unique<DeltaTable>(faulty_, table_->root(), clock_, random_);
    }
  }
}

TEST_F(EraseRowsTest, FilesOfAWriterAtWorkStayAndAreReported) {
  Create({}, false);
  AppendSubjects(0, 10);
  const std::string begun = table_->root() + "/part-begun.parquet";
  ASSERT_TRUE(store_.Put(begun, "not yet committed").ok());
  const auto report = Erase({SubjectOf(3)});
  ASSERT_TRUE(report.ok()) << report.error().message();
  EXPECT_EQ(report->files_left, std::vector<std::string>{"part-begun.parquet"});
  EXPECT_TRUE(store_.Get(begun).ok());
  const auto alone = Erase({SubjectOf(4)}, std::chrono::milliseconds(0));
  ASSERT_TRUE(alone.ok()) << alone.error().message();
  EXPECT_TRUE(alone->files_left.empty());
  EXPECT_FALSE(store_.Get(begun).ok());
}

TEST_F(EraseRowsTest, RowsAreCountedInTheirCommit) {
  Create({{"delta.enableDeletionVectors", "true"}}, false);
  Append(0, 10, "de");  // Every seventh row has no amount.
  const EraseOptions options{
      .request = "r", .count_deleted = RowCounter{.app_id = "app#erased", .column = "amount"}};
  ASSERT_TRUE(EraseRows(*table_, {.condition = Parse("id <= 7")}, options).ok());
  EXPECT_EQ((*table_->Load())->TransactionVersion("app#erased"), 6);
  ASSERT_TRUE(EraseRows(*table_, {.condition = Parse("id = 8")}, options).ok());
  EXPECT_EQ((*table_->Load())->TransactionVersion("app#erased"), 7);
}

TEST_F(EraseRowsTest, WhatIsCarriedOverStandsWhereTheLogBegins) {
  Create({{"delta.enableDeletionVectors", "true"}}, false);
  AppendSubjects(0, 10);
  DeltaTable other(store_, table_->root(), clock_, random_);
  int64_t asked = 0;
  const EraseOptions options{
      .request = "r", .carry_over = [&](const auto&) -> Result<std::vector<Transaction>> {
        ++asked;
        if (asked == 1) {
          EXPECT_TRUE(DeleteRows(other, Parse("id = 5")).ok());
        } else {
          AppendSubjects(10, 10);  // This takes nothing away.
        }
        return std::vector<Transaction>{{.app_id = "kept", .version = asked}};
      }};
  const auto report = EraseRows(*table_, {.condition = Parse("id = 3")}, options);
  ASSERT_TRUE(report.ok()) << report.error().message();
  EXPECT_EQ(asked, 2);
  EXPECT_EQ((*table_->LoadAt(report->oldest_version))->TransactionVersion("kept"), 2);
  EXPECT_EQ(Read().size(), 18);
}

TEST_F(EraseRowsTest, TablesThatKeepAllAreRefused) {
  Create({{"delta.appendOnly", "true"}}, false);
  AppendSubjects(0, 10);
  const auto refused = Erase({SubjectOf(3)});
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().code(), ErrorCode::kUnsupported);
  EXPECT_EQ(Read().size(), 10);
}

// A thousand subjects of many: SLUICE_ERASE_ROWS of them, two million for a release.
TEST_F(EraseRowsTest, AThousandSubjectsOfManyAreGoneAndAllOthersAreAsTheyWere) {
  const char* const wanted = std::getenv("SLUICE_ERASE_ROWS");
  const int64_t rows = wanted == nullptr ? 100'000 : std::atoll(wanted);
  const uint32_t seed = std::random_device()();
  SCOPED_TRACE(fmt::format("seed {}", seed));
  std::mt19937 random(seed);
  Create({{"delta.enableDeletionVectors", "true"}, {"delta.enableChangeDataFeed", "true"}}, false);
  for (int64_t first = 0; first < rows; first += kRowsOfFile) AppendSubjects(first, kRowsOfFile);
  std::set<int64_t> chosen;
  while (chosen.size() < 1000) {
    chosen.insert(std::uniform_int_distribution<int64_t>(0, rows - 1)(random));
  }
  ASSERT_TRUE(DeleteRows(*table_, Parse(fmt::format("id = {}", *chosen.begin()))).ok());
  ASSERT_TRUE(table_->WriteCheckpoint(**table_->Load()).ok());
  Rows expected = Read();
  std::vector<std::string> texts;
  for (const int64_t id : chosen) {
    texts.push_back(SubjectOf(id));
    expected.erase(id);
  }
  EXPECT_GE(Find(texts).found_count, 1000);
  const auto report = Erase(texts);
  ASSERT_TRUE(report.ok()) << report.error().message();
  EXPECT_EQ(report->rows_erased, 999);
  ExpectGone(texts);
  ExpectRows(expected);
}

TEST(FindValuesTest, FindsTextsWhereverTheyStand) {
  store::MemoryStore store;
  ASSERT_TRUE(store.Put("t/plain", "xxhayneedlestack").ok());
  ASSERT_TRUE(store.Put("t/needle=1/file", "-").ok());
  ASSERT_TRUE(store.Put("t/broken.parquet", "PAR1, not").ok());
  ASSERT_TRUE(store.Put("u/other", "needle").ok());
  const std::vector<std::string> values = {"needle", "stack", "nowhere"};
  const auto found = FindValues(store, "t/", values);
  ASSERT_TRUE(found.ok());
  EXPECT_EQ(found->objects, 3);
  EXPECT_EQ(found->found_count, 3);
  EXPECT_EQ(found->not_decoded, std::vector<std::string>{"t/broken.parquet"});
  const std::vector<std::string> tiny = {"abc"};
  EXPECT_EQ(FindValues(store, "t/", tiny).error().code(), ErrorCode::kInvalid);
}

}  // namespace
}  // namespace sluice::lake
