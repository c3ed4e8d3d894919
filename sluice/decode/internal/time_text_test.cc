#include "sluice/decode/internal/time_text.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <chrono>
#include <random>
#include <string>
#include <string_view>

#include "sluice/decode/internal/base64.h"

namespace sluice::decode::internal {
namespace {

TEST(TimeReaderTest, ReadsWhatTheRfcAllows) {
  TimeReader times;
  EXPECT_EQ(times.Read("1970-01-01T00:00:00Z"), 0);
  EXPECT_EQ(times.Read("1970-01-01t00:00:00.5z"), 500'000);
  EXPECT_EQ(times.Read("1970-01-01 00:00:00.000000999Z"), 0);
  EXPECT_EQ(times.Read("1970-01-01T00:00:00-00:00"), 0);
  EXPECT_EQ(times.Read("1970-01-01T01:30:00+01:30"), 0);
  EXPECT_EQ(times.Read("1969-12-31T22:30:00-01:30"), 0);
  EXPECT_EQ(times.Read("2024-02-29T23:59:59.123456Z"), 1'709'251'199'123'456);
  EXPECT_EQ(times.Read("0001-01-01T00:00:00Z"), -62'135'596'800'000'000);
  EXPECT_EQ(times.Read("9999-12-31T23:59:59Z"), 253'402'300'799'000'000);
}

TEST(TimeReaderTest, KeepsALeapSecondOnItsDay) {
  TimeReader times;
  const auto last = times.Read("2016-12-31T23:59:59.999999Z");
  EXPECT_EQ(times.Read("2016-12-31T23:59:60Z"), last);
  EXPECT_EQ(times.Read("2017-01-01T00:59:60.7+01:00"), last);
  EXPECT_EQ(times.Read("2016-12-31T12:59:60Z"), std::nullopt);
}

TEST(TimeReaderTest, RefusesTheRest) {
  for (const std::string_view text : {"",
                                      "2026-01-05",
                                      "2026-01-05T00:00:00",
                                      "2026-01-05T00:00Z",
                                      "2026-13-05T00:00:00Z",
                                      "2026-02-29T00:00:00Z",
                                      "2026-01-00T00:00:00Z",
                                      "2026-01-05T24:00:00Z",
                                      "2026-01-05T00:60:00Z",
                                      "2026-01-05T00:00:61Z",
                                      "2026-01-05T00:00:00.Z",
                                      "2026-01-05T00:00:00.1234567890Z",
                                      "2026-01-05T00:00:00+0100",
                                      "2026-01-05T00:00:00+24:00",
                                      "2026-01-05T00:00:00+01:60",
                                      "2026-01-05T00:00:00Z ",
                                      " 2026-01-05T00:00:00Z",
                                      "2026-1-05T00:00:00ZZ",
                                      "20260105T000000.000Z",
                                      "+026-01-05T00:00:00Z",
                                      "2026-01-05_00:00:00Z",
                                      "2026/01/05T00:00:00Z",
                                      "1767571200000000000000",
                                      "2026-01-05T00-00-00Z",
                                      "2026-01-05T00:00:00.5",
                                      "2026-01-05T-1:00:00Z"}) {
    // A fresh one, and one that remembers the date.
    TimeReader times;
    EXPECT_EQ(times.Read(text), std::nullopt) << text;
    EXPECT_TRUE(times.Read("2026-01-05T00:00:00Z"));
    EXPECT_EQ(times.Read(text), std::nullopt) << text;
  }
}

TEST(TimeReaderTest, ReadsRandomTimesBack) {
  const auto seed = std::random_device()();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937_64 random(seed);
  TimeReader times;
  for (int i = 0; i < 20'000; ++i) {
    const int64_t micros = static_cast<int64_t>(random() % 4'000'000'000'000'000);
    const int offset = static_cast<int>(random() % 2'879) - 1'439;
    const std::chrono::sys_time<std::chrono::microseconds> local{
        std::chrono::microseconds(micros + offset * 60'000'000LL)};
    const auto day = std::chrono::floor<std::chrono::days>(local);
    const std::chrono::year_month_day date(day);
    const int64_t rest = (local - day).count();
    const std::string text = fmt::format(
        "{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:06}{}{:02}:{:02}", static_cast<int>(date.year()),
        static_cast<unsigned>(date.month()), static_cast<unsigned>(date.day()),
        rest / 3'600'000'000, rest / 60'000'000 % 60, rest / 1'000'000 % 60, rest % 1'000'000,
        offset < 0 ? '-' : '+', std::abs(offset) / 60, std::abs(offset) % 60);
    EXPECT_EQ(times.Read(text), micros) << text;
  }
}

TEST(Base64Test, DecodesItsOneForm) {
  const auto decode = [](std::string text) -> std::string {
    const auto size = DecodeBase64(text, text.data());  // In place.
    return size ? text.substr(0, *size) : "refused";
  };
  EXPECT_EQ(decode(""), "");
  EXPECT_EQ(decode("Zg=="), "f");
  EXPECT_EQ(decode("Zm8="), "fo");
  EXPECT_EQ(decode("Zm9vYmFy"), "foobar");
  for (const char* bad :
       {"Z", "Zg", "Zg=", "Zh==", "Zm9=", "====", "Zm9v=", "Zm 9", "Z-_v", "=Zm9", "Zg==Zg=="}) {
    EXPECT_EQ(decode(bad), "refused") << bad;
  }
}

}  // namespace
}  // namespace sluice::decode::internal
