#include "sluice/api/internal/overview_routes.h"

#include <fmt/format.h>
#include <simdjson.h>

#include <algorithm>
#include <array>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "sluice/api/internal/answer_text.h"
#include "sluice/api/internal/error_routes.h"
#include "sluice/base/json.h"
#include "sluice/event/field.h"
#include "sluice/lake/timestamps.h"

namespace sluice::api::internal {
namespace {

constexpr std::chrono::seconds kCountEvery{3};
/// Columns of personal data that are stored as they came, by topic; one of a struct stands for all
/// of it.
std::map<std::string, std::set<std::string>> PersonalInClear(const ingest::Ingest& ingest) {
  std::map<std::string, std::set<std::string>> columns;
  for (const catalog::Topic& topic : ingest.Topics()) {
    const std::vector<event::Field>& fields = topic.contract->fields;
    event::ForEachField(fields, [&](const event::FieldPath& path, const event::Field& field) {
      if (field.pii.empty() || field.privacy.action != event::PrivacyAction::kNone) return;
      columns[topic.contract->topic].insert(fields[path[0]].column);
    });
  }
  return columns;
}

constexpr std::string_view kOutcomes[] = {"accepted", "duplicate", "error", "received"};

}  // namespace

OverviewRoutes::OverviewRoutes(const Services& services, const Hooks& hooks)
    : services_(services), hooks_(hooks), started_(std::chrono::steady_clock::now()) {
  for (const land::TableStatus& table : services.lander.Tables()) {
    first_offsets_[table.partition] = table.end;
  }
}

void OverviewRoutes::AddTo(Router& router) {
  router.AddBlocking("GET", "/v1/overview", Access::kRead,
                     [this](const Call& call) { return Show(call); });
}

int64_t OverviewRoutes::CountEvents(std::string_view topic, std::string_view outcome) const {
  return services_.metrics
      .GetCounter("sluice_ingest_events_total",
                  fmt::format("topic=\"{}\",outcome=\"{}\"", topic, outcome))
      .value();
}

int64_t OverviewRoutes::CountOpenErrors() {
  const auto now = std::chrono::steady_clock::now();
  {
    const std::lock_guard lock(mutex_);
    if (counted_at_ != decltype(counted_at_)() && now - counted_at_ < kCountEvery) {
      return open_errors_;
    }
    counted_at_ = now;
  }
  const auto result = services_.database.Query(
      fmt::format("select count(*) as n from ({})", kOpenErrors), sql::Format::kNdjson);
  int64_t count = 0;
  simdjson::dom::parser parser;
  const std::string_view body = result.ok() ? std::string_view(result->body) : std::string_view();
  const std::string_view line = body.substr(0, body.find('\n'));
  simdjson::dom::element row;
  const bool read = parser.parse(line.data(), line.size()).get(row) == simdjson::SUCCESS &&
                    row["n"].get(count) == simdjson::SUCCESS;
  const std::lock_guard lock(mutex_);
  if (read) open_errors_ = count;
  return open_errors_;
}

int64_t OverviewRoutes::CountQueries(const govern::Principal& principal) const {
  sql::QueryLog::Of of{.tenant = services_.database.tenant()};
  if (!principal.Allows(govern::Verb::kAdmin)) of.principal = principal.id;
  return services_.database.log().CountAsked(of);
}

Response OverviewRoutes::Show(const Call& call) {
  const auto sees = [&](std::string_view topic) {
    return call.principal.Allows(govern::Verb::kRead, topic);
  };
  const bool sees_all = call.principal.Allows(govern::Verb::kRead);
  std::array<int64_t, std::size(kOutcomes)> totals{};
  // What was received is counted before what became of it, and so read after it.
  const auto count = [&](std::string_view topic, std::string& out) {
    for (size_t i = 0; i < std::size(kOutcomes); ++i) {
      const int64_t events = CountEvents(topic, kOutcomes[i]);
      totals[i] += events;
      fmt::format_to(std::back_inserter(out), "\"{}\":{},", kOutcomes[i], events);
    }
  };
  const auto personal = PersonalInClear(services_.ingest);
  std::string topics;
  for (const land::TableStatus& table : services_.lander.Tables()) {
    const bool system = table.table.starts_with("system.");
    if (system ? !sees_all : !sees(table.topic)) continue;
    topics += topics.empty() ? "\n{" : ",\n{";
    AppendMember(topics, "topic", table.topic);
    topics += ',';
    AppendMember(topics, "table", table.table);
    topics += ',';
    if (!system) count(table.topic, topics);
    const auto first = first_offsets_.find(table.partition);
    topics += fmt::format(
        "\"first_offset\":{},\"next_offset\":{},\"landed_offset\":{},\"pending\":{},\"rows\":{},"
        "\"files\":{},\"version\":{},",
        first == first_offsets_.end() ? 0 : first->second, table.end, table.landed,
        table.end - table.landed - 1, table.landed_rows, table.files, table.version);
    AppendMember(topics, "stopped", table.stopped);
    topics += ",\"personal_in_clear\":[";
    if (const auto found = personal.find(table.topic); found != personal.end()) {
      std::string_view between;
      for (const std::string& column : found->second) {
        topics += std::exchange(between, ",");
        AppendJsonString(topics, column);
      }
    }
    topics += "]}";
  }
  std::string ignored;
  if (sees_all) count("", ignored);  // Events of topics that are not known.

  const Status ready = hooks_.ready();
  const bool full = hooks_.disk_full();
  const auto tokens = services_.tokens.AnyMade();
  std::string out = "{";
  AppendMember(out, "project", services_.project);
  out += ',';
  AppendMember(out, "version", services_.version);
  out += ',';
  const auto now = std::chrono::floor<std::chrono::microseconds>(std::chrono::system_clock::now());
  AppendMember(out, "now", lake::TimestampText(now.time_since_epoch().count()));
  const auto uptime = std::chrono::duration_cast<std::chrono::milliseconds>(
      std::chrono::steady_clock::now() - started_);
  out += fmt::format(",\"uptime_ms\":{},\"taking\":{},", uptime.count(), ready.ok() && !full);
  AppendMember(out, "why_not",
               !ready.ok() ? std::string(ready.error().message())
               : full      ? "the disk is full"
                           : "");
  out += fmt::format(
      ",\"tokens\":{},\"queries\":{},\"refused\":{},\"open_errors\":{},\"events\":{{\"received\":{}"
      ","
      "\"accepted\":{},\"duplicate\":{},\"error\":{}}},\"topics\":[{}]}}\n",
      tokens.ok() && *tokens, CountQueries(call.principal),
      sees_all ? services_.metrics.GetCounter("sluice_ingest_refused_total").value() : 0,
      sees_all ? CountOpenErrors() : 0, totals[3], totals[0], totals[1], totals[2], topics);
  return {.headers = {}, .body = std::move(out)};
}

}  // namespace sluice::api::internal
