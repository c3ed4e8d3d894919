#include "sluice/duck/engine.h"

#include <arrow/api.h>
#include <gtest/gtest.h>

#include <atomic>
#include <thread>

#include "sluice/duck/internal/engine_fixture.h"

namespace sluice::duck {
namespace {

using internal::Integers;
using internal::MakeBatch;
using internal::Strings;
using internal::TextSink;
using std::chrono::milliseconds;

class EngineTest : public internal::EngineFixture {
 protected:
  EngineTest() {
    // Two files of one day each, and two batches of a third.
    Relation& flights = relations_[{"bronze", "flights"}];
    flights.schema_name = "bronze";
    flights.name = "flights";
    flights.schema =
        arrow::schema({arrow::field("id", arrow::int64()), arrow::field("airline", arrow::utf8()),
                       arrow::field("day", arrow::date32())});
    const auto days = internal::MakeArray<arrow::Date32Builder>(std::vector<int32_t>{20454, 20455});
    flights.indexed_files = MakeBatch(
        {{"path",
          Strings({WriteFile("f/a.parquet", MakeBatch({{"id", Integers({1, 2})},
                                                       {"airline", Strings({"AA", "BB"})}})),
                   WriteFile("f/b.parquet",
                             MakeBatch({{"id", Integers({3})}, {"airline", Strings({"AA"})}}))})},
         {"value:day", days}});
    const auto day = internal::MakeArray<arrow::Date32Builder>(std::vector<int32_t>{20456, 20456});
    flights.batches = {
        MakeBatch({{"id", Integers({4, 5})}, {"airline", Strings({"CC", "BB"})}, {"day", day}}),
        // In another order.
        MakeBatch({{"day", day}, {"airline", Strings({"DD", "AA"})}, {"id", Integers({6, 7})}})};

    Relation& airlines = relations_[{"", "airlines"}];
    airlines.schema = arrow::schema(
        {arrow::field("code", arrow::utf8()), arrow::field("Full Name", arrow::utf8())});
    airlines.batches = {
        MakeBatch({{"code", Strings({"AA", "BB"})}, {"Full Name", Strings({"Alpha", "Beta"})}})};
  }
};

TEST_F(EngineTest, ReadsFilesThenBatches) {
  EXPECT_EQ(Run("SELECT * FROM bronze.flights ORDER BY id"),
            "1|AA|2026-01-01\n2|BB|2026-01-01\n3|AA|2026-01-02\n4|CC|2026-01-03\n5|BB|2026-01-03\n"
            "6|DD|2026-01-03\n7|AA|2026-01-03\n");
  EXPECT_EQ(lookups_, std::vector<std::string>{"bronze.flights"});
}

TEST_F(EngineTest, ProjectsAnyColumnsInAnyOrder) {
  EXPECT_EQ(Run("SELECT airline, id FROM bronze.flights WHERE id IN (1, 6) ORDER BY id"),
            "AA|1\nDD|6\n");
  EXPECT_EQ(Run("SELECT day FROM bronze.flights WHERE id = 7"), "2026-01-03\n");
  EXPECT_EQ(Run("SELECT airline, airline, day, id FROM bronze.flights WHERE id = 6"),
            "DD|DD|2026-01-03|6\n");
  EXPECT_EQ(Run("SELECT count(*) FROM bronze.flights"), "7\n");
  EXPECT_EQ(Run("SELECT count(*) FROM bronze.flights WHERE airline = 'AA'"), "3\n");
  EXPECT_EQ(Run("SELECT 1 FROM bronze.flights WHERE day = '2026-01-02'"), "1\n");
}

TEST_F(EngineTest, AppliesFiltersToBatches) {
  EXPECT_EQ(Run("SELECT id FROM bronze.flights WHERE airline = 'BB' ORDER BY id"), "2\n5\n");
  EXPECT_EQ(Run("SELECT id FROM bronze.flights WHERE id > 5 AND airline <> 'DD'"), "7\n");
  EXPECT_EQ(Run("SELECT id FROM bronze.flights WHERE id BETWEEN 3 AND 4 ORDER BY id"), "3\n4\n");
  EXPECT_EQ(Run("SELECT id FROM bronze.flights WHERE airline LIKE 'C%'"), "4\n");
  EXPECT_EQ(Run("SELECT id FROM bronze.flights WHERE airline IN ('CC', 'DD') ORDER BY id"),
            "4\n6\n");
  EXPECT_EQ(Run("SELECT id FROM bronze.flights WHERE airline IS NULL"), "");
  EXPECT_EQ(Run("SELECT id FROM bronze.flights ORDER BY id DESC LIMIT 2"), "7\n6\n");
}

TEST_F(EngineTest, AppliesFiltersToManyRowsOfBatches) {
  std::vector<int64_t> ids(500'000);
  for (size_t i = 0; i < ids.size(); ++i) ids[i] = static_cast<int64_t>(i);
  Relation& many = relations_[{"", "many"}];
  many.schema = arrow::schema({arrow::field("id", arrow::int64())});
  many.batches = {MakeBatch({{"id", Integers(ids)}})};
  EXPECT_EQ(Run("SELECT id FROM many WHERE id = 123456"), "123456\n");
  EXPECT_EQ(Run("SELECT count(*), max(id) FROM many WHERE id % 2 = 0"), "250000|499998\n");
  // A join pushes its filter down while it runs.
  EXPECT_EQ(Run("SELECT many.id FROM many JOIN bronze.flights f ON f.id = many.id WHERE f.id > 6"),
            "7\n");
}

TEST_F(EngineTest, SkipsFilesOfOtherPartitions) {
  const std::string plan =
      Run("EXPLAIN ANALYZE SELECT id FROM bronze.flights WHERE day = '2026-01-02'");
  EXPECT_NE(plan.find("b.parquet"), std::string::npos) << plan;
  EXPECT_EQ(plan.find("a.parquet"), std::string::npos) << plan;
}

TEST_F(EngineTest, JoinsRelationsAndResolvesNames) {
  EXPECT_EQ(Run("SELECT \"Full Name\", count(*) FROM bronze.flights f JOIN airlines a ON a.code = "
                "f.airline "
                "GROUP BY ALL ORDER BY ALL"),
            "Alpha|3\nBeta|2\n");
  EXPECT_EQ(Run("SELECT a.id FROM bronze.flights a, bronze.flights b WHERE a.id = b.id + 6"),
            "7\n");
  EXPECT_EQ(Run("SELECT flights.id FROM bronze.flights WHERE flights.id = 1"), "1\n");
  EXPECT_EQ(Run("SELECT \"flights\".\"id\" FROM \"bronze\".\"flights\" WHERE id = 1"), "1\n");
  EXPECT_EQ(Run("SELECT x.id FROM bronze.flights AS x WHERE id = 1"), "1\n");
  EXPECT_EQ(Run("SELECT y FROM bronze.flights AS x(y) WHERE y = 1"), "1\n");
  EXPECT_EQ(Run("FROM airlines"), "AA|Alpha\nBB|Beta\n");
  EXPECT_EQ(Run("SELECT count(*) FROM bronze.flights WHERE airline IN (SELECT code FROM airlines)"),
            "5\n");
  EXPECT_EQ(Run("SELECT count(*) FROM bronze.flights TABLESAMPLE 100%"), "7\n");
}

TEST_F(EngineTest, LooksEachRelationUpOnce) {
  EXPECT_EQ(
      Run("WITH a AS (SELECT * FROM airlines), b AS (FROM a) "
          "SELECT count(*) FROM a, b, airlines WHERE a.code = b.code AND airlines.code = a.code"),
      "2\n");
  EXPECT_EQ(lookups_, std::vector<std::string>{".airlines"});
}

TEST_F(EngineTest, CommonTableExpressionsComeFirst) {
  EXPECT_EQ(Run("WITH airlines AS (SELECT 42 AS n) SELECT * FROM airlines"), "42\n");
  EXPECT_TRUE(lookups_.empty());
  EXPECT_EQ(Run("WITH flights AS (SELECT 42 AS n) SELECT count(*) FROM bronze.flights, flights"),
            "7\n");
  EXPECT_EQ(Run("WITH RECURSIVE t(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM t WHERE n < 4) "
                "SELECT sum(n) FROM t"),
            "10\n");
  EXPECT_EQ(Run("WITH c AS MATERIALIZED (FROM bronze.flights) "
                "SELECT count(*) FROM c a JOIN c b USING (id) WHERE a.airline = 'AA'"),
            "3\n");
}

TEST_F(EngineTest, GivesNoRowsOfTheRightTypesForAnEmptyRelation) {
  Relation& empty = relations_[{"", "empty"}];
  empty.schema = arrow::schema(
      {arrow::field("a", arrow::int32()),
       arrow::field("b", arrow::timestamp(arrow::TimeUnit::MICRO, "UTC")),
       arrow::field("c", arrow::fixed_size_binary(16)), arrow::field("d", arrow::decimal128(18, 3)),
       arrow::field("e", arrow::list(arrow::utf8())),
       arrow::field("f", arrow::struct_({arrow::field("x", arrow::boolean())}))});
  TextSink sink;
  const Status status = engine_->Query("SELECT * FROM empty", Lookup(), sink);
  ASSERT_TRUE(status.ok()) << status.error().ToString();
  EXPECT_EQ(sink.rows, 0);
  EXPECT_EQ(
      sink.result_schema->ToString(),
      "a: int32\nb: timestamp[us, tz=UTC]\nc: binary\nd: decimal128(18, 3)\ne: list<l: string>\n"
      "f: struct<x: bool>");
  EXPECT_EQ(Run("SELECT count(*), max(a) FROM empty"), "0|null\n");
}

TEST_F(EngineTest, BringsFilesAndBatchesToTheSchema) {
  const auto binary = [](const std::string& bytes) {
    arrow::FixedSizeBinaryBuilder builder(arrow::fixed_size_binary(4));
    EXPECT_TRUE(builder.Append(bytes).ok());
    return *builder.Finish();
  };
  const auto at = [](int64_t microseconds) {
    arrow::TimestampBuilder builder(arrow::timestamp(arrow::TimeUnit::MICRO, "UTC"),
                                    arrow::default_memory_pool());
    EXPECT_TRUE(builder.Append(microseconds).ok());
    return *builder.Finish();
  };
  Relation& mixed = relations_[{"", "mixed"}];
  mixed.schema = arrow::schema(
      {arrow::field("id", arrow::int64()), arrow::field("key", arrow::fixed_size_binary(4)),
       arrow::field("seen", arrow::timestamp(arrow::TimeUnit::MICRO, "UTC")),
       arrow::field("note", arrow::utf8())});
  const auto small = internal::MakeArray<arrow::Int32Builder>(std::vector<int32_t>{2});
  mixed.files = {WriteFile("m/1.parquet", MakeBatch({{"id", Integers({1})},
                                                     {"key", binary("abcd")},
                                                     {"seen", at(1'000'000)},
                                                     {"extra", Strings({"not asked for"})}})),
                 WriteFile("m/2.parquet", MakeBatch({{"note", Strings({"two"})}, {"id", small}}))};
  mixed.batches = {
      MakeBatch({{"id", Integers({3})}, {"key", binary("efgh")}, {"seen", at(2'000'000)}}),
      MakeBatch({{"extra", Strings({"x"})},
                 {"note", Strings({"four"})},
                 {"id", internal::MakeArray<arrow::Int16Builder>(std::vector<int16_t>{4})}})};
  EXPECT_EQ(
      Run("SELECT id, hex(key), epoch_us(seen), note FROM mixed ORDER BY id"),
      "1|61626364|1000000|null\n2|null|null|two\n3|65666768|2000000|null\n4|null|null|four\n");
  EXPECT_EQ(Run("SELECT id FROM mixed WHERE note IS NULL ORDER BY id"), "1\n3\n");
  EXPECT_EQ(Run("SELECT id FROM mixed WHERE note = 'two'"), "2\n");
  EXPECT_EQ(Run("SELECT id FROM mixed WHERE seen >= '1970-01-01T00:00:02Z'"), "3\n");
  EXPECT_EQ(Run("SELECT note FROM mixed WHERE id = 4"), "four\n");
}

TEST_F(EngineTest, ReadsDictionariesNullsAndSlices) {
  Relation& words = relations_[{"", "words"}];
  arrow::StringDictionaryBuilder builder;
  for (int i = 0; i < 100; ++i) {
    ASSERT_TRUE((i % 10 == 0 ? builder.AppendNull() : builder.Append(i % 2 ? "odd" : "even")).ok());
  }
  const auto batch = MakeBatch({{"word", *builder.Finish()}});
  words.schema = batch->schema();
  words.batches = {batch->Slice(0, 33), batch->Slice(33, 0), batch->Slice(33)};
  EXPECT_EQ(Run("SELECT word, count(*) FROM words GROUP BY ALL ORDER BY ALL"),
            "even|40\nodd|50\nnull|10\n");
}

TEST_F(EngineTest, QuotesHostileNames) {
  Relation& odd = relations_[{"sc\"he ma", "na'me.parquet"}];
  const auto batch =
      MakeBatch({{"a\"b", Integers({1})}, {"select", Integers({2})}, {"ü x", Integers({3})}});
  odd.schema = batch->schema();
  odd.batches = {batch};
  odd.files = {WriteFile("o/it's [a]*?.parquet", batch)};
  EXPECT_EQ(Run("SELECT * FROM \"sc\"\"he ma\".\"na'me.parquet\""), "1|2|3\n1|2|3\n");
  EXPECT_EQ(Run("SELECT \"a\"\"b\" + \"select\" + \"ü x\" FROM \"sc\"\"he ma\".\"na'me.parquet\""),
            "6\n6\n");
}

TEST_F(EngineTest, DescribesAndExplains) {
  EXPECT_EQ(Run("SELECT column_name, column_type FROM (DESCRIBE bronze.flights)"),
            "id|BIGINT\nairline|VARCHAR\nday|DATE\n");
  EXPECT_NE(Run("DESCRIBE airlines").find("Full Name|VARCHAR"), std::string::npos);
  EXPECT_NE(Run("SUMMARIZE airlines").find("code|VARCHAR|AA|BB"), std::string::npos);
  EXPECT_NE(Run("EXPLAIN SELECT * FROM airlines").find("SLUICE_BATCHES"), std::string::npos);
  EXPECT_EQ(Run("VALUES (1, 'a'), (2, 'b')"), "1|a\n2|b\n");
  EXPECT_EQ(Run("SHOW TABLES"), "");
}

TEST_F(EngineTest, BindsNamedParameters) {
  EXPECT_EQ(Run("SELECT id FROM bronze.flights WHERE airline = $code AND id > $least ORDER BY id",
                {{"code", std::string("AA")}, {"least", int64_t{1}}}),
            "3\n7\n");
  EXPECT_EQ(Run("SELECT count(*) FROM bronze.flights WHERE day = $day",
                {{"day", std::string("2026-01-03")}}),
            "4\n");
  EXPECT_EQ(Run("SELECT $a IS NULL, $b, $c", {{"a", std::monostate()}, {"b", true}, {"c", 1.5}}),
            "true|true|1.5\n");
  EXPECT_NE(Run("SELECT $a").find("(invalid)"), std::string::npos);
  EXPECT_NE(Run("SELECT 1", {{"a", true}}).find("(invalid)"), std::string::npos);
}

TEST_F(EngineTest, SaysWhatIsWrong) {
  EXPECT_EQ(Run("SELECT * FROM nowhere"), "there is no table nowhere (invalid)");
  EXPECT_EQ(Run("SELECT * FROM silver.flights"), "there is no table silver.flights (invalid)");
  EXPECT_EQ(Run("SELECT x FROM airlines"),
            "referenced column \"x\" not found in FROM clause (invalid)");
  EXPECT_EQ(Run("SELEC 1"), "syntax error at or near \"SELEC\" (invalid)");
  EXPECT_EQ(Run(""), "the query is empty (invalid)");
  EXPECT_EQ(Run("SELECT 1; SELECT 2"), "the text has 2 statements, expected one (invalid)");
  EXPECT_EQ(Run("SELECT 1;"), "1\n");
  EXPECT_EQ(Run("SELECT " + std::string(70'000, ' ') + "1"),
            "the query has 70008 bytes, the most is 65536 (invalid)");
}

TEST_F(EngineTest, PassesTheErrorsOfLookupAndSinkOn) {
  TextSink sink;
  const RelationLookup broken = [](const RelationName&) -> Result<std::optional<Relation>> {
    return Corrupt("the table's log has a gap");
  };
  EXPECT_EQ(engine_->Query("SELECT * FROM t", broken, sink).error().ToString(),
            "the table's log has a gap (corrupt)");
  sink.add_status = Unavailable("the client left");
  EXPECT_EQ(engine_->Query("SELECT * FROM range(10000000)", Lookup(), sink).error().ToString(),
            "the client left (unavailable)");
  EXPECT_EQ(sink.batches, 1);
}

TEST_F(EngineTest, StopsAtItsLimits) {
  TextSink sink;
  QueryLimits limits;
  limits.rows_max = 10;
  EXPECT_TRUE(engine_->Query("FROM range(10)", Lookup(), sink, limits).ok());
  EXPECT_EQ(engine_->Query("FROM range(11)", Lookup(), sink, limits).error().ToString(),
            "the result has more than 10 rows (unavailable)");
  limits.time_max = milliseconds(50);
  EXPECT_EQ(engine_
                ->Query("SELECT count(*) FROM range(1000000000) a, range(1000000000) b", Lookup(),
                        sink, limits)
                .error()
                .ToString(),
            "the query took longer than 50 ms (unavailable)");
  EXPECT_EQ(engine_
                ->Query("WITH RECURSIVE t(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM t) "
                        "SELECT max(n) FROM t",
                        Lookup(), sink, limits)
                .error()
                .code(),
            ErrorCode::kUnavailable);
  limits.rows_max = INT64_MAX;
  EXPECT_EQ(engine_->Query("FROM range(100000000000)", Lookup(), sink, limits).error().ToString(),
            "the query took longer than 50 ms (unavailable)");
  EXPECT_EQ(Run("SELECT 1"), "1\n");
}

TEST_F(EngineTest, StopsWhenAsked) {
  std::stop_source source;
  std::atomic<bool> started = false;
  const RelationLookup lookup = [&](const RelationName&) -> Result<std::optional<Relation>> {
    started = true;
    started.notify_all();
    return std::optional<Relation>(relations_[{"", "airlines"}]);
  };
  Status status;
  std::thread runner([&] {
    TextSink sink;
    status =
        engine_->Query("SELECT count(*) FROM airlines, range(1000000000) a, range(1000000000) b",
                       lookup, sink, {}, source.get_token());
  });
  started.wait(false);
  source.request_stop();
  runner.join();
  EXPECT_EQ(status.error().ToString(), "the query was stopped (unavailable)");
  TextSink sink;
  EXPECT_EQ(engine_->Query("SELECT 1", Lookup(), sink, {}, source.get_token()).error().ToString(),
            "the query was stopped (unavailable)");
}

TEST_F(EngineTest, RunsManyQueriesAtOnce) {
  const std::string sql = "SELECT airline, count(*) FROM bronze.flights GROUP BY ALL ORDER BY ALL";
  const std::string expected = Run(sql);
  const RelationLookup lookup = [relation =
                                     relations_[{"bronze", "flights"}]](const RelationName&) {
    return Result<std::optional<Relation>>(std::optional<Relation>(relation));
  };
  std::atomic<int> right = 0;
  std::vector<std::jthread> threads;
  for (int i = 0; i < 8; ++i) {
    threads.emplace_back([&] {
      for (int round = 0; round < 25; ++round) {
        TextSink sink;
        right += engine_->Query(sql, lookup, sink).ok() && sink.text == expected ? 1 : 0;
      }
    });
  }
  threads.clear();
  EXPECT_EQ(right, 200);
}

}  // namespace
}  // namespace sluice::duck
