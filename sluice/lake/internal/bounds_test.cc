#include "sluice/lake/internal/bounds.h"

#include <arrow/api.h>
#include <gtest/gtest.h>

namespace sluice::lake::internal {
namespace {

arrow::Decimal128 Value(const std::string& text) {
  return arrow::Decimal128::FromString(text).ValueOrDie();
}

// JSON readers make doubles of numbers, which keep 15 digits or a few more.
TEST(BoundsTest, DecimalsOfManyDigitsHaveBoundsThatNoValueIsBeyond) {
  for (const std::string text :
       {"12345678901234567890.000000000000000001", "-12345678901234567890.000000000000000001",
        "0.000000000000000001", "-98765432109876543210.500000000000000001", "1.500000000000000000",
        "9007199254740993.000000000000000000", "0.100000000000000001"}) {
    const auto type = arrow::decimal128(38, 18);
    const StatisticsText statistics(fmt::format(
        R"({{"numRecords":1,"minValues":{{"d":{}}},"maxValues":{{"d":{}}}}})", text, text));
    const ColumnBounds bounds = statistics.Find({"d"}, type);
    const arrow::Decimal128 value = Value(text);
    ASSERT_NE(bounds.low, nullptr) << text;
    ASSERT_NE(bounds.high, nullptr) << text;
    const auto low = std::get<arrow::Decimal128>(ToBoundValue(*bounds.low));
    const auto high = std::get<arrow::Decimal128>(ToBoundValue(*bounds.high));
    EXPECT_LE(low, value) << text;
    EXPECT_GE(high, value) << text;
    // And are of use: apart by less than a part in 10^14, or a few units of the last digit.
    EXPECT_LT(arrow::Decimal128(high - low).ToDouble(18),
              std::abs(value.ToDouble(18)) * 1e-14 + 1e-17)
        << text;
  }
}

TEST(BoundsTest, DecimalsThatADoubleKeepsAndTextsAreExact) {
  for (const char* const json : {"1234567890123.45", "\"1234567890123.45\""}) {
    const StatisticsText statistics(fmt::format(R"({{"maxValues":{{"d":{}}}}})", json));
    const ColumnBounds bounds = statistics.Find({"d"}, arrow::decimal128(15, 2));
    ASSERT_NE(bounds.high, nullptr);
    EXPECT_EQ(std::get<arrow::Decimal128>(ToBoundValue(*bounds.high)), Value("1234567890123.45"));
  }
  const StatisticsText statistics(
      R"({"maxValues":{"d":"12345678901234567890.000000000000000001"}})");
  const ColumnBounds bounds = statistics.Find({"d"}, arrow::decimal128(38, 18));
  EXPECT_EQ(std::get<arrow::Decimal128>(ToBoundValue(*bounds.high)),
            Value("12345678901234567890.000000000000000001"));
}

}  // namespace
}  // namespace sluice::lake::internal
