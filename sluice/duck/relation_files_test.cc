#include <arrow/api.h>
#include <gtest/gtest.h>

#include <numeric>

#include "sluice/base/diagnostic.h"
#include "sluice/columnar/row_runs.h"
#include "sluice/duck/internal/engine_fixture.h"

namespace sluice::duck {
namespace {

using internal::Integers;
using internal::MakeArray;
using internal::MakeBatch;
using internal::Strings;

/// What a relation says of its files: constant columns, deleted rows, other names for columns.
class RelationFilesTest : public internal::EngineFixture {
 protected:
  static std::shared_ptr<arrow::Array> Deleted(const std::vector<columnar::RowRuns>& files) {
    arrow::BinaryBuilder builder;
    for (const auto& runs : files) {
      EXPECT_TRUE((runs.empty() ? builder.AppendNull() : builder.Append(runs.Encode())).ok());
    }
    return *builder.Finish();
  }
  static std::shared_ptr<arrow::Field> Stored(const std::string& name,
                                              std::shared_ptr<arrow::DataType> type, int id) {
    return arrow::field(name, std::move(type),
                        arrow::key_value_metadata({"PARQUET:field_id"}, {std::to_string(id)}));
  }
};

TEST_F(RelationFilesTest, ConstantColumnsComeFromTheIndex) {
  const auto file = [this](const std::string& name, int64_t id) {
    // Its own idea of the city does not count.
    return WriteFile(name, MakeBatch({{"id", Integers({id})}, {"city", Strings({"wrong"})}}));
  };
  Relation& relation = relations_[{"", "t"}];
  relation.schema = arrow::schema(
      {arrow::field("city", arrow::utf8()), arrow::field("id", arrow::int64()),
       arrow::field("number", arrow::int32()), arrow::field("day", arrow::date32()),
       arrow::field("bytes", arrow::binary()), arrow::field("price", arrow::decimal128(9, 2)),
       arrow::field("at", arrow::timestamp(arrow::TimeUnit::MICRO, "UTC"))});
  arrow::Int32Builder numbers;
  arrow::Date32Builder days;
  arrow::BinaryBuilder bytes;
  arrow::Decimal128Builder prices(arrow::decimal128(9, 2));
  arrow::TimestampBuilder times(arrow::timestamp(arrow::TimeUnit::MICRO, "UTC"),
                                arrow::default_memory_pool());
  ASSERT_TRUE(numbers.AppendValues({7, -5, 0}, {true, true, false}).ok());
  ASSERT_TRUE(days.AppendValues({20454, 0, 20512}, {true, false, true}).ok());
  ASSERT_TRUE(bytes.Append("\\x41").ok() && bytes.AppendNulls(2).ok());
  ASSERT_TRUE(prices.Append(arrow::Decimal128(-150)).ok() && prices.AppendNulls(2).ok());
  ASSERT_TRUE(times.Append(1'000'001).ok() && times.AppendNulls(2).ok());
  relation.indexed_files = MakeBatch(
      {{"path", Strings({file("1.parquet", 1), file("2.parquet", 2), file("3.parquet", 3)})},
       {"value:city", Strings({"New York", "a/b=c", "2026"})},
       {"value:number", *numbers.Finish()},
       {"value:day", *days.Finish()},
       {"value:bytes", *bytes.Finish()},
       {"value:price", *prices.Finish()},
       {"value:at", *times.Finish()}});
  EXPECT_EQ(Run("SELECT city, id, number, day FROM t ORDER BY id"),
            "New York|1|7|2026-01-01\na/b=c|2|-5|null\n2026|3|null|2026-02-28\n");
  EXPECT_EQ(Run("SELECT octet_length(bytes), price::VARCHAR, epoch_us(\"at\") FROM t WHERE id = 1"),
            "4|-1.50|1000001\n");
  EXPECT_EQ(Run("SELECT id FROM t WHERE city = 'New York'"), "1\n");
  EXPECT_EQ(Run("SELECT id FROM t WHERE day IS NULL"), "2\n");
  EXPECT_EQ(Run("SELECT id FROM t WHERE day > DATE '2026-01-31' AND number IS NULL"), "3\n");
  EXPECT_EQ(Run("SELECT id FROM t WHERE month(day) = 1"), "1\n");
  EXPECT_EQ(Run("SELECT number, count(*) FROM t GROUP BY number ORDER BY number NULLS FIRST"),
            "null|1\n-5|1\n7|1\n");
}

TEST_F(RelationFilesTest, SaysThatAFileIsGone) {
  Relation& relation = relations_[{"", "t"}];
  const auto rows = MakeBatch({{"id", Integers({1})}});
  relation.schema = rows->schema();
  const std::string kept = WriteFile("kept.parquet", rows);
  relation.indexed_files = MakeBatch({{"path", Strings({kept, folder_ + "/files/gone.parquet"})}});
  internal::TextSink sink;
  Diagnostic found;
  const Status status = engine_->Query("SELECT * FROM t", Lookup(), sink, {}, {}, {}, &found);
  ASSERT_FALSE(status.ok());
  EXPECT_EQ(status.error().code(), ErrorCode::kUnavailable);
  EXPECT_EQ(found.code, "SL2210") << status.error().ToString();
}

TEST_F(RelationFilesTest, CountsRowsByTheIndexAndOpensNoFile) {
  const auto rows = MakeBatch({{"id", Integers({1, 2, 3})}});
  const std::string gone = folder_ + "/files/gone";
  Relation& known = relations_[{"", "known"}];
  known.schema = rows->schema();
  known.indexed_files =
      MakeBatch({{"path", Strings({gone + "1", gone + "2"})}, {"rows", Integers({40, 2})}});
  Relation& with_tail = relations_[{"", "with_tail"}] = known;
  with_tail.batches = {rows, rows};
  Relation& read = relations_[{"", "read"}];
  read.schema = rows->schema();
  read.batches = {rows};

  EXPECT_EQ(Run("SELECT count(*) FROM known"), "42\n");
  EXPECT_EQ(Run("SELECT count(*) FROM with_tail"), "48\n");
  EXPECT_EQ(Run("SELECT count(*) + 1 AS n, count(1), typeof(count(*)) FROM with_tail"),
            "49|48|BIGINT\n");
  EXPECT_EQ(Run("SELECT 'all' AS what, (SELECT count(*) FROM with_tail) AS n"), "all|48\n");
  EXPECT_EQ(Run("WITH t AS (SELECT id * 2 AS twice, id FROM with_tail) SELECT count(*) FROM t"),
            "48\n");
  EXPECT_EQ(Run("SELECT count(*) FROM (SELECT id FROM known UNION ALL SELECT id FROM with_tail "
                "UNION ALL SELECT id + 1 FROM read)"),
            "93\n");
  EXPECT_EQ(Run("SELECT count(*) AS n FROM known HAVING n > 41"), "42\n");
  EXPECT_EQ(Run("SELECT count(*) AS n FROM known HAVING n > 42"), "");
  EXPECT_EQ(Run("SELECT a.n, b.n FROM (SELECT count(*) AS n FROM known) a, "
                "(SELECT count(*) AS n FROM with_tail) b"),
            "42|48\n");
  EXPECT_EQ(Run("SELECT name, n FROM (SELECT 'known' AS name, count(*) AS n FROM known UNION ALL "
                "SELECT 'read', count(*) FROM read) ORDER BY name"),
            "known|42\nread|3\n");

  // What is not a number of whole relations is looked for in the files.
  for (const char* sql :
       {"SELECT count(*) FROM known WHERE id > 1", "SELECT count(id) FROM known",
        "SELECT count(*), max(id) FROM known", "SELECT count(*) FROM known GROUP BY id",
        "SELECT count(*) FILTER (WHERE id = 1) FROM known",
        "SELECT count(*) FROM (SELECT DISTINCT id FROM known)",
        "SELECT count(*) FROM (SELECT id FROM known LIMIT 5)",
        "SELECT count(*) FROM (SELECT id FROM known UNION SELECT id FROM read)",
        "SELECT count(*) FROM known JOIN read USING (id)",
        "SELECT count(*) FROM known TABLESAMPLE 50%",
        "SELECT count(*) FROM (SELECT unnest([id, id]) FROM known)"}) {
    internal::TextSink sink;
    EXPECT_FALSE(engine_->Query(sql, Lookup(), sink).ok()) << sql;
  }
}

TEST_F(RelationFilesTest, CountsRowsOfFilesWhoseNumberIsNotKnown) {
  const auto rows = MakeBatch({{"id", Integers({1, 2, 3})}});
  Relation& relation = relations_[{"", "t"}];
  relation.schema = rows->schema();
  arrow::Int64Builder counts;
  ASSERT_TRUE(counts.AppendValues({3, 0}, {true, false}).ok());
  relation.indexed_files =
      MakeBatch({{"path", Strings({WriteFile("a.parquet", rows), WriteFile("b.parquet", rows)})},
                 {"rows", *counts.Finish()}});
  EXPECT_EQ(Run("SELECT count(*) FROM t"), "6\n");
}

TEST_F(RelationFilesTest, LeavesDeletedRowsOut) {
  std::vector<int64_t> ids(300'000);
  std::iota(ids.begin(), ids.end(), 0);
  columnar::RowRuns third;
  for (int64_t i = 0; i < 300'000; i += 3) third.Add(i, 1);
  columnar::RowRuns all;
  all.Add(0, 10);
  const auto many = MakeBatch({{"id", Integers(ids)}});
  Relation& relation = relations_[{"", "t"}];
  relation.schema = many->schema();
  relation.indexed_files = MakeBatch(
      {{"path", Strings({WriteFile("a.parquet", many), WriteFile("b.parquet", many->Slice(0, 10)),
                         WriteFile("c.parquet", many->Slice(0, 2))})},
       {"deleted", Deleted({third, all, columnar::RowRuns()})}});
  for (int round = 0; round < 2; ++round) {  // The second one finds the files' metadata kept.
    EXPECT_EQ(Run("SELECT count(*) FROM t"), "200002\n");
    EXPECT_EQ(Run("SELECT min(id), max(id), count(id) FROM t WHERE id > 5"), "7|299999|199996\n");
    EXPECT_EQ(Run("SELECT id FROM t WHERE id IN (0, 3, 4) ORDER BY id"), "0\n4\n");
    EXPECT_EQ(Run("SELECT id FROM t ORDER BY id DESC LIMIT 3"), "299999\n299998\n299996\n");
    EXPECT_EQ(Run("SELECT count(*) FROM t WHERE id % 3 = 0"), "1\n");
  }
}

TEST_F(RelationFilesTest, FindsColumnsByStoredNamesAndIds) {
  // Columns `a` and `b` have changed their names with each other since the file was written.
  const auto inner =
      arrow::struct_({Stored("x1", arrow::int64(), 4), Stored("x2", arrow::utf8(), 5)});
  const auto structs =
      *arrow::StructArray::Make({Integers({10}), Strings({"ten"})}, inner->fields());
  const auto offsets =
      *MakeArray<arrow::Int32Builder>(std::vector<int32_t>{0, 1})->View(arrow::int32());
  const auto list_type = arrow::list(arrow::field("item", inner));
  const auto list = *arrow::ListArray::FromArrays(list_type, *offsets, *structs);
  const auto map_type = arrow::map(arrow::utf8(), inner);
  const auto map = *arrow::MapArray::FromArrays(map_type, offsets, Strings({"k"}), structs);
  const auto file_schema =
      arrow::schema({Stored("a", arrow::int64(), 1), Stored("b", arrow::int64(), 2),
                     Stored("s", inner, 3), Stored("l", list_type, 6), Stored("m", map_type, 7)});
  const auto rows = arrow::RecordBatch::Make(
      *file_schema->AddField(5, arrow::field("plain", arrow::utf8())), 1,
      {Integers({1}), Integers({2}), structs, list, map, Strings({"own"})});

  const auto seen_inner =
      arrow::struct_({arrow::field("text", arrow::utf8()), arrow::field("number", arrow::int64()),
                      arrow::field("added", arrow::int32())});
  const auto stored_inner =
      arrow::struct_({Stored("x2", arrow::utf8(), 5), Stored("x1", arrow::int64(), 4),
                      Stored("x9", arrow::int32(), 9)});
  Relation relation;
  relation.schema = arrow::schema(
      {arrow::field("b", arrow::int64()), arrow::field("a", arrow::int64()),
       arrow::field("struct", seen_inner), arrow::field("list", arrow::list(seen_inner)),
       arrow::field("map", arrow::map(arrow::utf8(), seen_inner)), arrow::field("s", arrow::utf8()),
       arrow::field("plain", arrow::utf8())});
  relation.stored_schema =
      arrow::schema({Stored("a", arrow::int64(), 1), Stored("b", arrow::int64(), 2),
                     Stored("s", stored_inner, 3), Stored("l", arrow::list(stored_inner), 6),
                     Stored("m", arrow::map(arrow::utf8(), stored_inner), 7),
                     Stored("s7", arrow::utf8(), 77), arrow::field("plain", arrow::utf8())});
  relation.indexed_files =
      MakeBatch({{"path", Strings({WriteFile("mapped.parquet", rows)})},
                 {"value:plain", Strings({"constant"})},
                 {"own:plain", MakeArray<arrow::BooleanBuilder>(std::vector<bool>{true})}});
  for (const bool by_id : {false, true}) {
    relation.match_field_ids = by_id;
    relations_[{"", "t"}] = relation;
    EXPECT_EQ(Run("SELECT a, b, s FROM t"), "2|1|null\n") << by_id;
    EXPECT_EQ(Run("SELECT plain FROM t WHERE plain = 'own'"), "own\n") << by_id;
    EXPECT_EQ(Run("SELECT a FROM t WHERE b = 1"), "2\n") << by_id;
    EXPECT_EQ(Run("SELECT a FROM t WHERE b = 2"), "") << by_id;
    EXPECT_EQ(Run("SELECT struct.text, struct.number, struct.added FROM t"), "ten|10|null\n")
        << by_id;
    EXPECT_EQ(Run("SELECT list[1].text, list[1].number, list[1].added FROM t"), "ten|10|null\n")
        << by_id;
    EXPECT_EQ(Run("SELECT map['k'].text, map['k'].number, map['k'].added FROM t"), "ten|10|null\n")
        << by_id;
    EXPECT_EQ(Run("SELECT struct::VARCHAR FROM t"), "{'text': ten, 'number': 10, 'added': NULL}\n")
        << by_id;
  }
}

TEST_F(RelationFilesTest, NamesTimesAndFunctions) {
  Relation& t = relations_[{"s", "t"}];
  t.schema = arrow::schema({arrow::field("id", arrow::int64())});
  t.batches = {MakeBatch({{"id", Integers({1})}})};
  relations_[{"", "delta_scan"}] = t;
  relations_[{"", "table_changes"}] = t;
  EXPECT_EQ(Run("SELECT t.id FROM s.t AT (VERSION => 3)"), "1\n");
  EXPECT_EQ(Run("SELECT x.id FROM s.t AS x AT (TIMESTAMP => TIMESTAMP '2026-01-02 03:04:05')"),
            "1\n");
  EXPECT_EQ(Run("SELECT id FROM delta_scan('/a/b', version := 7)"), "1\n");
  EXPECT_EQ(Run("SELECT c.id FROM delta_scan('/a/b') c JOIN s.t USING (id)"), "1\n");
  EXPECT_EQ(Run("SELECT id FROM table_changes('s.t', 2, 5)"), "1\n");
  EXPECT_EQ(lookups_,
            (std::vector<std::string>{"s.t version=3", "s.t timestamp=2026-01-02 03:04:05",
                                      ".delta_scan path=/a/b version=7", ".delta_scan path=/a/b",
                                      "s.t", ".table_changes from=2 table=s.t to=5"}));
  relations_.erase({"", "table_changes"});
  EXPECT_EQ(Run("FROM table_changes('no.table', 1)"), "there is no table no.table (invalid)");
  EXPECT_EQ(Run("FROM s.t AT (VERSION => 1 + 1)"),
            "AT takes a constant version or timestamp (unsupported)");
}

}  // namespace
}  // namespace sluice::duck
