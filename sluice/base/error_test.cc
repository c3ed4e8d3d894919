#include "sluice/base/error.h"

#include <gtest/gtest.h>

namespace sluice {
namespace {

Result<int> Half(int number) {
  if (number % 2 != 0) return Invalid("{} is odd", number);
  return number / 2;
}

Result<int> Quarter(int number) {
  SLUICE_ASSIGN_OR_RETURN(const int half, Half(number), "quarter of {}", number);
  SLUICE_ASSIGN_OR_RETURN(const int quarter, Half(half));
  return quarter;
}

Status CheckEven(int number) {
  SLUICE_RETURN_IF_ERROR(Half(number).status(), "check");
  return {};
}

TEST(ErrorTest, CarriesCodeMessageAndContext) {
  EXPECT_EQ(*Quarter(8), 2);
  EXPECT_EQ(Quarter(7).error().ToString(), "quarter of 7: 7 is odd (invalid)");
  EXPECT_EQ(Quarter(6).error().ToString(), "3 is odd (invalid)");
  EXPECT_TRUE(CheckEven(2).ok());
  EXPECT_EQ(CheckEven(3).error().code(), ErrorCode::kInvalid);
  EXPECT_EQ(CheckEven(3).error().message(), "check: 3 is odd");
}

TEST(ErrorDeathTest, ReadingTheValueOfAnErrorAborts) {
  const auto read = [] { return *Half(3); };
  EXPECT_DEATH(read(), "check failed");
}

}  // namespace
}  // namespace sluice
