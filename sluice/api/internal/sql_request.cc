#include "sluice/api/internal/sql_request.h"

#include <fmt/format.h>
#include <simdjson.h>

#include <algorithm>
#include <charconv>
#include <chrono>
#include <optional>
#include <utility>

#include "sluice/api/internal/header_elements.h"
#include "sluice/api/internal/text.h"
#include "sluice/api/problem.h"
#include "sluice/lake/timestamps.h"

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

/// The form that `accept` (RFC 9110, section 12.5.1) likes best; of equals the one that is named
/// first, and without a name the first of ours. A narrow range counts before a wide one. Nothing:
/// it takes none.
std::optional<sql::Format> ChooseForm(std::string_view accept) {
  if (accept.empty()) return kForms[0].second;
  std::optional<sql::Format> best;
  double best_weight = 0;
  size_t best_place = 0;
  for (const auto& [type, form] : kForms) {
    double weight = 0;
    size_t narrow = 0;  // Length of the range: `*/*` is shorter than `text/*`, that than a type.
    size_t place = 0;
    size_t members = 0;
    ForEachElement(accept, [&](const HeaderElement& member) {
      ++members;
      const std::string range = member.Name();
      const bool matches = range == type || range == "*/*" ||
                           (range.ends_with("/*") &&
                            type.starts_with(std::string_view(range).substr(0, range.size() - 1)));
      if (!matches || range.size() <= narrow) return;
      narrow = range.size();
      weight = member.Weight();
      place = range == type ? members : std::string_view::npos;
    });
    if (weight <= 0 || weight < best_weight || (weight == best_weight && place >= best_place)) {
      continue;
    }
    best = form;
    best_weight = weight;
    best_place = place;
  }
  return best;
}

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
  if (const auto bad = parser.parse(body.data(), body.size()).get(root);
      bad == simdjson::BIGINT_ERROR || bad == simdjson::NUMBER_ERROR) {
    return Invalid(
        "a number is not valid JSON, or has more than 64 bits: then give it as a text, and cast it "
        "in the query");
  } else if (bad != simdjson::SUCCESS) {
    return Invalid("the body is not valid JSON; expected {{\"sql\": \"SELECT ...\"}}");
  }
  if (root.get(members) != simdjson::SUCCESS) {
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
  // A time without a zone means two moments.
  constexpr size_t kDay = sizeof("2026-01-05") - 1;
  if (!text.empty() && !IsDigit(text.front())) return wrong;
  if (text.size() > kDay && text.find_first_of("Zz+-", kDay) == text.npos) return wrong;
  const auto time_us = lake::ParseTimestampText(text);
  if (!time_us) return wrong;
  return sql::AsOf(os::Timestamp(std::chrono::microseconds(*time_us)));
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
  if (const auto form = ChooseForm(request.Header("accept"))) {
    query.format = *form;
    return query;
  }
  return Problem(406, "SL4060",
                 "the forms are application/json, application/x-ndjson, text/csv, "
                 "application/vnd.apache.arrow.stream and application/vnd.apache.parquet");
}

}  // namespace sluice::api::internal
