// Times with a zone, computed as plain ones, beside DuckDB's own calendars.

#include "duckdb.hpp"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <random>
#include <string>
#include <vector>

#include "sluice/duck/internal/engine_fixture.h"

namespace sluice::duck {
namespace {

class UtcTimesTest : public internal::EngineFixture {
 protected:
  UtcTimesTest() : connection_(database_) { Plain("SET TimeZone = 'UTC'"); }

  /// What DuckDB says without us.
  std::string Plain(const std::string& sql) {
    const auto result = connection_.Query(sql);
    if (result->HasError()) return result->GetError();
    std::string text;
    for (duckdb::idx_t row = 0; row < result->RowCount(); ++row) {
      for (duckdb::idx_t column = 0; column < result->ColumnCount(); ++column) {
        const auto value = result->GetValue(column, row);
        text += (column == 0 ? "" : "|") + (value.IsNull() ? "null" : value.ToString());
      }
      text += '\n';
    }
    return text;
  }

 private:
  duckdb::DuckDB database_;
  duckdb::Connection connection_;
};

TEST_F(UtcTimesTest, AreThoseOfTheCalendarOfUtc) {
  const auto seed = std::random_device()();
  SCOPED_TRACE(fmt::format("seed {}", seed));
  std::mt19937_64 random(seed);
  std::string rows =
      "(NULL, 0), (0::BIGINT, 1), (-1, -1), (86399999999, 2), (86400000000, 3), (-86400000000, 14)";
  const auto add = [&](int64_t us) {
    rows += fmt::format(", ({}, {})", us, static_cast<int64_t>(random() % 800) - 400);
  };
  constexpr int64_t kDay = 86'400'000'000;
  const auto within = [&](int64_t days) {
    const auto span = static_cast<uint64_t>(2 * days * kDay);
    return static_cast<int64_t>(random() % span) - days * kDay;
  };
  for (int i = 0; i < 300; ++i) add(within(40'000));                      // 1860 to 2079
  for (int i = 0; i < 200; ++i) add(within(1'449'000) + 730'485 * kDay);  // From the year 2 to 7937
  for (int i = 0; i < 100; ++i) add(-141'427 * kDay + within(400));       // The Gregorian reform.
  for (int i = 0; i < 200; ++i) add(within(20'000) / kDay * kDay);        // Midnights.
  for (const int64_t day : {11'016, 19'782, 19'783, 20'512, 20'513}) {    // Ends of February.
    add(day * kDay);
    add(day * kDay - 1);
  }
  const std::string from =
      " FROM (SELECT make_timestamptz(us) AS t, n, make_timestamptz(us) + INTERVAL 1 HOUR AS u, "
      "make_timestamp(us) AS p "
      "FROM (VALUES " +
      rows + ") v(us, n))";

  std::vector<std::string> expressions = {"t::TIMESTAMP",
                                          "t::DATE",
                                          "t::DATE::TIMESTAMPTZ",
                                          "t::TIMESTAMP::TIMESTAMPTZ",
                                          "t = t::DATE",
                                          "t::DATE BETWEEN DATE '1970-01-01' AND DATE '2000-02-28'",
                                          "t::DATE NOT BETWEEN '1960-01-01' AND u",
                                          "p::DATE = DATE '1970-01-01'",
                                          "t::DATE IN ('2000-02-29', '1970-01-01', '1999-12-31')",
                                          "t::DATE NOT IN ('2000-02-29', '1970-01-01')",
                                          "t::DATE IN ('2000-02-29', NULL)",
                                          "t::DATE IN ('2000-02-29', u::DATE)",
                                          "t::DATE IN ('2000-02-29', 'infinity')",
                                          "t::TIMESTAMP IN ('2000-02-29', '1970-01-01')",
                                          "p::DATE IN ('2000-02-29', '1970-01-01')",
                                          "t > TIMESTAMP '2000-01-01'",
                                          "t + INTERVAL 1 MONTH",
                                          "t - INTERVAL '1 year 3 days 02:00:01.5'",
                                          "INTERVAL 5 MONTH + t",
                                          "t + INTERVAL '1 year 3 days 02:00:01.5'",
                                          "t + INTERVAL '-1 month 31 days'",
                                          "t + to_months(n::INTEGER)",
                                          "t + to_days(n::INTEGER)",
                                          "t - to_hours(n)",
                                          "t - TIMESTAMPTZ '1999-03-31 05:06:07.8+02'",
                                          "u - t",
                                          "TRY_CAST(t AS DATE)",
                                          "[t::DATE, u::DATE]",
                                          "{'a': t}::STRUCT(a TIMESTAMP)",
                                          "typeof(date_trunc('hour', t))",
                                          "typeof(t + INTERVAL 1 DAY)",
                                          "hour(t + INTERVAL 1 HOUR)",
                                          "date_trunc('day', t) = t::DATE",
                                          "extract(hour FROM t)",
                                          "extract(epoch FROM t)",
                                          "date_part(['year', 'month'], t)",
                                          "date_part('era', t)",
                                          "date_part('timezone', t)",
                                          "strftime(t, '%Y-%m-%d %H:%M:%S.%f %Z')",
                                          "age(t, u)",
                                          "time_bucket(INTERVAL 7 DAY, t)",
                                          "epoch_us(t)",
                                          "t::VARCHAR",
                                          "yearweek(t)",
                                          "dayname(t)",
                                          "monthname(t)",
                                          "last_day(t)"};
  for (const char* op : {"=", "<>", "<", "<=", ">", ">=", "IS DISTINCT FROM"}) {
    for (const char* day : {"DATE '2000-02-29'", "DATE '1970-01-01' + 1", "NULL::DATE", "u::DATE",
                            "DATE 'infinity'", "current_date", "DATE '4000-01-01'"}) {
      expressions.push_back(fmt::format("t::DATE {} {}", op, day));
      expressions.push_back(fmt::format("{} {} t::TIMESTAMP::DATE", day, op));
    }
  }
  for (const char* op : {"=", "<>", "<", "<=", ">", ">=", "IS NOT DISTINCT FROM"}) {
    for (const char* time :
         {"TIMESTAMP '2000-02-29 12:30:00'", "NULL", "p", "'infinity'::TIMESTAMP"}) {
      expressions.push_back(fmt::format("t::TIMESTAMP {} {}", op, time));
    }
  }
  for (const char* name :
       {"century", "day",     "dayofmonth",  "dayofweek",  "dayofyear",   "decade", "hour",
        "isodow",  "isoyear", "microsecond", "millennium", "millisecond", "minute", "month",
        "quarter", "second",  "week",        "weekday",    "weekofyear",  "year"}) {
    expressions.push_back(fmt::format("{}(t)", name));
  }
  for (const char* part :
       {"century", "day", "decade", "hour", "isoyear", "microsecond", "millennium", "millisecond",
        "minute", "month", "quarter", "second", "week", "year", "Hour"}) {
    expressions.push_back(fmt::format("date_trunc('{}', t)", part));
    expressions.push_back(fmt::format("date_part('{}', t)", part));
    expressions.push_back(fmt::format("date_diff('{}', t, u)", part));
    expressions.push_back(
        fmt::format("date_diff('{}', TIMESTAMPTZ '2001-02-03 04:05:06', t)", part));
    expressions.push_back(
        fmt::format("date_sub('{}', TIMESTAMPTZ '2000-02-29 04:05:06', t)", part));
  }
  for (const std::string& expression : expressions) {
    const std::string sql = fmt::format("SELECT ({})::VARCHAR, t::VARCHAR{}", expression, from);
    EXPECT_EQ(Run(sql), Plain(sql)) << expression;
  }
}

TEST_F(UtcTimesTest, StandNeitherInZonesNorInWhatHasNone) {
  for (const char* sql :
       {"SELECT hour('infinity'::TIMESTAMPTZ), date_trunc('day', "
        "'-infinity'::TIMESTAMPTZ)::VARCHAR,"
        " 'infinity'::TIMESTAMPTZ::TIMESTAMP::VARCHAR, 'infinity'::TIMESTAMPTZ::DATE::VARCHAR",
        "SELECT (TIMESTAMPTZ '2026-07-01 12:00:00' AT TIME ZONE 'Europe/Berlin')::VARCHAR",
        "SELECT (TIMESTAMP '2026-07-01 12:00:00' AT TIME ZONE 'Asia/Tokyo')::VARCHAR",
        "SELECT hour(TIMESTAMPTZ '2026-07-01 12:00:00+05' AT TIME ZONE 'America/New_York')",
        "SELECT hour(TIMESTAMP '2026-01-01 05:00:00'), hour(TIME '06:00:00'), day(DATE "
        "'2026-01-07')",
        "SELECT 1 + 2, 5 - 3, (DATE '2026-01-31' + INTERVAL 1 MONTH)::VARCHAR"}) {
    EXPECT_EQ(Run(sql), Plain(sql)) << sql;
  }
}

TEST_F(UtcTimesTest, AreFoundAnywhereInAQuery) {
  const std::string from =
      " FROM (SELECT make_timestamptz(range * 10000000000) AS t FROM range(500))";
  for (const std::string& sql :
       {"SELECT hour(t) AS h, count(*) AS n" + from +
            " WHERE dayofweek(t) IN (1, 2) GROUP BY 1 HAVING "
            "min(minute(t)) < 30 ORDER BY max(hour(t)) DESC, h",
        "SELECT date_trunc('day', t)::VARCHAR AS d, count(DISTINCT hour(t))" + from +
            " GROUP BY ALL ORDER BY d LIMIT 3",
        "SELECT count(*) FROM (SELECT t::DATE AS d" + from + ") a JOIN (SELECT t" + from +
            ") b ON a.d = date_trunc('day', b.t)::DATE",
        "SELECT sum(x) FROM (SELECT hour(t) - lag(hour(t)) OVER (PARTITION BY month(t) ORDER BY t) "
        "AS x" +
            from + ")",
        "SELECT list_transform([t], x -> hour(x))::VARCHAR" + from + " LIMIT 2",
        "SELECT CASE WHEN hour(t) > 12 THEN year(t) ELSE month(t) END AS c, count(*)" + from +
            " GROUP BY 1 ORDER BY 1"}) {
    EXPECT_EQ(Run(sql), Plain(sql)) << sql;
  }
}

}  // namespace
}  // namespace sluice::duck
