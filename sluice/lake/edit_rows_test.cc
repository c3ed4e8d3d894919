#include "sluice/lake/edit_rows.h"

#include <gtest/gtest.h>

#include <random>

#include "sluice/lake/compact_files.h"
#include "sluice/lake/internal/changing_table.h"

namespace sluice::lake {
namespace {

// What a statement of SQL is here: it looks at each row with its place.
class EditRowsTest : public ChangingTable {
 protected:
  struct Placed {
    int64_t id;
    RowPlace place;
  };

  std::vector<Placed> Places(const std::shared_ptr<const Snapshot>& snapshot) {
    const auto scan = Scan::Open(*table_, snapshot, {.columns = {{"id"}}, .positions = true});
    EXPECT_TRUE(scan.ok()) << scan.error().message();
    std::map<std::string, int64_t> files;
    for (size_t i = 0; i < snapshot->files().size(); ++i) {
      files[snapshot->files()[i].path] = static_cast<int64_t>(i);
    }
    std::vector<Placed> all;
    while (true) {
      const auto batch = (*scan)->Next();
      EXPECT_TRUE(batch.ok());
      if (!batch.ok() || *batch == nullptr) return all;
      const auto& ids = static_cast<const arrow::Int64Array&>(*(*batch)->column(0));
      const auto& paths =
          static_cast<const arrow::StringArray&>(*(*batch)->GetColumnByName("_file"));
      const auto& rows =
          static_cast<const arrow::Int64Array&>(*(*batch)->GetColumnByName("_file_row"));
      for (int64_t i = 0; i < ids.length(); ++i) {
        all.push_back({ids.Value(i), {files.at(paths.GetString(i)), rows.Value(i)}});
      }
    }
  }

  static columnar::Batch Amounts(const std::vector<int64_t>& amounts) {
    arrow::Int64Builder builder;
    EXPECT_TRUE(builder.AppendValues(amounts).ok());
    return arrow::RecordBatch::Make(arrow::schema({arrow::field("amount", arrow::int64())}),
                                    static_cast<int64_t>(amounts.size()),
                                    {builder.Finish().ValueOrDie()});
  }
};

TEST_F(EditRowsTest, RandomEditsAreThoseOfPlainRows) {
  const auto seed = std::random_device()();
  SCOPED_TRACE(fmt::format("seed {}", seed));
  std::mt19937 random(seed);
  for (int trial = 0; trial < 24; ++trial) {
    SCOPED_TRACE(fmt::format("trial {}", trial));
    std::map<std::string, std::string> properties;
    if (trial & 1) properties["delta.enableDeletionVectors"] = "true";
    if (trial & 2) properties["delta.enableChangeDataFeed"] = "true";
    if (trial & 4) properties["delta.enableRowTracking"] = "true";
    Create(properties, /*partitioned=*/(trial & 8) != 0);
    for (int64_t part = 0; part < 3; ++part) Append(part * 20, 20, part == 1 ? "fr" : "de");
    for (int64_t step = 0; step < 4; ++step) {
      const Rows before = Read();
      const Version version = (*table_->Load())->version();
      Rows expected = before;
      std::multiset<std::string> changes;
      const auto text = [](int64_t id, const Row& row) {
        return fmt::format("{} {}", id, row.amount ? std::to_string(*row.amount) : "null");
      };
      const auto report = EditRows(
          *table_, EditKind::kMerge,
          [&](const std::shared_ptr<const Snapshot>& snapshot, RowEdits& edits) -> Status {
            std::vector<RowPlace> deleted;
            std::vector<RowPlace> updated;
            std::vector<int64_t> amounts;
            std::vector<Placed> placed = Places(snapshot);
            std::ranges::shuffle(placed, random);  // No engine gives them in order.
            for (const Placed& row : placed) {
              if (const auto dice = random() % 8; dice == 0) {
                deleted.push_back(row.place);
                changes.insert("delete " + text(row.id, before.at(row.id)));
                expected.erase(row.id);
              } else if (dice < 3) {
                updated.push_back(row.place);
                amounts.push_back(static_cast<int64_t>(random() % 1000));
                changes.insert("update_preimage " + text(row.id, before.at(row.id)));
                expected[row.id].amount = amounts.back();
                changes.insert("update_postimage " + text(row.id, expected[row.id]));
              }
            }
            SLUICE_RETURN_IF_ERROR(edits.Delete(deleted));
            const size_t half = updated.size() / 2;  // As two batches of an answer.
            SLUICE_RETURN_IF_ERROR(edits.Update(
                std::span(updated).first(half),
                Amounts({amounts.begin(), amounts.begin() + static_cast<std::ptrdiff_t>(half)})));
            SLUICE_RETURN_IF_ERROR(edits.Update(
                std::span(updated).subspan(half),
                Amounts({amounts.begin() + static_cast<std::ptrdiff_t>(half), amounts.end()})));
            return edits.Insert(Batch({1000 + step}, "it"));
          });
      ASSERT_TRUE(report.ok()) << report.error().message();
      expected[1000 + step] = {.amount = (1000 + step) * 10, .country = "it"};
      if ((1000 + step) % 7 == 0) expected[1000 + step].amount.reset();
      changes.insert("insert " + text(1000 + step, expected[1000 + step]));
      Rows found = Read();
      // Row ids stay; those of new rows are new.
      if (tracked_) expected[1000 + step].row_id = found[1000 + step].row_id;
      EXPECT_EQ(found, expected);
      EXPECT_EQ(report->rows_deleted + static_cast<int64_t>(expected.size()) - 1,
                static_cast<int64_t>(before.size()));
      if (trial & 2) {
        EXPECT_EQ(Changes(version + 1), changes);
      }
    }
  }
}

TEST_F(EditRowsTest, DeletesAndInsertsAloneNeedNoFilesOfChanges) {
  Create({{"delta.enableDeletionVectors", "true"}, {"delta.enableChangeDataFeed", "true"}}, false);
  Append(1, 6, "de");
  const auto deleted =
      EditRows(*table_, EditKind::kDelete, [&](const auto& snapshot, RowEdits& edits) {
        const auto all = Places(snapshot);
        return edits.Delete(std::vector<RowPlace>{all[2].place, all[4].place, all[2].place});
      });
  ASSERT_TRUE(deleted.ok()) << deleted.error().message();
  EXPECT_EQ(deleted->rows_deleted, 2);
  const auto inserted = EditRows(*table_, EditKind::kInsert, [](const auto&, RowEdits& edits) {
    return edits.Insert(Batch({20, 21}, "it"));
  });
  ASSERT_TRUE(inserted.ok()) << inserted.error().message();
  EXPECT_EQ(inserted->rows_inserted, 2);
  EXPECT_EQ(Changes(2), (std::multiset<std::string>{"delete 3 30", "delete 5 50", "insert 20 200",
                                                    "insert 21 null"}));
  const auto objects = store_.List("t1/");
  ASSERT_TRUE(objects.ok());
  for (const auto& object : *objects) {
    EXPECT_EQ(object.path.find("_change_data"), std::string::npos) << object.path;
  }
}

TEST_F(EditRowsTest, WhatCannotBeIsRefusedAndNothingIsWritten) {
  Create({{"delta.enableDeletionVectors", "true"}}, false);
  Append(1, 6, "de");
  ASSERT_TRUE(DeleteRows(*table_, Parse("id = 1")).ok());
  const auto version = (*table_->Load())->version();
  const auto fails = [&](ErrorCode code, const auto& edit) {
    const auto report = EditRows(*table_, EditKind::kMerge,
                                 [&](const auto&, RowEdits& edits) { return edit(edits); });
    ASSERT_FALSE(report.ok());
    EXPECT_EQ(report.error().code(), code) << report.error().message();
    EXPECT_EQ((*table_->Load())->version(), version);
  };
  const std::vector<RowPlace> second = {{0, 1}};
  fails(ErrorCode::kInvalid, [&](RowEdits& edits) -> Status {
    SLUICE_RETURN_IF_ERROR(edits.Update(second, Amounts({1})));
    return edits.Update(second, Amounts({2}));
  });
  fails(ErrorCode::kInvalid, [&](RowEdits& edits) -> Status {
    SLUICE_RETURN_IF_ERROR(edits.Delete(second));
    return edits.Update(second, Amounts({2}));
  });
  for (const RowPlace place : {RowPlace{0, 0}, RowPlace{0, 6}, RowPlace{1, 0}, RowPlace{-1, 0}}) {
    fails(ErrorCode::kCorrupt, [&](RowEdits& edits) { return edits.Delete({{place}}); });
  }
  fails(ErrorCode::kInvalid, [&](RowEdits& edits) -> Status {
    SLUICE_RETURN_IF_ERROR(edits.Insert(Batch({20}, "it")));  // Is not kept either.
    const auto wrong = Amounts({1});
    return edits.Insert(wrong);  // Without an id.
  });
}

TEST_F(EditRowsTest, InsertsAreInNobodysWayUnlessTheyLook) {
  Create({}, false);
  Append(0, 10, "de");
  const std::string root = table_->root();
  for (const bool looks : {false, true}) {
    bool done = false;
    faulty_.Observe([&](store::StoreCall call, std::string_view) {
      if (call != store::StoreCall::kPutIfAbsent || std::exchange(done, true)) return;
      DeltaTable other(store_, root, clock_, random_);
      const NewFile file{.batches = {Batch({looks ? 200 : 100}, "it")}};
      ASSERT_TRUE(other.Append(nullptr, std::vector<NewFile>{file}).ok());
    });
    int calls = 0;
    const auto report = EditRows(*table_, EditKind::kInsert, [&](const auto&, RowEdits& edits) {
      ++calls;
      if (looks) edits.LooksAtTable();
      return edits.Insert(Batch({looks ? 201 : 101}, "it"));
    });
    ASSERT_TRUE(report.ok()) << report.error().message();
    EXPECT_EQ(report->rows_inserted, 1);
    EXPECT_EQ(calls, looks ? 2 : 1);
  }
  faulty_.Observe(nullptr);
  EXPECT_EQ(Read().size(), 14);
}

TEST_F(EditRowsTest, RowsThatAreDeletedMeanwhileAreInTheWayOfWhoLooksAtAll) {
  struct Case {
    EditKind kind;
    bool looks;
    bool compacts;  // The other one, which else deletes a row.
    int calls;
  };
  const std::string first = "id = 1";
  for (const Case& one : std::vector<Case>{{EditKind::kMerge, false, false, 2},
                                           {EditKind::kMerge, false, true, 1},
                                           {EditKind::kInsert, true, false, 2},
                                           {EditKind::kInsert, false, false, 1},
                                           {EditKind::kUpdate, true, false, 2},
                                           {EditKind::kUpdate, false, false, 1}}) {
    Create({{"delta.enableDeletionVectors", "true"}}, false);
    Append(0, 10, "de");
    Append(10, 10, "de");
    const std::string root = table_->root();
    bool done = false;
    faulty_.Observe([&](store::StoreCall call, std::string_view) {
      if (call != store::StoreCall::kPutIfAbsent || std::exchange(done, true)) return;
      DeltaTable other(store_, root, clock_, random_);
      ASSERT_TRUE(one.compacts ? CompactFiles(other).ok() : DeleteRows(other, Parse(first)).ok());
    });
    int calls = 0;
    const auto report =
        EditRows(*table_, one.kind, [&](const auto& snapshot, RowEdits& edits) -> Status {
          ++calls;
          if (one.looks) edits.LooksAtTable();
          if (one.kind != EditKind::kUpdate) return edits.Insert(Batch({100}, "it"));
          std::vector<RowPlace> second;
          for (const Placed& row : Places(snapshot)) {
            if (row.id == 2) second.push_back(row.place);
          }
          return edits.Update(second, Amounts({1}));
        });
    faulty_.Observe(nullptr);
    ASSERT_TRUE(report.ok()) << report.error().message();
    EXPECT_EQ(calls, one.calls);
    EXPECT_EQ(report->conflicts, one.calls - 1);
    EXPECT_EQ(Read().contains(1), one.compacts);
  }
}

TEST_F(EditRowsTest, WhoIsInTheWayIsLookedAtAgainButNotALanding) {
  Create({}, false);
  Append(0, 10, "de");
  const std::string root = table_->root();
  for (const bool landing : {false, true}) {
    bool done = false;
    faulty_.Observe([&](store::StoreCall call, std::string_view) {
      if (call != store::StoreCall::kPutIfAbsent || std::exchange(done, true)) return;
      DeltaTable other(store_, root, clock_, random_);
      AppendOptions append;
      append.transactions = {{.app_id = landing ? "landing" : "another", .version = 1}};
      const NewFile file{.batches = {Batch({landing ? 200 : 100}, "it")}};
      ASSERT_TRUE(other.Append(nullptr, std::vector<NewFile>{file}, append).ok());
    });
    int calls = 0;
    const auto report = EditRows(*table_, EditKind::kDelete,
                                 [&](const auto& snapshot, RowEdits& edits) {
                                   ++calls;
                                   std::vector<RowPlace> all;
                                   for (const Placed& row : Places(snapshot))
                                     all.push_back(row.place);
                                   return edits.Delete(all);
                                 },
                                 {.overtaken_by = "landing"});
    ASSERT_TRUE(report.ok()) << report.error().message();
    EXPECT_EQ(calls, landing ? 1 : 2);
    EXPECT_EQ(Read().size(), landing ? 1 : 0);
    Append(0, 10, "de");
  }
  faulty_.Observe(nullptr);
}

}  // namespace
}  // namespace sluice::lake
