#include "sluice/lake/merge_rows.h"

#include <gtest/gtest.h>

#include <random>

#include "sluice/lake/internal/changing_table.h"

namespace sluice::lake {
namespace {

using Action = MergeClause::Action;
using When = MergeClause::When;

class MergeRowsTest : public ChangingTable {
 protected:
  Result<ChangeReport> Merge(const std::vector<int64_t>& ids, const std::string& country,
                             const std::vector<MergeClause>& clauses) {
    const std::vector<columnar::Batch> source = {Batch(ids, country)};
    return MergeRows(*table_, source, std::vector<MergeKey>{{"ID", "id"}}, clauses);
  }
};

const std::vector<MergeClause> kUpsert = {{.when = When::kMatched, .action = Action::kUpdate},
                                          {.when = When::kNotMatched, .action = Action::kInsert}};

TEST_F(MergeRowsTest, UpdatesWhatIsThereAndInsertsTheRest) {
  Create({{"delta.enableDeletionVectors", "true"}, {"delta.enableChangeDataFeed", "true"}}, true);
  Append(0, 10, "de");
  Append(10, 10, "fr");
  const auto report = Merge({8, 9, 25}, "at", kUpsert);
  ASSERT_TRUE(report.ok()) << report.error().message();
  EXPECT_EQ(report->rows_updated, 2);
  EXPECT_EQ(report->rows_inserted, 1);
  const Rows rows = Read();
  EXPECT_EQ(rows.size(), 21);
  EXPECT_EQ(rows.at(8).country, "at");
  EXPECT_EQ(rows.at(7).country, "de");
  EXPECT_EQ(Changes(3), (std::multiset<std::string>{"update_preimage 8 80", "update_postimage 8 80",
                                                    "update_preimage 9 90", "update_postimage 9 90",
                                                    "insert 25 250"}));
}

TEST_F(MergeRowsTest, ConditionsAndAssignmentsSeeBothSides) {
  Create({}, false);
  Append(1, 6, "de");
  const auto report =
      Merge({2, 3, 4, 50, 51}, "fr",
            {{.when = When::kMatched,
              .action = Action::kDelete,
              .condition = Parse("target.amount = 20")},
             {.when = When::kMatched,
              .action = Action::kUpdate,
              .condition = Parse("source.amount > 30"),
              .assignments = {{"amount", Parse("amount + source.amount")}}},
             {.when = When::kNotMatched,
              .action = Action::kInsert,
              .condition = Parse("id > 50"),
              .assignments = {{"id", Parse("source.id")}, {"country", Parse("upper(country)")}}},
             {.when = When::kNotMatchedBySource,
              .action = Action::kUpdate,
              .condition = Parse("id = 1"),
              .assignments = {{"country", Parse("concat(country, '!')")}}}});
  ASSERT_TRUE(report.ok()) << report.error().message();
  const Rows rows = Read();
  EXPECT_FALSE(rows.contains(2));
  EXPECT_EQ(rows.at(3).amount, 30);
  EXPECT_EQ(rows.at(4).amount, 80);
  EXPECT_FALSE(rows.contains(50));
  EXPECT_EQ(rows.at(51).country, "FR");
  EXPECT_FALSE(rows.at(51).amount.has_value());
  EXPECT_EQ(rows.at(1).country, "de!");
  EXPECT_EQ(rows.at(5).country, "de");
}

TEST_F(MergeRowsTest, SeveralRowsOfTheSourceForOneAreRefused) {
  Create({}, false);
  Append(1, 6, "de");
  const auto twice = Merge({2, 2}, "fr", kUpsert);
  ASSERT_FALSE(twice.ok());
  EXPECT_EQ(twice.error().code(), ErrorCode::kInvalid);
  const auto gone = Merge({2, 2}, "fr", {{.when = When::kMatched, .action = Action::kDelete}});
  ASSERT_TRUE(gone.ok()) << gone.error().message();
  EXPECT_EQ(gone->rows_deleted, 1);
  EXPECT_EQ(Read().size(), 5);
  EXPECT_FALSE(Merge({}, "fr", {}).ok());
  const auto empty = Merge({}, "fr", kUpsert);
  ASSERT_TRUE(empty.ok()) << empty.error().message();
  EXPECT_EQ(empty->snapshot->version(), 2);
}

TEST_F(MergeRowsTest, FilesThatTheKeysRuleOutAreNotRead) {
  Create({}, false);
  for (int64_t file = 0; file < 5; ++file) Append(100 * file, 100, "de");
  int reads = 0;
  faulty_.Observe([&](store::StoreCall call, std::string_view path) {
    if (call == store::StoreCall::kGetRange && path.ends_with(".parquet")) ++reads;
  });
  const auto report = Merge({250, 260}, "fr", kUpsert);
  ASSERT_TRUE(report.ok()) << report.error().message();
  EXPECT_EQ(report->files_removed, 1);
  EXPECT_LT(reads, 20);
  EXPECT_GT(reads, 0);
}

TEST_F(MergeRowsTest, WhatOthersAppendMeanwhileIsMergedToo) {
  Create({{"delta.enableDeletionVectors", "true"}}, false);
  Append(0, 10, "de");
  bool done = false;
  faulty_.Observe([&](store::StoreCall call, std::string_view) {
    if (call != store::StoreCall::kPutIfAbsent || std::exchange(done, true)) return;
    faulty_.Observe(nullptr);
    Append(10, 10, "de");
  });
  const auto report = Merge({5, 15}, "fr", kUpsert);
  ASSERT_TRUE(report.ok()) << report.error().message();
  EXPECT_EQ(report->conflicts, 1);
  EXPECT_EQ(report->rows_updated, 2);
  EXPECT_EQ(Read().size(), 20);  // Which fails where a row is there twice.
}

TEST_F(MergeRowsTest, RandomMergesAreWhatTheyAreOfPlainRows) {
  const auto seed = std::random_device()();
  SCOPED_TRACE(seed);
  std::mt19937 random(seed);
  const auto flip = [&] { return random() % 2 == 0; };
  for (int round = 0; round < 30; ++round) {
    std::map<std::string, std::string> properties;
    if (flip()) properties["delta.enableDeletionVectors"] = "true";
    if (flip()) properties["delta.enableRowTracking"] = "true";
    if (flip()) properties["delta.enableChangeDataFeed"] = "true";
    Create(properties, flip());
    int64_t next = 0;
    for (int file = 0; file < 4; ++file) {
      const auto count = static_cast<int64_t>(random() % 50 + 1);
      Append(next, count, flip() ? "de" : "fr");
      next += count + static_cast<int64_t>(random() % 20);
    }
    for (int step = 0; step < 5; ++step) {
      Rows expected = Read();
      std::set<int64_t> ids;
      for (auto i = random() % 40; i-- > 0;) {
        ids.insert(static_cast<int64_t>(random()) % (next + 20));
      }
      std::vector<MergeClause> clauses;
      const bool deletes = flip();
      const bool updates = flip();
      const bool inserts = flip();
      const bool prunes = random() % 4 == 0;
      if (deletes) {
        clauses.push_back({When::kMatched, Action::kDelete, Parse("target.id % 3 = 0"), {}});
      }
      if (updates) clauses.push_back({.when = When::kMatched, .action = Action::kUpdate});
      if (inserts) clauses.push_back({.when = When::kNotMatched, .action = Action::kInsert});
      if (prunes) {
        clauses.push_back({When::kNotMatchedBySource, Action::kDelete, Parse("id % 5 = 1"), {}});
      }
      if (clauses.empty()) continue;
      const auto report = Merge({ids.begin(), ids.end()}, "at", clauses);
      ASSERT_TRUE(report.ok()) << report.error().message();
      Rows wanted;
      for (const auto& [id, row] : expected) {
        if (ids.contains(id)) {
          if (deletes && id % 3 == 0) continue;
          wanted[id] = row;
          if (!updates) continue;
          wanted[id].country = "at";
          wanted[id].amount = id % 7 == 0 ? std::nullopt : std::optional(id * 10);
        } else if (!prunes || id % 5 != 1) {
          wanted[id] = row;
        }
      }
      const Rows now = Read();
      for (const int64_t id : ids) {
        if (!inserts || expected.contains(id)) continue;
        ASSERT_TRUE(now.contains(id)) << id;
        wanted[id] = now.at(id);  // Its row id is new.
        EXPECT_EQ(now.at(id).country, "at");
      }
      ASSERT_EQ(now, wanted);
    }
  }
}

}  // namespace
}  // namespace sluice::lake
