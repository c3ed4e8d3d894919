#include "sluice/columnar/json_value.h"

#include <arrow/api.h>
#include <arrow/json/from_string.h>
#include <gtest/gtest.h>

#include <limits>
#include <memory>
#include <string>
#include <vector>

namespace sluice::columnar {
namespace {

using arrow::TimeUnit;
using Type = std::shared_ptr<arrow::DataType>;

std::string Json(const arrow::Array& column, int64_t row = 0) {
  std::string out;
  AppendJson(out, column, row);
  return out;
}

std::string Csv(const arrow::Array& column, int64_t row = 0) {
  std::string out;
  AppendCsvValue(out, column, row);
  return out;
}

std::shared_ptr<arrow::Array> Column(const Type& type, const std::string& json) {
  return arrow::json::ArrayFromJSONString(type, "[" + json + "]").ValueOrDie();
}

struct Case {
  Type type;
  std::string value;  // As Arrow reads it.
  std::string json;
};

void ExpectAll(const std::vector<Case>& cases) {
  for (const auto& [type, value, json] : cases) {
    EXPECT_EQ(Json(*Column(type, value)), json) << type->ToString() << ' ' << value;
  }
}

TEST(JsonValueTest, NumbersAreNumbersUnlessAReaderWouldRoundThem) {
  ExpectAll({{arrow::int8(), "-128", "-128"},
             {arrow::uint8(), "255", "255"},
             {arrow::uint16(), "65535", "65535"},
             {arrow::uint32(), "4294967295", "4294967295"},
             {arrow::uint64(), "18446744073709551615", "18446744073709551615"},
             {arrow::float32(), "0.1", "0.1"},
             {arrow::float64(), "0.1", "0.1"},
             {arrow::float64(), "1e300", "1e+300"},
             {arrow::float64(), "NaN", "\"NaN\""},
             {arrow::float32(), "Inf", "\"Infinity\""},
             {arrow::float64(), "-Inf", "\"-Infinity\""},
             {arrow::decimal128(38, 0), "\"-12\"", "-12"},
             {arrow::decimal128(10, 2), "\"12.30\"", "\"12.30\""},
             {arrow::boolean(), "true", "true"},
             {arrow::null(), "null", "null"},
             {arrow::int32(), "null", "null"}});
}

TEST(JsonValueTest, DatesAndTimesAreThoseOfRfc3339) {
  const auto utc = arrow::timestamp(TimeUnit::MICRO, "UTC");
  ExpectAll({{arrow::date32(), "-141428", "\"1582-10-14\""},
             {arrow::date32(), "0", "\"1970-01-01\""},
             {arrow::date32(), "11016", "\"2000-02-29\""},
             {arrow::date32(), "-719528", "\"0000-01-01\""},
             {arrow::date32(), "-719529", "\"-0001-12-31\""},
             {arrow::date32(), "35804721", "\"+99999-12-31\""},
             {utc, "1700000000005000", "\"2023-11-14T22:13:20.005000Z\""},
             {utc, "1700000000000000", "\"2023-11-14T22:13:20Z\""},
             {utc, "-1", "\"1969-12-31T23:59:59.999999Z\""},
             {arrow::timestamp(TimeUnit::SECOND), "-62135596800", "\"0001-01-01T00:00:00\""},
             {arrow::timestamp(TimeUnit::MILLI), "5", "\"1970-01-01T00:00:00.005000\""},
             {arrow::timestamp(TimeUnit::NANO), "1001", "\"1970-01-01T00:00:00.000001001\""},
             {arrow::time32(TimeUnit::MILLI), "86399999", "\"23:59:59.999000\""},
             {arrow::time64(TimeUnit::MICRO), "3600000000", "\"01:00:00\""}});
}

TEST(JsonValueTest, NoTimeOverflows) {
  for (const auto unit : {TimeUnit::SECOND, TimeUnit::MILLI, TimeUnit::MICRO, TimeUnit::NANO}) {
    arrow::TimestampBuilder builder(arrow::timestamp(unit), arrow::default_memory_pool());
    ASSERT_TRUE(builder.Append(std::numeric_limits<int64_t>::max()).ok());
    ASSERT_TRUE(builder.Append(std::numeric_limits<int64_t>::min()).ok());
    const auto column = builder.Finish().ValueOrDie();
    EXPECT_NE(Json(*column, 0).find('T'), std::string::npos);
    EXPECT_NE(Json(*column, 1).find('T'), std::string::npos);
  }
  arrow::TimestampBuilder builder(arrow::timestamp(TimeUnit::MICRO), arrow::default_memory_pool());
  ASSERT_TRUE(builder.Append(std::numeric_limits<int64_t>::max()).ok());
  EXPECT_EQ(Json(*builder.Finish().ValueOrDie()), "\"+294247-01-10T04:00:54.775807\"");
}

TEST(JsonValueTest, IntervalsAreDurations) {
  ExpectAll({{arrow::month_day_nano_interval(), "[14, 3, 0]", "\"P1Y2M3D\""},
             {arrow::month_day_nano_interval(), "[0, 0, 5400000000000]", "\"PT1H30M\""},
             {arrow::month_day_nano_interval(), "[0, 0, 90061500000000]", "\"PT25H1M1.500000S\""},
             {arrow::month_day_nano_interval(), "[-1, 0, -500000000]", "\"P-1MT-0.500000S\""},
             {arrow::month_day_nano_interval(), "[0, 0, 0]", "\"PT0S\""}});
}

TEST(JsonValueTest, ValuesInsideOfOthers) {
  const auto inner =
      arrow::struct_({arrow::field("a", arrow::int32()), arrow::field("b\"", arrow::utf8())});
  ExpectAll({{arrow::list(arrow::int32()), "[1, null]", "[1,null]"},
             {arrow::large_list(arrow::utf8()), "[\"x\"]", "[\"x\"]"},
             {arrow::fixed_size_list(arrow::int32(), 2), "[1, 2]", "[1,2]"},
             {arrow::list(inner), "[[7, \"q\"]]", "[{\"a\":7,\"b\\\"\":\"q\"}]"},
             {arrow::map(arrow::utf8(), arrow::int32()), "[[\"k\", 1], [\"l\", null]]",
              "{\"k\":1,\"l\":null}"},
             {arrow::map(arrow::int32(), arrow::utf8()), "[[1, \"v\"]]", "[[1,\"v\"]]"},
             {arrow::map(arrow::utf8(), arrow::int32()), "[]", "{}"}});
  const auto second = Column(arrow::fixed_size_list(arrow::int32(), 2), "[1, 2], [3, 4]");
  EXPECT_EQ(Json(*second, 1), "[3,4]");
  EXPECT_EQ(Json(*second->Slice(1)), "[3,4]");
}

TEST(JsonValueTest, BinaryIsBase64AndLargeTextIsText) {
  ExpectAll({{arrow::binary(), "\"ab\"", "\"YWI=\""},
             {arrow::large_binary(), "\"ab\"", "\"YWI=\""},
             {arrow::fixed_size_binary(2), "\"ab\"", "\"YWI=\""},
             {arrow::utf8(), "\"a\\\"b\"", "\"a\\\"b\""},
             {arrow::large_utf8(), "\"a\\\"b\"", "\"a\\\"b\""}});
}

TEST(JsonValueTest, WordsOfADictionaryAndMembersOfAUnionAreTheirValues) {
  const auto words = Column(arrow::utf8(), "\"sad\", \"so \\\"so\\\"\"");
  const auto coded =
      arrow::DictionaryArray::FromArrays(arrow::dictionary(arrow::uint8(), arrow::utf8()),
                                         Column(arrow::uint8(), "1, null, 0"), words)
          .ValueOrDie();
  EXPECT_EQ(Json(*coded, 0), "\"so \\\"so\\\"\"");
  EXPECT_EQ(Csv(*coded, 0), "\"so \"\"so\"\"\"");
  EXPECT_EQ(Json(*coded, 1), "null");
  EXPECT_EQ(Csv(*coded, 1), "");
  EXPECT_EQ(Json(*coded, 2), "\"sad\"");
  EXPECT_EQ(Csv(*coded, 2), "sad");

  const auto types = Column(arrow::int8(), "0, 1");
  const auto either = arrow::SparseUnionArray::Make(*types, {Column(arrow::int32(), "5, 6"),
                                                             Column(arrow::utf8(), "\"x\", \"y\"")})
                          .ValueOrDie();
  EXPECT_EQ(Json(*either, 0), "5");
  EXPECT_EQ(Json(*either, 1), "\"y\"");
}

TEST(JsonValueTest, FieldsOfCsv) {
  EXPECT_EQ(Csv(*Column(arrow::utf8(), "\"a\\\"b,\\n\"")), "\"a\"\"b,\n\"");
  EXPECT_EQ(Csv(*Column(arrow::large_utf8(), "\"a\\\"b\"")), "\"a\"\"b\"");
  EXPECT_EQ(Csv(*Column(arrow::utf8(), "\"\"")), "\"\"");
  EXPECT_EQ(Csv(*Column(arrow::utf8(), "null")), "");
  EXPECT_EQ(Csv(*Column(arrow::date32(), "0")), "1970-01-01");
  EXPECT_EQ(Csv(*Column(arrow::list(arrow::int32()), "[1, 2]")), "\"[1,2]\"");
}

}  // namespace
}  // namespace sluice::columnar
