#include "sluice/api/internal/sql_request.h"

#include <fmt/format.h>
#include <simdjson.h>

#include <algorithm>
#include <charconv>
#include <chrono>
#include <utility>

#include "sluice/api/internal/answer_text.h"
#include "sluice/api/problem.h"

namespace sluice::api::internal {

namespace {

constexpr size_t kParametersMax = 1'000;
constexpr int64_t kTimeMaxMs = 600'000;

constexpr std::pair<std::string_view, sql::Format> kForms[] = {
    {"application/json", sql::Format::kJson},
    {"application/x-ndjson", sql::Format::kNdjson},
    {"text/csv", sql::Format::kCsv},
    {"application/vnd.apache.arrow.stream", sql::Format::kArrow},
    {"application/vnd.apache.parquet", sql::Format::kParquet},
};

Status ReadParameters(simdjson::dom::element params, duck::Parameters& parameters) {
  simdjson::dom::object members;
  if (params.get(members) != simdjson::SUCCESS) {
    return Invalid("\"params\" must be an object, such as {{\"from\": \"2026-01-05\"}}");
  }
  for (const auto& [key, value] : members) {
    if (parameters.size() >= kParametersMax) {
      return Invalid("\"params\" has more than {} members", kParametersMax);
    }
    auto& parameter = parameters[std::string(key)];
    std::string_view text;
    int64_t integer = 0;
    double real = 0;
    bool truth = false;
    if (value.is_null()) {
      parameter = std::monostate();
    } else if (value.get(text) == simdjson::SUCCESS) {
      parameter = std::string(text);
    } else if (value.get(truth) == simdjson::SUCCESS) {
      parameter = truth;
    } else if (value.get(integer) == simdjson::SUCCESS) {
      parameter = integer;
    } else if (value.get(real) == simdjson::SUCCESS) {
      parameter = real;
    } else {
      return Invalid("parameter \"{}\" must be a text, a number, true, false or null", key);
    }
  }
  return {};
}

Status ReadLimits(simdjson::dom::element given, worker::Limits& limits) {
  simdjson::dom::object members;
  if (given.get(members) != simdjson::SUCCESS) return Invalid("\"limits\" must be an object");
  for (const auto& [key, value] : members) {
    int64_t number = 0;
    if (value.get(number) != simdjson::SUCCESS || number < 1) {
      return Invalid("limit \"{}\" must be a whole number above 0", key);
    }
    if (key == "time_ms") {
      if (number > kTimeMaxMs) return Invalid("time_ms is at most {}", kTimeMaxMs);
      limits.time_max = std::chrono::milliseconds(number);
    } else if (key == "rows") {
      limits.rows_max = number;
    } else if (key == "bytes") {
      limits.bytes_max = static_cast<uint64_t>(number);
    } else {
      return Invalid("there is no limit \"{}\"; they are time_ms, rows and bytes", key);
    }
  }
  return {};
}

Status ReadJson(std::string_view body, sql::QueryRequest& query) {
  simdjson::dom::parser parser;
  simdjson::dom::element root;
  simdjson::dom::object members;
  if (parser.parse(body.data(), body.size()).get(root) != simdjson::SUCCESS ||
      root.get(members) != simdjson::SUCCESS) {
    return Invalid("expected {{\"sql\": \"SELECT ...\"}}");
  }
  bool found = false;
  for (const auto& [key, value] : members) {
    std::string_view text;
    const bool is_text = value.get(text) == simdjson::SUCCESS;
    if ((key == "sql" || key == "query") && is_text) {
      query.sql = text;
      found = true;
    } else if (key == "params") {
      SLUICE_RETURN_IF_ERROR(ReadParameters(value, query.parameters));
    } else if (key == "limits") {
      SLUICE_RETURN_IF_ERROR(ReadLimits(value, query.limits));
    } else if (key == "as_of") {
      int64_t version = 0;
      if (value.get(version) == simdjson::SUCCESS) {
        query.as_of = version;
      } else if (is_text) {
        SLUICE_ASSIGN_OR_RETURN(query.as_of, ParseAsOf(text));
      } else {
        return Invalid("\"as_of\" must be a version or a time");
      }
    } else if (key == "id" && is_text) {
      query.id = text;
    } else {
      return Invalid(
          "\"{}\" is not expected here, or has the wrong type; known are sql, params, as_of, "
          "limits and id",
          key);
    }
  }
  return found ? Status() : Invalid("expected {{\"sql\": \"SELECT ...\"}}");
}

}  // namespace

Result<sql::AsOf> ParseAsOf(std::string_view text) {
  lake::Version version = 0;
  const char* const end = text.data() + text.size();
  if (const auto [at, bad] = std::from_chars(text.data(), end, version);
      bad == std::errc() && at == end && version >= 0) {
    return sql::AsOf(version);
  }
  const Error wrong =
      Invalid("as_of must be a version, such as 42, or a time, such as 2026-01-05T10:00:00Z");
  const auto digits = [&](size_t at, size_t count) -> int {
    int value = -1;
    if (at + count > text.size()) return -1;
    const auto [stop, bad] = std::from_chars(text.data() + at, text.data() + at + count, value);
    return bad == std::errc() && stop == text.data() + at + count ? value : -1;
  };
  const int year = digits(0, 4);
  if (year < 0) return wrong;
  const std::chrono::year_month_day date{std::chrono::year(year),
                                         std::chrono::month(static_cast<unsigned>(digits(5, 2))),
                                         std::chrono::day(static_cast<unsigned>(digits(8, 2)))};
  if (text.size() < 10 || text[4] != '-' || text[7] != '-' || !date.ok()) return wrong;
  os::Timestamp time = std::chrono::sys_days(date);
  if (text.size() == 10) return sql::AsOf(time);
  const int hours = digits(11, 2);
  const int minutes = digits(14, 2);
  const int seconds = digits(17, 2);
  if ((text[10] != 'T' && text[10] != ' ') || hours < 0 || hours > 23 || minutes < 0 ||
      minutes > 59 || seconds < 0 || seconds > 60) {
    return wrong;
  }
  time += std::chrono::hours(hours) + std::chrono::minutes(minutes) + std::chrono::seconds(seconds);
  std::string_view rest = text.substr(19);
  if (rest.starts_with('.')) {
    rest.remove_prefix(1);
    int64_t unit = 100'000;
    for (; !rest.empty() && rest[0] >= '0' && rest[0] <= '9'; rest.remove_prefix(1), unit /= 10) {
      time += std::chrono::microseconds((rest[0] - '0') * unit);
    }
  }
  if (rest != "Z" && rest != "+00:00") return wrong;  // A time without a zone means two moments.
  return sql::AsOf(time);
}

std::variant<sql::QueryRequest, Response> ReadSqlRequest(const Request& request) {
  sql::QueryRequest query;
  if (MediaType(request.Header("content-type")) == "application/json") {
    if (const Status read = ReadJson(request.body, query); !read.ok()) {
      return Problem(400, "SL4002", read.error().message());
    }
  } else {
    query.sql = request.body;
  }
  if (const auto found = request.query.find("as_of"); found != request.query.end()) {
    auto as_of = ParseAsOf(found->second);
    if (!as_of.ok()) return Problem(400, "SL4002", as_of.error().message());
    query.as_of = *as_of;
  }
  query.background = request.Header("sluice-background") == "true";
  const std::string accept = MediaType(request.Header("accept"));
  if (accept.empty() || accept == "*/*") return query;
  for (const auto& [type, form] : kForms) {
    if (accept != type) continue;
    query.format = form;
    return query;
  }
  return Problem(406, "SL4060",
                 "the forms are application/json, application/x-ndjson, text/csv, "
                 "application/vnd.apache.arrow.stream and application/vnd.apache.parquet");
}

}  // namespace sluice::api::internal
