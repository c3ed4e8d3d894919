#include "sluice/api/internal/sql_request.h"

#include <gtest/gtest.h>

#include <chrono>
#include <optional>
#include <string>

namespace sluice::api::internal {
namespace {

using namespace std::chrono_literals;

std::variant<sql::QueryRequest, Response> Read(std::string body, std::string type,
                                               std::optional<std::string> accept = {}) {
  Request request;
  request.body_storage = std::make_shared<std::string>(std::move(body) + std::string(64, '\0'));
  request.body = std::string_view(*request.body_storage);
  request.body.remove_suffix(64);
  request.headers["content-type"] = std::move(type);
  if (accept) request.headers["accept"] = *accept;
  return ReadSqlRequest(request);
}

/// The form that is chosen; nothing if none is.
std::optional<sql::Format> Choose(std::optional<std::string> accept) {
  const auto read = Read("select 1", "text/plain", std::move(accept));
  const auto* const query = std::get_if<sql::QueryRequest>(&read);
  if (query == nullptr) {
    EXPECT_EQ(std::get<Response>(read).status, 406);
    return std::nullopt;
  }
  return query->format;
}

TEST(SqlRequestTest, ChoosesTheFormThatTheClientLikesBest) {
  EXPECT_EQ(Choose({}), sql::Format::kJson);
  EXPECT_EQ(Choose(""), sql::Format::kJson);
  EXPECT_EQ(Choose("*/*"), sql::Format::kJson);
  EXPECT_EQ(Choose("TEXT/csv; header=present"), sql::Format::kCsv);
  EXPECT_EQ(Choose("text/*"), sql::Format::kCsv);
  // What axios, and programs in Java, send unasked.
  EXPECT_EQ(Choose("application/json, text/plain, */*"), sql::Format::kJson);
  EXPECT_EQ(Choose("text/html, image/gif, image/jpeg, *; q=.2, */*; q=.2"), sql::Format::kJson);
  EXPECT_EQ(Choose("text/html,application/xhtml+xml,*/*;q=0.8"), sql::Format::kJson);
  EXPECT_EQ(Choose("application/x-ndjson, application/json"), sql::Format::kNdjson);
  EXPECT_EQ(Choose("application/json;q=0.5, application/vnd.apache.parquet"),
            sql::Format::kParquet);
  EXPECT_EQ(Choose("application/json;q=0.5,text/csv;q=0.9 , */*;q=0.1"), sql::Format::kCsv);
  EXPECT_EQ(Choose("application/json;q=0, */*"), sql::Format::kNdjson);
  EXPECT_EQ(Choose("*/*, application/json;q=0.000"), sql::Format::kNdjson);
  EXPECT_EQ(Choose("application/json;profile=\"a, text/csv;q=0\";q=0.5, text/csv;q=0.4"),
            sql::Format::kJson);
  EXPECT_EQ(Choose("application/json;Q=0.2, text/csv;\tq=0.9"), sql::Format::kCsv);
  EXPECT_EQ(Choose("text/html"), std::nullopt);
  EXPECT_EQ(Choose("application/json;q=0"), std::nullopt);
  EXPECT_EQ(Choose("application/json;q=nonsense"), sql::Format::kJson);
}

TEST(SqlRequestTest, SaysWhatIsWrongWithTheBody) {
  const auto complaint = [](std::string body) {
    const auto read = Read(std::move(body), "application/json");
    return std::holds_alternative<Response>(read) ? std::get<Response>(read).body : "none";
  };
  EXPECT_NE(complaint("{\"sql\": \"select 1\"").find("not valid JSON"), std::string::npos);
  EXPECT_NE(complaint("{}").find("expected {\\\"sql\\\""), std::string::npos) << complaint("{}");
  const std::string large =
      complaint("{\"sql\": \"select $a\", \"params\": {\"a\": 18446744073709551616}}");
  EXPECT_NE(large.find("64 bits"), std::string::npos) << large;
}

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
