// What rows that others add between our look at a table and our commit mean for a change: it is
// made again if it would have touched them, and else stands as it is.

#include <gtest/gtest.h>

#include <functional>
#include <utility>

#include "sluice/lake/compact_files.h"
#include "sluice/lake/edit_rows.h"
#include "sluice/lake/internal/changing_table.h"
#include "sluice/lake/merge_rows.h"

namespace sluice::lake {
namespace {

using When = MergeClause::When;
using Action = MergeClause::Action;

const std::vector<MergeClause> kUpsert = {{.when = When::kMatched, .action = Action::kUpdate},
                                          {.when = When::kNotMatched, .action = Action::kInsert}};

class ChangeConflictsTest : public ChangingTable {
 protected:
  // Runs `other` just before our first commit.
  void Before(std::function<void(DeltaTable&)> other) {
    faulty_.Observe([this, other = std::move(other)](store::StoreCall call, std::string_view) {
      if (call != store::StoreCall::kPutIfAbsent) return;
      const auto run = other;
      faulty_.Observe(nullptr);
      DeltaTable theirs(store_, table_->root(), clock_, random_);
      run(theirs);
    });
  }

  Result<ChangeReport> Merge(DeltaTable& table, const std::vector<int64_t>& ids,
                             const std::vector<MergeClause>& clauses = kUpsert) {
    const std::vector<columnar::Batch> source = {Batch(ids, "at")};
    return MergeRows(table, source, std::vector<MergeKey>{{"id", "id"}}, clauses);
  }

  // How often our change was made again because of theirs.
  void Expect(const std::string& name, int64_t conflicts, const Result<ChangeReport>& report) {
    SCOPED_TRACE(name);
    ASSERT_TRUE(report.ok()) << report.error().ToString();
    EXPECT_EQ(report->conflicts, conflicts);
    Read();  // Fails where a row is there twice.
  }
};

// The table has rows 0 to 9 in `de`; the other one appends `count` rows from `first` on in
// `country`.
struct Appended {
  int64_t first;
  int64_t count;
  std::string country;
};

TEST_F(ChangeConflictsTest, RowsThatAreAppendedMeanwhileAreInTheWayIfTheyWouldHaveBeenTouched) {
  const auto with = [&](const Appended& rows, const auto& change) -> Result<ChangeReport> {
    Create({{"delta.enableDeletionVectors", rows.first % 2 == 0 ? "true" : "false"}}, true);
    Append(0, 10, "de");
    Before([&](DeltaTable& theirs) {
      std::vector<int64_t> ids;
      for (int64_t id = rows.first; id < rows.first + rows.count; ++id) ids.push_back(id);
      const NewFile file{.partition_values = {{"country", rows.country}},
                         .batches = {Batch(ids, rows.country)}};
      ASSERT_TRUE(theirs.Append(nullptr, std::vector<NewFile>{file}).ok());
    });
    return change();
  };
  const auto remove = [&](const std::string& condition) {
    return [&, condition] { return DeleteRows(*table_, Parse(condition)); };
  };
  const Appended far{100, 10, "de"};
  // Their file may have such rows by its bounds, and has none.
  Expect("delete of none of them", 0, with(far, remove("id % 2 = 1 and amount < 30")));
  Expect("delete by bounds", 0, with(far, remove("id < 5")));
  Expect("delete of one of them", 1, with(far, remove("id = 3 or id = 104")));
  EXPECT_EQ(Read().size(), 18U);
  Expect("delete of all", 1, with(far, [&] { return DeleteRows(*table_, {}); }));
  EXPECT_EQ(Read().size(), 0U);
  const std::vector<Assignment> assign = {{"amount", Parse("1")}};
  Expect("update", 0, with(far, [&] { return UpdateRows(*table_, assign, Parse("id < 3")); }));
  Expect("update of them", 1, with(far, [&] { return UpdateRows(*table_, assign, {}); }));
  EXPECT_EQ(Read()[105].amount, 1);

  Expect("merge of other keys", 0, with(far, [&] { return Merge(*table_, {5, 50, 500}); }));
  EXPECT_EQ(Read().size(), 22U);
  Expect("merge of a key", 1, with(far, [&] { return Merge(*table_, {5, 105}); }));
  EXPECT_EQ(Read().size(), 20U);
  // Such a merge is for rows that it has no key of.
  Expect("merge of what is not there", 1, with(far, [&] {
           return Merge(
               *table_, {5},
               {{When::kNotMatchedBySource, Action::kDelete, Parse("id >= 100 or id = 3"), {}}});
         }));
  EXPECT_EQ(Read().size(), 9U);

  const auto replace = [&](const Replaced& replaced) {
    return [&, replaced] {
      return ReplaceRows(*table_, std::vector<columnar::Batch>{Batch({1000}, "fr")}, replaced);
    };
  };
  using Which = Replaced::Which;
  Expect("their partition is another", 0, with(far, replace({.which = Which::kPartitions})));
  EXPECT_EQ(Read().size(), 21U);
  Expect("their partition is replaced", 1,
         with({100, 10, "fr"}, replace({.which = Which::kPartitions})));
  EXPECT_EQ(Read().size(), 11U);
  Expect("they are not replaced", 0,
         with(far, replace({.which = Which::kMatching, .condition = Parse("id >= 1000")})));
  EXPECT_EQ(Read().size(), 21U);
  Expect("all is replaced", 1, with(far, replace({})));
  EXPECT_EQ(Read().size(), 1U);
}

// Our merge inserts key 3 unless the table has it, and leaves it as it is there. Rows 0 to 9 are in
// one file, 10 to 19 in another one.
TEST_F(ChangeConflictsTest, RowsThatKeepAMergeFromInsertingMustStay) {
  const std::vector<MergeClause> insert = {{.when = When::kNotMatched, .action = Action::kInsert}};
  const std::vector<MergeClause> update_few = {
      {When::kMatched, Action::kUpdate, Parse("target.amount > 1000"), {}}, insert[0]};
  const std::vector<MergeClause> update_other = {
      {When::kMatched, Action::kUpdate, Parse("target.id = 5"), {}}, insert[0]};
  const std::vector<MergeClause> update_alone = {update_other[0]};
  const std::vector<MergeClause> insert_others = {
      {When::kNotMatched, Action::kInsert, Parse("source.id <> 3"), {}}};
  using Others = std::function<void(DeltaTable&)>;
  const auto remove = [](const std::string& condition) -> Others {
    return
        [condition](DeltaTable& theirs) { ASSERT_TRUE(DeleteRows(theirs, Parse(condition)).ok()); };
  };
  const Others compact = [](DeltaTable& theirs) {
    const auto report = CompactFiles(theirs, {.deleted_part_max = 0});
    ASSERT_TRUE(report.ok()) << report.error().message();
    ASSERT_GT(report->files_removed, 0);
  };
  const auto both = [](const Others& first, const Others& second) -> Others {
    return [first, second](DeltaTable& theirs) {
      first(theirs);
      second(theirs);
    };
  };
  const Others change = [](DeltaTable& theirs) {
    const std::vector<Assignment> amount = {{"amount", Parse("5000")}};
    ASSERT_TRUE(UpdateRows(theirs, amount, Parse("id = 3")).ok());
  };
  struct Case {
    std::string name;
    std::vector<MergeClause> clauses;
    Others others;
    int64_t conflicts_by_vectors;
    int64_t conflicts_by_copies;
    bool has_row = true;  // 3, in the end.
  };
  const std::vector<Case> cases = {
      {"deleted, of which only inserts are made", insert, remove("id = 3"), 1, 1},
      {"deleted, of which none was updated", update_few, remove("id = 3"), 1, 1},
      {"deleted beside one that is updated", update_other, remove("id = 3"), 1, 1},
      {"deleted with its file", insert, remove("id < 10"), 1, 1},
      {"changed", update_few, change, 1, 1},
      // What moves with a copy may have changed on its way; below, too.
      {"another row of its file is deleted", insert, remove("id = 4"), 0, 1},
      {"a row of another file is deleted", insert, remove("id = 14"), 0, 0},
      {"compacted", insert, compact, 0, 0},
      {"compacted, then deleted", insert, both(compact, remove("id = 3")), 1, 1},
      {"deleted, then compacted", insert, both(remove("id = 3"), compact), 1, 1},
      {"deleted, but it would not be inserted", insert_others, remove("id = 3"), 0, 1, false},
      {"deleted, but nothing is inserted", update_alone, remove("id = 3"), 0, 1, false},
  };
  for (const bool vectors : {true, false}) {
    for (const Case& one : cases) {
      Create({{"delta.enableDeletionVectors", vectors ? "true" : "false"}}, false);
      Append(0, 10, "de");
      Append(10, 10, "de");
      Before(one.others);
      Expect(one.name + (vectors ? ", by vectors" : ", by copies"),
             vectors ? one.conflicts_by_vectors : one.conflicts_by_copies,
             Merge(*table_, {3, 5, 100}, one.clauses));
      EXPECT_EQ(Read().contains(3), one.has_row) << one.name;
    }
  }
}

// The first of them is not in its way, the second one is.
TEST_F(ChangeConflictsTest, AllThatOthersCommittedMeanwhileIsLookedAt) {
  Create({}, false);
  Append(0, 10, "de");
  Before([this](DeltaTable& theirs) {
    for (const int64_t first : {100, 200}) {
      const std::vector<NewFile> rows = {{.batches = {Batch({first, first + 1}, "fr")}}};
      ASSERT_TRUE(theirs.Append(nullptr, rows).ok());
    }
  });
  Expect("two commits", 1, DeleteRows(*table_, Parse("id = 3 or id >= 200")));
  EXPECT_EQ(Read().size(), 11U);
}

TEST_F(ChangeConflictsTest, RowsThatMovedMeanwhileAreFound) {
  Create({}, false);
  Append(0, 10, "de");
  // They come, and are compacted with the others, between our look and our commit.
  Before([&](DeltaTable& theirs) {
    const NewFile file{.batches = {Batch({100, 101}, "de")}};
    ASSERT_TRUE(theirs.Append(nullptr, std::vector<NewFile>{file}).ok());
    ASSERT_TRUE(DeleteRows(theirs, Parse("id = 101")).ok());
  });
  Expect("merge", 1, Merge(*table_, {100, 500}));
  EXPECT_EQ(Read().size(), 12U);
}

TEST_F(ChangeConflictsTest, AppendsMayPassWhereTheTableSaysSo) {
  for (const bool blind : {true, false}) {
    SCOPED_TRACE(blind);
    Create({{"delta.isolationLevel", "Serializable"}}, false);
    // We do not set the other one, which Spark does not take; Databricks does.
    const std::string first = table_->root() + "/_delta_log/00000000000000000000.json";
    std::string log = *store_.Get(first);
    log.replace(log.find("Serializable"), 12, "WriteSerializable");
    ASSERT_TRUE(store_.Put(first, log).ok());
    Append(0, 10, "de");
    Before([&](DeltaTable& theirs) {
      if (blind) {
        const NewFile file{.batches = {Batch({100}, "de")}};
        ASSERT_TRUE(theirs.Append(nullptr, std::vector<NewFile>{file}).ok());
      } else {  // Which read the table first.
        ASSERT_TRUE(Merge(theirs, {100}).ok());
      }
    });
    Expect("delete", blind ? 0 : 1, DeleteRows(*table_, Parse("id >= 5")));
    EXPECT_EQ(Read().contains(100), blind);  // As if it had come after.
  }
}

}  // namespace
}  // namespace sluice::lake
