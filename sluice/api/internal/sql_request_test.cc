#include "sluice/api/internal/sql_request.h"

#include <gtest/gtest.h>

#include <chrono>

namespace sluice::api::internal {
namespace {

using namespace std::chrono_literals;

TEST(ParseAsOfTest, TakesVersionsAndTimes) {
  EXPECT_EQ(*ParseAsOf("42"), sql::AsOf(lake::Version(42)));
  const os::Timestamp day = std::chrono::sys_days(2026y / 1 / 5);
  EXPECT_EQ(*ParseAsOf("2026-01-05"), sql::AsOf(day));
  EXPECT_EQ(*ParseAsOf("2026-01-05T10:00:00.25Z"), sql::AsOf(day + 10h + 250ms));
  EXPECT_EQ(*ParseAsOf("2026-01-05 10:00:00+02:00"), sql::AsOf(day + 8h));
}

TEST(ParseAsOfTest, RefusesWhatIsNeither) {
  for (const char* const text :
       {"", "-1", "abcd-01-05", "-123-01-05", "+2026-01-05", "2026-13-01", "2026-01-05T10",
        "2026-01-05T-1:00:00Z", "2026-01-05T10:00:00", "99999999999999999999"}) {
    EXPECT_FALSE(ParseAsOf(text).ok()) << text;
  }
}

}  // namespace
}  // namespace sluice::api::internal
