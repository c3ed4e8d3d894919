#include "sluice/api/internal/receipt_routes.h"

#include <fmt/format.h>
#include <simdjson.h>

#include <algorithm>
#include <charconv>
#include <chrono>
#include <limits>
#include <utility>
#include <vector>

#include "sluice/api/internal/answer_text.h"
#include "sluice/api/problem.h"
#include "sluice/base/hex.h"
#include "sluice/base/sql_text.h"
#include "sluice/event/contract.h"
#include "sluice/lake/timestamps.h"
#include "sluice/ledger/proof.h"

namespace sluice::api::internal {

namespace {

// A row's time of receipt is taken a little after that of its identity.
constexpr auto kSliceSlack = std::chrono::minutes(1);

/// What a query found: members of its first row, of whole numbers and texts.
struct Row {
  simdjson::dom::parser parser;
  simdjson::dom::element members;

  int64_t Number(std::string_view name) const {
    int64_t number = -1;
    return members[name].get(number) == simdjson::SUCCESS ? number : -1;
  }
  std::string_view Text(std::string_view name) const {
    std::string_view text;
    return members[name].get(text) == simdjson::SUCCESS ? text : std::string_view();
  }
};

/// Returns the first row of a query; null if it has none.
Result<std::unique_ptr<Row>> FirstRow(sql::Database& database, const std::string& query) {
  SLUICE_ASSIGN_OR_RETURN(const sql::QueryResult result,
                          database.Query(query, sql::Format::kNdjson));
  auto row = std::make_unique<Row>();
  const std::string_view line = std::string_view(result.body).substr(0, result.body.find('\n'));
  if (row->parser.parse(line.data(), line.size()).get(row->members) != simdjson::SUCCESS) {
    return Internal("an answer could not be read back");
  }
  if (row->Number("_offset") < 0) return std::unique_ptr<Row>();  // The closing record.
  return row;
}

/// The file of the snapshot that has the row, if the log leaves no doubt.
std::optional<lake::DataFile> FindFile(const lake::Snapshot& snapshot, std::string_view date,
                                       int64_t offset) {
  std::optional<lake::DataFile> found;
  for (const lake::DataFile& file : snapshot.files()) {
    const auto of_date = file.partition_values.find("event_date");
    if (of_date == file.partition_values.end() || of_date->second != date) continue;
    if (lake::MinimumOf(file, "_offset").value_or(INT64_MIN) > offset) continue;
    if (lake::MaximumOf(file, "_offset").value_or(INT64_MAX) < offset) continue;
    if (found) return std::nullopt;
    found = file;
  }
  return found;
}

Result<int64_t> NumberOf(const Call& call, const std::string& name, int64_t least) {
  const std::string text = call.Parameter(name);
  int64_t number = 0;
  const auto [end, fault] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (fault != std::errc() || end != text.data() + text.size() || number < least) {
    return Invalid("SL4001: {} must be a whole number{}", name, least == 0 ? " from 0" : "");
  }
  return number;
}

/// The event that the parameters name, in one of three ways.
Result<ingest::EventName> NameOf(const Call& call) {
  const auto has = [&](const std::string& name) { return !call.Parameter(name).empty(); };
  const bool by_batch = has("batch_id") || has("row") || has("client");
  const bool by_producer = has("producer") || has("sequence") || has("epoch");
  if (has("event_id") && !by_batch && !by_producer) {
    return ingest::EventName(ingest::EventId{call.Parameter("event_id")});
  }
  constexpr int64_t kLeast = std::numeric_limits<int64_t>::min();
  if (by_batch && !by_producer && has("batch_id") && has("row") && !has("event_id")) {
    SLUICE_ASSIGN_OR_RETURN(const int64_t row, NumberOf(call, "row", 0));
    return ingest::EventName(ingest::BatchRow{
        .client = call.Parameter("client"), .batch_id = call.Parameter("batch_id"), .row = row});
  }
  if (by_producer && !by_batch && has("producer") && has("sequence") && !has("event_id")) {
    SLUICE_ASSIGN_OR_RETURN(const int64_t sequence, NumberOf(call, "sequence", kLeast));
    int64_t epoch = 0;
    if (has("epoch")) {
      SLUICE_ASSIGN_OR_RETURN(epoch, NumberOf(call, "epoch", kLeast));
    }
    return ingest::EventName(ingest::ProducerSequence{
        .producer = call.Parameter("producer"), .epoch = epoch, .sequence = sequence});
  }
  return Invalid(
      "SL4001: give what names the event: event_id; or batch_id and row, and client if the request "
      "named one; or producer and sequence, and epoch if the event has one");
}

/// The name as members of an answer.
std::string MembersOf(const ingest::EventName& name) {
  std::string out;
  if (const auto* const row = std::get_if<ingest::BatchRow>(&name)) {
    AppendMember(out, "client", row->client);
    out += ',';
    AppendMember(out, "batch_id", row->batch_id);
    return out + fmt::format(",\"row\":{}", row->row);
  }
  if (const auto* const produced = std::get_if<ingest::ProducerSequence>(&name)) {
    AppendMember(out, "producer", produced->producer);
    return out + fmt::format(",\"epoch\":{},\"sequence\":{}", produced->epoch, produced->sequence);
  }
  AppendMember(out, "event_id", std::get<ingest::EventId>(name).text);
  return out;
}

std::string TextOf(const ingest::EventName& name) {
  if (const auto* const row = std::get_if<ingest::BatchRow>(&name)) {
    const std::string client =
        row->client.empty() ? std::string() : fmt::format(" of client '{}'", row->client);
    return fmt::format("row {} of batch '{}'{}", row->row, row->batch_id, client);
  }
  if (const auto* const produced = std::get_if<ingest::ProducerSequence>(&name)) {
    return fmt::format("producer '{}', epoch {}, sequence {}", produced->producer, produced->epoch,
                       produced->sequence);
  }
  return fmt::format("'{}'", std::get<ingest::EventId>(name).text);
}

}  // namespace

void ReceiptRoutes::AddTo(Router& router) {
  router.AddBlocking(
      "GET", "/v1/receipts/{topic}/{event_id}", Access::kSend, [this](const Call& call) {
        return Show(call, ingest::EventName(ingest::EventId{call.Segment("event_id")}));
      });
  // For ids with a slash, which no segment may have, and for events that have none.
  router.AddBlocking("GET", "/v1/receipts/{topic}", Access::kSend,
                     [this](const Call& call) { return Show(call, NameOf(call)); });
}

std::string ReceiptRoutes::InRange(const Range& range, std::string_view column) {
  std::string text;
  const auto add = [&](std::string_view comparison, const std::optional<int64_t>& time_us) {
    if (!time_us) return;
    text += fmt::format(" and {} {} timestamptz '{}'", column, comparison,
                        lake::TimestampText(*time_us));
  };
  add(">=", range.from_us);
  add("<", range.to_us);
  return text;
}

Response ReceiptRoutes::Show(const Call& call, const Result<ingest::EventName>& name) {
  const std::string& topic = call.Segment("topic");
  if (!call.principal.Allows(govern::Verb::kSend, topic)) {
    return Problem(403, "SL4031", fmt::format("the token may not send to '{}'", topic));
  }
  if (!name.ok()) return ErrorResponse(name.error());
  const auto identities = ingest_.IdentitiesOf(topic, *name);
  if (!identities.ok()) return ErrorResponse(identities.error());
  std::string list;
  for (const std::string& id : identities->ids) {
    list += fmt::format("{}from_hex('{}')", list.empty() ? "" : ",", ToHex(id));
  }
  if (list.empty()) {
    return ErrorResponse(Invalid("{} names no event of topic '{}'", TextOf(*name), topic));
  }
  Range asked;
  for (auto& [bound, time_us] :
       {std::pair("from", &asked.from_us), std::pair("to", &asked.to_us)}) {
    const std::string text = call.Parameter(bound);
    if (text.empty()) continue;
    *time_us = lake::ParseTimestampText(text);
    if (!*time_us) {
      return Problem(400, "SL4001",
                     fmt::format("{} must be a time such as 2026-01-31T12:00:00Z", bound));
    }
  }
  // What dedupe still knows was received in a slice of its horizon, so a few files tell. What it
  // does not know, or has moved since, is looked for in all: filters of the identities rule out
  // most of them.
  std::vector<Range> ranges;
  if (const auto slice = ingest_.ReceivedWithin(topic, identities->ids)) {
    ranges.push_back({.from_us = (slice->first - kSliceSlack).time_since_epoch().count(),
                      .to_us = (slice->last + kSliceSlack).time_since_epoch().count()});
    if (asked.from_us) ranges[0].from_us = std::max(*asked.from_us, *ranges[0].from_us);
    if (asked.to_us) ranges[0].to_us = std::min(*asked.to_us, *ranges[0].to_us);
  }
  ranges.push_back(asked);
  std::string out = "{";
  AppendMember(out, "topic", topic);
  out += ',';
  out += MembersOf(*name);
  for (const Range& range : ranges) {
    for (const land::TableStatus& table : lander_.Tables()) {
      if (table.topic != topic) continue;
      auto found = FindRow(table, list, range);
      if (!found.ok()) return ErrorResponse(found.error());
      if (*found) return {.headers = {}, .body = out + **found + "}\n"};
    }
  }
  auto error = FindError(topic, list, asked);
  if (!error.ok()) return ErrorResponse(error.error());
  if (*error) return {.headers = {}, .body = out + **error + "}\n"};
  const std::string_view when =
      asked.from_us || asked.to_us ? " as received in that time" : std::string_view();
  if (!identities->instead.empty()) {
    return Problem(400, "SL4001",
                   fmt::format("{} is not known{}, which proves nothing: {}", TextOf(*name), when,
                               identities->instead));
  }
  return ErrorResponse(
      NotFound("no event of topic '{}' is known by {}{}: it was never acknowledged, or it was "
               "removed from the table{}{}{}",
               topic, TextOf(*name), when, identities->unless.empty() ? "" : ", or ",
               identities->unless, WhatIsLost(topic)));
}

std::string ReceiptRoutes::WhatIsLost(const std::string& topic) {
  std::string text;
  for (const land::TableStatus& table : lander_.Tables()) {
    if (table.topic != topic) continue;
    const size_t dot = table.table.find('.');
    const auto view = lander_.View(table.table.substr(0, dot), table.table.substr(dot + 1));
    const int64_t lost =
        view.ok() ? ledger::SumOfCounter(*view->snapshot, ledger::kLostCounter) : 0;
    if (lost > 0) {
      text += fmt::format(", or it is one of the {} that were given up as lost before they landed",
                          lost);
    }
    if (!table.stopped.empty()) {
      text += ", or it is missing, as landing has stopped: " + table.stopped;
    }
  }
  return text;
}

Result<std::optional<std::string>> ReceiptRoutes::FindRow(const land::TableStatus& table,
                                                          const std::string& identities,
                                                          const Range& range) {
  SLUICE_ASSIGN_OR_RETURN(
      const auto row,
      FirstRow(database_,
               fmt::format("select _offset, strftime(event_date, '%Y-%m-%d') as date, "
                           "strftime(_received_at, '%Y-%m-%dT%H:%M:%S.%fZ') as received_at "
                           "from {} where _id in ({}){} order by _offset desc limit 1",
                           table.table, identities, InRange(range, "_received_at"))));
  if (row == nullptr) return std::optional<std::string>();
  const int64_t offset = row->Number("_offset");
  std::string out = fmt::format(",\"offset\":{},", offset);
  AppendMember(out, "received_at", row->Text("received_at"));
  out += ',';
  AppendMember(out, "table", table.table);
  const size_t dot = table.table.find('.');
  SLUICE_ASSIGN_OR_RETURN(const auto view,
                          lander_.View(table.table.substr(0, dot), table.table.substr(dot + 1)));
  SLUICE_ASSIGN_OR_RETURN(const auto entries, lander_.Ledger(table.partition));
  for (const ledger::Entry& entry : entries) {
    if (offset < entry.first_offset || offset > entry.last_offset) continue;
    if (!entry.version) break;
    out += ",\"state\":\"landed\"";
    // Of what the log no longer tells only the file is known.
    if (entry.operation != "BEFORE") out += fmt::format(",\"version\":{}", *entry.version);
    if (const auto file = FindFile(*view.snapshot, row->Text("date"), offset)) {
      out += ',';
      AppendMember(out, "file", file->path);
    }
    return std::optional(std::move(out));
  }
  return std::optional(out + ",\"state\":\"pending\"");
}

Result<std::optional<std::string>> ReceiptRoutes::FindError(std::string_view topic,
                                                            const std::string& identities,
                                                            const Range& range) {
  SLUICE_ASSIGN_OR_RETURN(
      const auto row,
      FirstRow(database_,
               fmt::format(
                   "select e._offset, e.code, e.path, e.message, (select max(c.state) from "
                   "system.errors c where c.error_offset = e._offset) as closed from system.errors "
                   "e where e.topic = {} and e.state = 'open' and e._id in ({}){} "
                   "order by e._offset desc limit 1",
                   SqlText(topic), identities, InRange(range, "e._received_at"))));
  if (row == nullptr) return std::optional<std::string>();
  std::string out = fmt::format(",\"state\":\"error\",\"error_id\":{}", row->Number("_offset"));
  for (const char* const name : {"code", "path", "message"}) {
    out += ',';
    AppendMember(out, name, row->Text(name));
  }
  if (!row->Text("closed").empty()) {
    out += ',';
    AppendMember(out, "closed", row->Text("closed"));
  }
  return std::optional(std::move(out));
}

}  // namespace sluice::api::internal
