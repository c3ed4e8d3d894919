#include "sluice/lake/row_changes.h"

#include <gtest/gtest.h>

#include <optional>
#include <random>

#include "sluice/lake/internal/changing_table.h"
#include "sluice/lake/restore_table.h"

namespace sluice::lake {
namespace {

using RowChangesTest = ChangingTable;

TEST_F(RowChangesTest, DeletesByVectorsWhereTheTableAsks) {
  Create({{"delta.enableDeletionVectors", "true"}}, false);
  Append(0, 100, "de");
  Append(100, 100, "fr");
  const auto report = DeleteRows(*table_, Parse("id >= 90 and id < 110"));
  ASSERT_TRUE(report.ok()) << report.error().message();
  EXPECT_EQ(report->rows_deleted, 20);
  EXPECT_EQ(report->files_marked, 2);
  EXPECT_EQ(report->files_added + report->files_removed + report->rows_copied, 0);
  EXPECT_EQ(Read().size(), 180);
  for (const DataFile& file : report->snapshot->files()) {
    ASSERT_NE(file.deletion_vector, nullptr);
    EXPECT_EQ(file.deletion_vector->cardinality, 10);
    EXPECT_NE(file.stats.find("\"tightBounds\":false"), std::string::npos) << file.stats;
    EXPECT_EQ(file.rows, 100);
  }
  // The rest of a file: it goes, with its vector.
  const auto rest = DeleteRows(*table_, Parse("id < 100"));
  ASSERT_TRUE(rest.ok()) << rest.error().message();
  EXPECT_EQ(rest->rows_deleted, 90);
  EXPECT_EQ(rest->files_removed, 1);
  EXPECT_EQ(Read().size(), 90);
}

TEST_F(RowChangesTest, NullIsNoMatchAndNothingIsNoCommit) {
  Create({}, false);
  Append(0, 14, "de");
  const auto report = DeleteRows(*table_, Parse("amount > 1000000"));
  ASSERT_TRUE(report.ok());
  EXPECT_EQ(report->snapshot->version(), 1);
  const auto most = DeleteRows(*table_, Parse("amount >= 0"));
  ASSERT_TRUE(most.ok());
  EXPECT_EQ(Read().size(), 2);  // Those whose amount is null.
}

TEST_F(RowChangesTest, WholePartitionsGoWithoutCopies) {
  Create({}, true);
  Append(0, 50, "de");
  Append(50, 50, "fr");
  const auto report = DeleteRows(*table_, Parse("country = 'fr'"));
  ASSERT_TRUE(report.ok()) << report.error().message();
  EXPECT_EQ(report->rows_deleted, 50);
  EXPECT_EQ(report->rows_copied, 0);
  EXPECT_EQ(Read().size(), 50);
}

TEST_F(RowChangesTest, UpdatesMoveRowsBetweenPartitionsAndKeepTheirIds) {
  for (const char* vectors : {"true", "false"}) {
    SCOPED_TRACE(vectors);
    Create({{"delta.enableDeletionVectors", vectors},
            {"delta.enableRowTracking", "true"},
            {"delta.enableChangeDataFeed", "true"}},
           true);
    Append(0, 20, "de");
    const Rows before = Read();
    const auto report = UpdateRows(
        *table_,
        std::vector<Assignment>{{"AMOUNT", Parse("amount + id")}, {"country", Parse("'at'")}},
        Parse("id = 3 or id = 14"));
    ASSERT_TRUE(report.ok()) << report.error().message();
    EXPECT_EQ(report->rows_updated, 2);
    Rows expected = before;
    expected[3].amount = 33;
    expected[3].country = expected[14].country = "at";
    EXPECT_EQ(Read(), expected);
    const std::multiset<std::string> changes = {"update_preimage 3 30", "update_postimage 3 33",
                                                "update_preimage 14 null",
                                                "update_postimage 14 null"};
    EXPECT_EQ(Changes(2), changes);
    ASSERT_TRUE(DeleteRows(*table_, Parse("id = 3 or id = 4")).ok());
    EXPECT_EQ(Changes(3), (std::multiset<std::string>{"delete 3 33", "delete 4 40"}));
  }
}

TEST_F(RowChangesTest, WhatTheTableForbidsIsRefused) {
  Create({{"delta.constraints.small", "amount < 1000"}}, false);
  Append(1, 6, "de");
  const auto broken = UpdateRows(*table_, std::vector<Assignment>{{"amount", Parse("1000")}}, {});
  ASSERT_FALSE(broken.ok());
  EXPECT_NE(broken.error().message().find("small"), std::string::npos) << broken.error().message();
  const auto null = UpdateRows(*table_, std::vector<Assignment>{{"id", Parse("null")}}, {});
  EXPECT_FALSE(null.ok());
  const auto unknown = UpdateRows(*table_, std::vector<Assignment>{{"nope", Parse("1")}}, {});
  EXPECT_FALSE(unknown.ok());
  EXPECT_FALSE(DeleteRows(*table_, Parse("nope = 1")).ok());
  EXPECT_FALSE(DeleteRows(*table_, {}, {.removal = RowRemoval::kVectors}).ok());
  // Nothing that was tried is left.
  EXPECT_EQ((*table_->Load())->version(), 1);
  size_t files = 0;
  const auto objects = store_.List("t1/");
  for (const auto& object : *objects) files += object.path.ends_with(".parquet") ? 1 : 0;
  EXPECT_EQ(files, 1);

  Create({{"delta.appendOnly", "true"}}, false);
  Append(1, 6, "de");
  const auto kept = DeleteRows(*table_, {});
  ASSERT_FALSE(kept.ok());
  EXPECT_EQ(kept.error().code(), ErrorCode::kUnsupported);
}

TEST_F(RowChangesTest, AFaultInAnyPartOfACopyLeavesNothing) {
  for (const auto call : {store::StoreCall::kWritePart, store::StoreCall::kPut}) {
    Create({}, false);
    Append(0, 50, "de");
    const auto objects = [&] {
      std::vector<std::string> paths;
      const auto listed = store_.List(table_->root() + "/");
      for (const auto& object : *listed) paths.push_back(object.path);
      return paths;
    };
    const auto before = objects();
    int parts = 0;
    for (bool failed = true; failed; ++parts) {
      faulty_.Add({.call = call, .path_part = ".parquet", .skip = parts});
      // Half of the rows; the others are copied.
      const auto report =
          UpdateRows(*table_, std::vector<Assignment>{{"amount", Parse("1")}}, Parse("id % 2 = 0"));
      faulty_.Clear();
      failed = !report.ok();
      if (failed) {
        ASSERT_EQ(report.error().code(), ErrorCode::kUnavailable) << report.error().message();
        EXPECT_EQ(objects(), before) << parts;
      }
    }
    EXPECT_GT(parts, 1);
    EXPECT_EQ(Read().size(), 50U);
  }
}

TEST_F(RowChangesTest, TwoWritersDeleteOtherRowsOfOneFile) {
  Create({{"delta.enableDeletionVectors", "true"}}, false);
  Append(0, 100, "de");
  // The other one commits while ours writes its vectors.
  bool done = false;
  const std::string root = table_->root();
  const auto race = [&](const std::string& condition) {
    done = false;
    faulty_.Observe([&, condition](store::StoreCall call, std::string_view) {
      if (call != store::StoreCall::kPutIfAbsent || std::exchange(done, true)) return;
      DeltaTable other(store_, root, clock_, random_);
      const auto theirs = DeleteRows(other, Parse(condition));
      ASSERT_TRUE(theirs.ok()) << theirs.error().message();
    });
  };
  race("id < 10");
  const auto report = DeleteRows(*table_, Parse("id >= 95"));
  ASSERT_TRUE(report.ok()) << report.error().message();
  EXPECT_EQ(report->conflicts, 0);  // Both vectors became one, without looking again.
  ASSERT_EQ(report->snapshot->files().size(), 1);
  EXPECT_EQ(report->snapshot->files()[0].deletion_vector->cardinality, 15);

  // The same rows: it looks again, and finds fewer.
  race("id >= 20 and id < 30");
  const auto again = DeleteRows(*table_, Parse("id >= 25 and id < 40"));
  ASSERT_TRUE(again.ok()) << again.error().message();
  EXPECT_EQ(again->conflicts, 1);
  EXPECT_EQ(again->rows_deleted, 10);
  EXPECT_EQ(again->snapshot->files()[0].deletion_vector->cardinality, 15 + 20);
}

// A restore beside a deletion: what it brought back is looked at, too.
TEST_F(RowChangesTest, RowsThatCameBackMeanwhileAreLookedAt) {
  Create({{"delta.enableDeletionVectors", "true"}}, false);
  Append(0, 100, "de");
  ASSERT_TRUE(DeleteRows(*table_, Parse("id < 10")).ok());
  bool done = false;
  faulty_.Observe([&](store::StoreCall call, std::string_view) {
    if (call != store::StoreCall::kPutIfAbsent || std::exchange(done, true)) return;
    faulty_.Observe(nullptr);
    DeltaTable other(store_, table_->root(), clock_, random_);
    const auto restored = RestoreTable(other, 1);
    ASSERT_TRUE(restored.ok()) << restored.error().message();
  });
  const auto report = DeleteRows(*table_, Parse("id >= 95 or id = 3"));
  ASSERT_TRUE(report.ok()) << report.error().message();
  EXPECT_TRUE(done);
  EXPECT_EQ(Read().size(), 94U);
  EXPECT_FALSE(Read().contains(3));
}

TEST_F(RowChangesTest, AColumnThatIsAddedMeanwhileIsSeen) {
  Create({}, false);
  Append(0, 10, "de");
  Append(10, 10, "de");
  bool done = false;
  const std::string root = table_->root();
  faulty_.Observe([&](store::StoreCall call, std::string_view) {
    if (call != store::StoreCall::kPutIfAbsent || std::exchange(done, true)) return;
    DeltaTable other(store_, root, clock_, random_);
    const auto wanted = arrow::schema({arrow::field("more", arrow::utf8())});
    ASSERT_TRUE(other.AddColumns(*other.Load(), wanted).ok());
  });
  const auto report = DeleteRows(*table_, Parse("id % 2 = 0"));
  ASSERT_TRUE(report.ok()) << report.error().message();
  EXPECT_EQ(report->conflicts, 1);
  EXPECT_EQ(Read().size(), 10);
}

TEST_F(RowChangesTest, RowsTakeThePlaceOfOthers) {
  for (const char* vectors : {"true", "false"}) {
    SCOPED_TRACE(vectors);
    Create({{"delta.enableDeletionVectors", vectors}, {"delta.enableChangeDataFeed", "true"}},
           true);
    Append(0, 10, "de");
    Append(10, 10, "fr");
    // Some rows, by a condition.
    const auto some = ReplaceRows(*table_, std::vector{Batch({5, 6}, "de")},
                                  {Replaced::Which::kMatching, Parse("id >= 5 and id < 12")});
    ASSERT_TRUE(some.ok()) << some.error().message();
    EXPECT_EQ(some->rows_deleted, 7);
    EXPECT_EQ(some->rows_inserted, 2);
    EXPECT_EQ(Read().size(), 15);
    const auto changes = Changes(3);
    EXPECT_EQ(changes.count("delete 5 50") + changes.count("insert 5 50"), 2);
    EXPECT_EQ(changes.size(), 9);
    const auto outside = ReplaceRows(*table_, std::vector{Batch({5, 60}, "de")},
                                     {Replaced::Which::kMatching, Parse("id >= 5 and id < 12")});
    EXPECT_FALSE(outside.ok());
    // Whole partitions, which the rows name.
    const auto parts = ReplaceRows(*table_, std::vector{Batch({100, 101, 102}, "fr")},
                                   {.which = Replaced::Which::kPartitions});
    ASSERT_TRUE(parts.ok()) << parts.error().message();
    EXPECT_EQ(parts->rows_deleted, 8);
    EXPECT_EQ(Read().size(), 7 + 3);
    const auto all = ReplaceRows(*table_, std::vector{Batch({1}, "at")}, {});
    ASSERT_TRUE(all.ok()) << all.error().message();
    EXPECT_EQ(Read().size(), 1);
  }
}

// What the same changes make of plain rows.
TEST_F(RowChangesTest, RandomChangesAreWhatTheyAreOfPlainRows) {
  const auto seed = std::random_device()();
  SCOPED_TRACE(seed);
  std::mt19937 random(seed);
  for (int round = 0; round < 40; ++round) {
    const auto flip = [&] { return random() % 2 == 0; };
    std::map<std::string, std::string> properties;
    if (flip()) properties["delta.enableDeletionVectors"] = "true";
    if (flip()) properties["delta.enableRowTracking"] = "true";
    if (flip()) properties["delta.enableChangeDataFeed"] = "true";
    if (flip()) properties["delta.enableInCommitTimestamps"] = "true";
    Create(properties, flip());
    int64_t next = 0;
    for (int step = 0; step < 12; ++step) {
      const auto kind = random() % 4;
      if (kind == 0 || step == 0) {
        const auto count = static_cast<int64_t>(random() % 60 + 1);
        Append(next, count, flip() ? "de" : "fr");
        next += count;
        continue;
      }
      const auto low = static_cast<int64_t>(random()) % (next + 1);
      const auto high = low + static_cast<int64_t>(random() % 30);
      const bool by_country = random() % 4 == 0;
      const auto matches = [&](int64_t id, const Row& row) {
        return (id >= low && id < high) || (by_country && row.country == "fr" && id % 2 == 0);
      };
      std::string text = fmt::format("id >= {} and id < {}", low, high);
      if (by_country) text = fmt::format("({}) or (country = 'fr' and id % 2 = 0)", text);
      Rows expected = Read();
      Result<ChangeReport> report = Internal("not run");
      int64_t touched = 0;
      if (kind == 1) {
        std::erase_if(expected, [&](const auto& row) {
          touched += matches(row.first, row.second) ? 1 : 0;
          return matches(row.first, row.second);
        });
        report = DeleteRows(*table_, Parse(text));
      } else {
        const bool moves = flip();
        for (auto& [id, row] : expected) {
          if (!matches(id, row)) continue;
          ++touched;
          row.amount = id + 1;
          if (moves) row.country = "at";
        }
        std::vector<Assignment> assignments = {{"amount", Parse("id + 1")}};
        if (moves) assignments.push_back({"country", Parse("'at'")});
        report = UpdateRows(*table_, assignments, Parse(text));
      }
      ASSERT_TRUE(report.ok()) << text << ": " << report.error().message();
      EXPECT_EQ(report->rows_deleted + report->rows_updated, touched) << text;
      ASSERT_EQ(Read(), expected) << text;
    }
  }
}

TEST_F(RowChangesTest, ManyRowsAreReadWhileOthersAreWritten) {
  const ChangeOptions options = {.write = {.threads = 2}};
  Create({{"delta.enableChangeDataFeed", "true"}}, true);
  Append(0, 200'000, "de");
  Append(200'000, 200'000, "fr");
  Rows expected = Read();
  for (auto& [id, row] : expected) {
    if (id % 3 == 0) row.country = "at";
  }
  const auto updated = UpdateRows(*table_, std::vector<Assignment>{{"country", Parse("'at'")}},
                                  Parse("id % 3 = 0"), options);
  ASSERT_TRUE(updated.ok()) << updated.error().message();
  EXPECT_EQ(updated->rows_copied, 400'000 - updated->rows_updated);
  EXPECT_EQ(Read(), expected);

  // What is written meanwhile fails: nothing has changed, and nothing is left.
  const auto stored = store_.List("")->size();
  faulty_.Add({.call = store::StoreCall::kPut, .path_part = "part-", .skip = 1});
  const auto failed = DeleteRows(*table_, Parse("id % 3 = 1"), options);
  ASSERT_FALSE(failed.ok());
  EXPECT_EQ(failed.error().code(), ErrorCode::kUnavailable);
  EXPECT_EQ(store_.List("")->size(), stored);
  EXPECT_EQ(Read(), expected);
}

// Rows whose texts nothing makes smaller.
columnar::Batch RandomTexts(int64_t first, int64_t count) {
  std::mt19937_64 random(static_cast<uint64_t>(first));
  arrow::Int64Builder ids;
  arrow::Int64Builder amounts;
  arrow::StringBuilder countries;
  for (int64_t id = first; id < first + count; ++id) {
    std::string text(48, ' ');
    for (char& letter : text) letter = static_cast<char>('!' + random() % 90);
    EXPECT_TRUE((ids.Append(id) & amounts.Append(id) & countries.Append(text)).ok());
  }
  return arrow::RecordBatch::Make(
      arrow::schema({arrow::field("id", arrow::int64()), arrow::field("amount", arrow::int64()),
                     arrow::field("country", arrow::utf8())}),
      count,
      {ids.Finish().ValueOrDie(), amounts.Finish().ValueOrDie(), countries.Finish().ValueOrDie()});
}

TEST_F(RowChangesTest, LargeFilesAreCopiedToOneEachAndSmallOnesTogether) {
  constexpr int64_t kLarge = 250'000;
  Create({{"delta.enableRowTracking", "true"}, {"delta.enableChangeDataFeed", "true"}}, false);
  std::vector<NewFile> files;
  for (int64_t i = 0; i < 2; ++i) files.push_back({.batches = {RandomTexts(i * kLarge, kLarge)}});
  for (int64_t i = 0; i < 3; ++i) files.push_back({.batches = {Batch({i + 2 * kLarge}, "de")}});
  ASSERT_TRUE(table_->Append(nullptr, files).ok());
  Rows expected = Read();
  int64_t changed = 0;
  for (auto& [id, row] : expected) {
    if (id % 100 != 1 && id < 2 * kLarge) continue;
    row.amount = 1;
    ++changed;
  }
  const auto update = [&](int threads) {
    return UpdateRows(*table_, std::vector<Assignment>{{"amount", Parse("1")}},
                      Parse(fmt::format("id % 100 = 1 or id >= {}", 2 * kLarge)),
                      {.write = {.threads = threads}});
  };
  // A fault in any of them leaves nothing, whoever of them is at work.
  const auto stored = store_.List("")->size();
  for (const auto call : {store::StoreCall::kWritePart, store::StoreCall::kPut}) {
    for (int skip = 0; skip < 4; ++skip) {
      faulty_.Add({.call = call, .path_part = ".parquet", .skip = skip});
      const auto failed = update(2);
      faulty_.Clear();
      ASSERT_FALSE(failed.ok());
      EXPECT_EQ(failed.error().code(), ErrorCode::kUnavailable) << failed.error().message();
      EXPECT_EQ(store_.List("")->size(), stored);
    }
  }

  const auto updated = update(2);
  ASSERT_TRUE(updated.ok()) << updated.error().message();
  EXPECT_EQ(updated->rows_updated, changed);
  EXPECT_EQ(updated->rows_copied, static_cast<int64_t>(expected.size()) - changed);
  EXPECT_EQ(updated->files_removed, 5);
  EXPECT_EQ(updated->files_added, 3);
  EXPECT_EQ(Read(), expected);  // Row ids, too.
  EXPECT_EQ(static_cast<int64_t>(Changes(2).size()), 2 * changed);
  // They stand in the log in the order of the files that they are made of.
  std::vector<std::optional<int64_t>> firsts;
  for (const DataFile& file : updated->snapshot->files()) firsts.push_back(MinimumOf(file, "id"));
  EXPECT_EQ(firsts, (std::vector<std::optional<int64_t>>{0, kLarge, 2 * kLarge}));

  // One thread alone makes one file of all.
  const auto again = update(1);
  ASSERT_TRUE(again.ok()) << again.error().message();
  EXPECT_EQ(again->files_added, 1);
  EXPECT_EQ(Read(), expected);
}

}  // namespace
}  // namespace sluice::lake
