#include "sluice/lake/expression.h"

#include <arrow/api.h>
#include <arrow/json/from_string.h>
#include <gtest/gtest.h>

#include "sluice/lake/internal/skipping.h"

namespace sluice::lake {
namespace {

const std::shared_ptr<arrow::Schema>& TestSchema() {
  static const auto schema =
      arrow::schema({arrow::field("i", arrow::int32()), arrow::field("d", arrow::float64()),
                     arrow::field("s", arrow::utf8()), arrow::field("day", arrow::date32()),
                     arrow::field("at", arrow::timestamp(arrow::TimeUnit::MICRO, "UTC")),
                     arrow::field("n", arrow::decimal128(10, 2)),
                     arrow::field("ok", arrow::boolean()), arrow::field("part", arrow::int64()),
                     arrow::field("o", arrow::struct_({arrow::field("x", arrow::int64())}))});
  return schema;
}

std::shared_ptr<arrow::RecordBatch> Rows() {
  const auto array = arrow::json::ArrayFromJSONString(arrow::struct_(TestSchema()->fields()), R"([
      {"i": 1, "d": 1.5, "s": "abc", "day": 0, "at": 0, "n": "1.50", "ok": true, "part": 1,
       "o": {"x": 5}},
      {"i": -7, "d": -2.0, "s": "b_c", "day": 59, "at": 90061000001, "n": "-3.25", "ok": false,
       "part": 2, "o": null},
      {"i": null, "d": null, "s": null, "day": null, "at": null, "n": null, "ok": null, "part": 3,
       "o": {"x": null}}])");
  return *arrow::RecordBatch::FromStructArray(array.ValueOrDie());
}

std::string Evaluate(std::string_view text) {
  const auto expression = Expression::Parse(text);
  if (!expression.ok()) return expression.error().ToString();
  const auto value = expression->Evaluate(*Rows());
  if (!value.ok()) return value.error().ToString();
  std::string out;
  for (int64_t row = 0; row < (*value)->length(); ++row) {
    if (row > 0) out += ' ';
    out += (*(*value)->GetScalar(row))->ToString();
  }
  return out;
}

TEST(ExpressionParserTest, KnowsNumbersOfFewAndOfManyDigits) {
  const std::vector<std::string> numbers = {"0.",
                                            "0.0",
                                            "00.",
                                            ".0",
                                            "-0.",
                                            "1.",
                                            "0." + std::string(38, '0'),
                                            "1" + std::string(37, '0') + "."};
  for (const std::string& text : numbers) {
    EXPECT_TRUE(Expression::Parse(text + " = 0").ok()) << text;
  }
  const std::vector<std::string> too_long = {"0." + std::string(39, '0'),
                                             "0." + std::string(39, '0') + "1",
                                             std::string(39, '9'), std::string(39, '9') + "."};
  for (const std::string& text : too_long) {
    const auto parsed = Expression::Parse(text + " = 0");
    ASSERT_FALSE(parsed.ok()) << text;
    EXPECT_EQ(parsed.error().code(), ErrorCode::kInvalid);
  }
}

TEST(ExpressionTest, Compares) {
  EXPECT_EQ(Evaluate("i > 0"), "true false null");
  EXPECT_EQ(Evaluate("I >= -7 AND i < 1"), "false true null");
  EXPECT_EQ(Evaluate("i > 0 OR TRUE"), "true true true");
  EXPECT_EQ(Evaluate("i > 0 AND false"), "false false false");
  EXPECT_EQ(Evaluate("i <=> null"), "false false true");
  EXPECT_EQ(Evaluate("NOT i = 1"), "false true null");
  EXPECT_EQ(Evaluate("i IS NULL"), "false false true");
  EXPECT_EQ(Evaluate("i is not null"), "true true false");
  EXPECT_EQ(Evaluate("ok is true"), "true false false");
  EXPECT_EQ(Evaluate("i IN (1, 2, 3)"), "true false null");
  EXPECT_EQ(Evaluate("i NOT IN (1)"), "false true null");
  EXPECT_EQ(Evaluate("i BETWEEN -10 AND 0"), "false true null");
  EXPECT_EQ(Evaluate("s LIKE 'a%'"), "true false null");
  EXPECT_EQ(Evaluate("s not like 'b\\_c'"), "true false null");
  EXPECT_EQ(Evaluate("day = '1970-03-01'"), "false true null");
  EXPECT_EQ(Evaluate("day < DATE '1970-02-01'"), "true false null");
  EXPECT_EQ(Evaluate("at > TIMESTAMP '1970-01-02 00:00:00'"), "false true null");
  EXPECT_EQ(Evaluate("n > 1.49"), "true false null");
  EXPECT_EQ(Evaluate("d = n"), "true false null");
  EXPECT_EQ(Evaluate("o.x = 5"), "true null null");
  EXPECT_EQ(Evaluate("`i` == 1"), "true false null");
}

TEST(ExpressionTest, Computes) {
  EXPECT_EQ(Evaluate("i + part * 2"), "3 -3 null");
  EXPECT_EQ(Evaluate("-i"), "-1 7 null");
  EXPECT_EQ(Evaluate("i % 4"), "1 -3 null");
  EXPECT_EQ(Evaluate("i / 2"), "0.5 -3.5 null");
  EXPECT_EQ(Evaluate("cast(at as date)"), "1970-01-01 1970-01-02 null");
  EXPECT_EQ(Evaluate("CAST(i AS string)"), "1 -7 null");
  EXPECT_EQ(Evaluate("cast('5' as decimal(4,1))"), "5.0 5.0 5.0");
  EXPECT_EQ(Evaluate("year(day) * 100 + month(day)"), "197001 197003 null");
  EXPECT_EQ(Evaluate("hour(at)"), "0 1 null");
  EXPECT_EQ(Evaluate("upper(substring(s, 1, 2))"), "AB B_ null");
  EXPECT_EQ(Evaluate("concat(s, '-', i)"), "abc-1 b_c--7 null");
  EXPECT_EQ(Evaluate("coalesce(i, 0)"), "1 -7 0");
  EXPECT_EQ(Evaluate("case when i > 0 then 'p' when i < 0 then 'n' else 'z' end"), "p n z");
  EXPECT_EQ(Evaluate("length(s)"), "3 3 null");
}

TEST(ExpressionTest, SaysWhatIsWrong) {
  EXPECT_EQ(Evaluate("i >"), "the expression ends too early (invalid)");
  EXPECT_EQ(Evaluate("i 5"), "position 3: '5' does not belong here (invalid)");
  EXPECT_EQ(Evaluate("nope = 1"), "there is no column 'nope' (invalid)");
  EXPECT_EQ(Evaluate("soundex(s) = 'x'"),
            "function 'soundex' with 1 arguments is not known (unsupported)");
  EXPECT_EQ(Evaluate("'open"), "position 1: the quote is never closed (invalid)");
  EXPECT_NE(Evaluate(std::string(1000, '(')).find("unsupported"), std::string::npos);
  EXPECT_NE(Evaluate(std::string(1000, '-')).find("unsupported"), std::string::npos);
}

bool MayMatch(std::string_view text, std::string stats, PartitionValues partition = {},
              bool deleted = false) {
  DataFile file{
      .path = "f", .partition_values = std::move(partition), .stats = std::move(stats), .rows = {}};
  if (deleted) file.deletion_vector = std::make_shared<const DeletionVector>();
  const auto expression = Expression::Parse(text);
  EXPECT_TRUE(expression.ok()) << text;
  const internal::FileSkipper skipper(*expression, *TestSchema(), {"part"},
                                      internal::ColumnMapping::kNone, "UTC");
  return skipper.MayMatch(file);
}

TEST(SkippingTest, LeavesOutWhatCannotMatch) {
  const std::string stats =
      R"({"numRecords":10,"minValues":{"i":1,"s":"b","d":0.5,"day":"2024-01-01","n":1.5,)"
      R"("at":"2024-01-01T00:00:00.123Z","o":{"x":5}},"maxValues":{"i":9,"s":"d","d":2.5,)"
      R"("day":"2024-01-31","n":2.5,"at":"2024-01-01T12:00:00.456Z","o":{"x":6}},)"
      R"("nullCount":{"i":0,"s":2,"ok":10,"day":0,"o":{"x":0}}})";
  for (const std::string_view hit : {"i = 5",
                                     "i >= 9",
                                     "i < 2",
                                     "not i = 5",
                                     "i is not null",
                                     "s is null",
                                     "s > 'c'",
                                     "d > 100",
                                     "d >= 2",
                                     "i in (0, 9)",
                                     "s like 'c%'",
                                     "i between 9 and 20",
                                     "i + 1 = 100",
                                     "at = '2024-01-01T12:00:00.456789Z'",
                                     "day = '2024-01-15'",
                                     "o.x = 5",
                                     "i != 5",
                                     "ok is null",
                                     "i = 100 or s = 'c'",
                                     "5 = i",
                                     "n = 2",
                                     "part = 1 or i = 1",
                                     "i > 0.5",
                                     "i <=> 3",
                                     "ok <=> null"}) {
    EXPECT_TRUE(MayMatch(hit, stats)) << hit;
    EXPECT_TRUE(MayMatch(hit, "")) << hit;
    EXPECT_TRUE(MayMatch(hit, "{broken")) << hit;
  }
  for (const std::string_view miss : {"i = 0",
                                      "i > 9",
                                      "i < 1",
                                      "i is null",
                                      "ok",
                                      "ok = false",
                                      "ok is not null",
                                      "s > 'e'",
                                      "d < 0.5",
                                      "i in (0, 10)",
                                      "s like 'e%'",
                                      "i between 10 and 20",
                                      "not i > 0",
                                      "at > '2024-01-01T12:00:00.457Z'",
                                      "day = '2024-02-01'",
                                      "o.x > 6",
                                      "i = 100 or i = -1",
                                      "i = 5 and s = 'x'",
                                      "10 < i",
                                      "n = 3",
                                      "not (i >= 1 and i <= 9)"}) {
    EXPECT_FALSE(MayMatch(miss, stats)) << miss;
    EXPECT_TRUE(MayMatch(miss, "")) << miss;
  }
  EXPECT_FALSE(MayMatch("i = null", stats));
  EXPECT_FALSE(MayMatch("i = null", ""));
  // With deleted rows, counts of nulls say less; bounds stay true.
  EXPECT_TRUE(MayMatch("s is not null and s is null or s is null", stats, {}, true));
  EXPECT_FALSE(MayMatch("i = 0", stats, {}, true));
  EXPECT_FALSE(MayMatch("ok", stats, {}, true));
}

TEST(SkippingTest, KnowsPartitionValues) {
  EXPECT_TRUE(MayMatch("part = 7", "", {{"part", "7"}}));
  EXPECT_FALSE(MayMatch("part = 8", "", {{"part", "7"}}));
  EXPECT_FALSE(MayMatch("part != 7", "", {{"part", "7"}}));
  EXPECT_FALSE(MayMatch("part is null", "", {{"part", "7"}}));
  EXPECT_TRUE(MayMatch("part is null", "", {{"part", std::nullopt}}));
  EXPECT_FALSE(MayMatch("part > 0", "", {{"part", std::nullopt}}));
}

}  // namespace
}  // namespace sluice::lake
