#include "sluice/duck/change_plan.h"

#include <arrow/api.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <numeric>

#include "sluice/columnar/row_runs.h"
#include "sluice/duck/internal/engine_fixture.h"

namespace sluice::duck {
namespace {

using internal::Integers;
using internal::MakeBatch;
using internal::Strings;

/// Two files of a table `t` (k, name, n): rows k = 0 … 9, of which 3 is deleted, then 10 … 14.
class ChangeTest : public internal::EngineFixture {
 protected:
  void SetUp() override {
    const auto rows = [](int64_t from, int64_t count) {
      std::vector<int64_t> keys(static_cast<size_t>(count));
      std::iota(keys.begin(), keys.end(), from);
      std::vector<std::string> names;
      std::vector<int64_t> numbers;
      for (const int64_t key : keys) {
        names.push_back("n" + std::to_string(key));
        numbers.push_back(key * 10);
      }
      return MakeBatch({{"k", Integers(keys)}, {"name", Strings(names)}, {"n", Integers(numbers)}});
    };
    columnar::RowRuns third;
    third.Add(3, 1);
    arrow::BinaryBuilder deleted;
    ASSERT_TRUE(deleted.Append(third.Encode()).ok() && deleted.AppendNull().ok());
    arrow::Int32Builder files;
    ASSERT_TRUE(files.AppendValues({0, 1}).ok());
    Relation relation;
    relation.schema_name = "bronze";
    relation.name = "t";
    relation.schema = rows(0, 1)->schema();
    relation.indexed_files = MakeBatch({{"path", Strings({WriteFile("a.parquet", rows(0, 10)),
                                                          WriteFile("b.parquet", rows(10, 5))})},
                                        {"min:k", Integers({0, 10})},
                                        {"max:k", Integers({9, 14})},
                                        {"deleted", *deleted.Finish()},
                                        {"value:_sluice_file", *files.Finish()}});
    plain_ = relation;
    relation.schema = *relation.schema->AddField(3, arrow::field(kFileColumn, arrow::int32()));
    target_ = relation;
  }

  Status Change(const std::string& sql, internal::TextSink& sink, Diagnostic* diagnosis = nullptr,
                const Parameters& parameters = {}) {
    return engine_->Change(
        sql,
        [this](const RelationName& name) -> Result<std::optional<Relation>> {
          if (name.name != "t") return std::optional<Relation>();
          return std::optional(name.arguments.contains(kChangeArgument) ? target_ : plain_);
        },
        sink, {}, {}, parameters, diagnosis);
  }

  /// The rows of a change in order, with its actions before them.
  std::string Change(const std::string& sql, const Parameters& parameters = {}) {
    internal::TextSink sink;
    Diagnostic diagnosis;
    const Status status = Change(sql, sink, &diagnosis, parameters);
    if (!status.ok()) return diagnosis.code + " " + status.error().ToString();
    const auto plan = ChangePlan::Of(sink.result_schema);
    if (!plan.ok()) return plan.error().ToString();
    std::string text;
    for (const ChangeAction& action : plan->actions) {
      text += "DUI"[static_cast<int>(action.kind)];
      for (const std::string& column : action.columns) text += " " + column;
      text += "\n";
    }
    std::vector<std::string> lines;
    for (size_t at = 0; at < sink.text.size();) {
      const size_t end = sink.text.find('\n', at);
      lines.push_back(sink.text.substr(at, end - at));
      at = end + 1;
    }
    std::ranges::sort(lines);
    for (const std::string& line : lines) text += line + "\n";
    return text;
  }

  Relation plain_;
  Relation target_;
};

TEST_F(ChangeTest, DeletesTellWhereRowsStand) {
  EXPECT_EQ(Change("DELETE FROM t WHERE k in (2, 3, 4, 12)"), "D\n0|2|0\n0|4|0\n1|2|0\n");
  EXPECT_EQ(Change("delete from bronze.t as x where x.n > 130"), "D\n1|4|0\n");
  EXPECT_EQ(Change("DELETE FROM t WHERE k > (SELECT avg(k) FROM t) AND k < 10"),
            "D\n0|8|0\n0|9|0\n");
  EXPECT_EQ(Change("DELETE FROM t USING (VALUES (11), (11)) v(k) WHERE t.k = v.k"),
            "D\n1|1|0\n1|1|0\n");
  EXPECT_EQ(Change("DELETE FROM t WHERE k = $k", {{"k", int64_t{14}}}), "D\n1|4|0\n");
  internal::TextSink all;
  ASSERT_TRUE(Change("DELETE FROM t", all).ok());
  EXPECT_EQ(all.rows, 14);
}

TEST_F(ChangeTest, UpdatesGiveValuesOfTheTablesTypes) {
  EXPECT_EQ(Change("UPDATE t SET N = n + 0.6, name = k WHERE k = 13"), "U n name\n1|3|0|131|13\n");
  EXPECT_EQ(Change("UPDATE t SET n = NULL WHERE name LIKE 'n1_' AND n > 130"), "U n\n1|4|0|null\n");
  // Names of columns are those of the table, not those of new values.
  EXPECT_EQ(Change("UPDATE t SET n = k, k = n WHERE k = 2"), "U n k\n0|2|0|2|20\n");
  EXPECT_EQ(Change("UPDATE t AS x SET name = v.word FROM (VALUES (5, 'five')) v(k, word) WHERE "
                   "x.k = v.k"),
            "U name\n0|5|0|five\n");
}

TEST_F(ChangeTest, InsertsGiveRowsWithoutAPlace) {
  EXPECT_EQ(Change("INSERT INTO t VALUES (20, 'x', 1), ('21', NULL, 2.4)"),
            "I k name n\nnull|null|0|20|x|1\nnull|null|0|21|null|2\n");
  EXPECT_EQ(Change("INSERT INTO t (name, k) SELECT name, k + 100 FROM t WHERE k = 14 LIMIT 1"),
            "I name k\nnull|null|0|n14|114\n");
  EXPECT_EQ(Change("INSERT INTO t (k) WITH w AS (SELECT 7 AS a) SELECT a FROM w"),
            "I k\nnull|null|0|7\n");
}

TEST_F(ChangeTest, MergesChooseTheFirstClauseThatHolds) {
  EXPECT_EQ(Change("MERGE INTO t USING (VALUES (4, 'four'), (5, 'five'), (6, 'six'), (90, 'new'), "
                   "(91, 'no')) s(key, word) ON t.k = s.key "
                   "WHEN MATCHED AND s.word = 'five' THEN DELETE "
                   "WHEN MATCHED AND n = 60 THEN DO NOTHING "
                   "WHEN MATCHED THEN UPDATE SET name = s.word, n = t.n + 1 "
                   "WHEN NOT MATCHED AND s.key = 90 THEN INSERT (name, k) VALUES (s.word, s.key)"),
            "D\nU name n\nI name k\n"
            "0|4|1|four|41|null|null\n"
            "0|5|0|null|null|null|null\n"
            "null|null|2|null|null|new|90\n");
  EXPECT_EQ(Change("MERGE INTO t USING (SELECT k FROM t WHERE k < 13) AS s ON t.k = s.k "
                   "WHEN NOT MATCHED BY SOURCE THEN UPDATE SET n = 0"),
            "U n\n1|3|0|0\n1|4|0|0\n");
  EXPECT_EQ(Change("MERGE INTO t x USING t ON x.k = t.k + 13 WHEN MATCHED THEN UPDATE SET n = t.n"),
            "U n\n1|3|0|0\n1|4|0|10\n");
  EXPECT_EQ(Change("MERGE INTO t USING (VALUES (14), (15)) s(k) USING (k) WHEN MATCHED THEN DELETE "
                   "WHEN NOT MATCHED THEN INSERT VALUES (s.k, 'x', 1)"),
            "D\nI k name n\n1|4|0|null|null|null\nnull|null|1|15|x|1\n");
}

TEST_F(ChangeTest, PositionsAreThoseInTheFileWhateverIsLeftOut) {
  std::vector<int64_t> keys(400'000);
  std::iota(keys.begin(), keys.end(), 0);
  const auto rows = MakeBatch({{"k", Integers(keys)}});
  columnar::RowRuns most;
  most.Add(0, 150'000);
  most.Add(150'001, 1);
  arrow::BinaryBuilder deleted;
  ASSERT_TRUE(deleted.AppendNull().ok() && deleted.Append(most.Encode()).ok());
  arrow::Int32Builder files;
  ASSERT_TRUE(files.AppendValues({0, 1}).ok());
  target_.schema =
      arrow::schema({arrow::field("k", arrow::int64()), arrow::field(kFileColumn, arrow::int32())});
  target_.indexed_files = MakeBatch(
      {{"path", Strings({WriteFile("c.parquet", rows->Slice(0, 1)), WriteFile("d.parquet", rows)})},
       {"min:k", Integers({0, 0})},
       {"max:k", Integers({0, 399'999})},
       {"deleted", *deleted.Finish()},
       {"value:_sluice_file", *files.Finish()}});
  EXPECT_EQ(Change("DELETE FROM t WHERE k IN (7, 150000, 150001, 150002, 333333)"),
            "D\n1|150000|0\n1|150002|0\n1|333333|0\n");
}

TEST_F(ChangeTest, AnEmptyTableHasNoRowsToChangeAndTakesRows) {
  target_.indexed_files = target_.indexed_files->Slice(0, 0);
  plain_.indexed_files = target_.indexed_files;
  EXPECT_EQ(Change("DELETE FROM t"), "D\n");
  EXPECT_EQ(Change("MERGE INTO t USING (VALUES (1)) s(k) ON t.k = s.k WHEN MATCHED THEN DELETE "
                   "WHEN NOT MATCHED THEN INSERT (k) VALUES (s.k)"),
            "D\nI k\nnull|null|1|1\n");
}

TEST_F(ChangeTest, WhatIsNoSuchStatementIsRefusedByItsCode) {
  const auto code = [this](const std::string& sql) { return Change(sql).substr(0, 6); };
  EXPECT_EQ(code("SELECT 1"), "SL2003");
  EXPECT_EQ(code("CREATE TABLE x (a INT)"), "SL2003");
  EXPECT_EQ(code("DELETE FROM t; DELETE FROM t"), "SL2002");
  EXPECT_EQ(code("DELETE FRM t"), "SL2001");
  EXPECT_EQ(code("DELETE FROM nowhere"), "SL2101");
  EXPECT_EQ(code("DELETE FROM t WHERE nope = 1"), "SL2104");
  EXPECT_EQ(code("UPDATE t SET nope = 1"), "SL2104");
  EXPECT_EQ(code("UPDATE t SET n = 1, N = 2"), "SL2106");
  EXPECT_EQ(code("UPDATE t SET n = 'word'"), "SL2110");
  EXPECT_EQ(code("UPDATE t SET n = DEFAULT"), "SL2209");
  EXPECT_EQ(code("DELETE FROM t RETURNING *"), "SL2209");
  EXPECT_EQ(code("DELETE FROM t AT (VERSION => 1)"), "SL2001");
  EXPECT_EQ(code("INSERT OR REPLACE INTO t VALUES (1, 'x', 2)"), "SL2209");
  EXPECT_EQ(code("INSERT INTO t VALUES (1)"), "SL2106");
  EXPECT_EQ(code("INSERT INTO t (k) SELECT * FROM read_csv('/etc/passwd')"), "SL2003");
  EXPECT_EQ(code("UPDATE t SET name = (SELECT content FROM read_text('/etc/passwd'))"), "SL2003");
  EXPECT_EQ(code("DELETE FROM t WHERE getenv('HOME') = 'x'"), "SL2003");
  EXPECT_EQ(code("MERGE INTO t USING (VALUES (1)) s(k) ON t.k = s.k WHEN MATCHED THEN UPDATE"),
            "SL2209");
  // And no query asks for changes.
  EXPECT_NE(Run("DELETE FROM t").find("only queries"), std::string::npos);
}

}  // namespace
}  // namespace sluice::duck
