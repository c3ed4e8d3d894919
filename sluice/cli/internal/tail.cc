// `sluice tail`: the events of a topic, as they come.

#include <fmt/format.h>
#include <simdjson.h>

#include <algorithm>
#include <csignal>
#include <cstdio>
#include <map>

#include "sluice/base/json.h"
#include "sluice/cli/command_line.h"
#include "sluice/cli/internal/client.h"
#include "sluice/cli/internal/commands.h"
#include "sluice/cli/internal/json_text.h"
#include "sluice/os/disk.h"
#include "sluice/server/config.h"
#include "sluice/server/project.h"

namespace sluice::cli::internal {
namespace {

constexpr int64_t kAskEveryMs = 250;
constexpr int64_t kRowsMax = 10'000;  // Of one question.

/// Asks and gives the rows, each a JSON array. What is asked four times a second would hide, in
/// `system.queries`, what people ask.
Result<simdjson::dom::array> Ask(Client& client, simdjson::dom::parser& parser,
                                 const std::string& sql,
                                 const std::vector<std::pair<std::string, std::string>>& texts) {
  std::string body = "{\"sql\":";
  AppendJsonString(body, sql);
  body += ",\"params\":{";
  for (const auto& [name, value] : texts) {
    if (!body.ends_with('{')) body += ',';
    AppendJsonString(body, name);
    body += ':';
    AppendJsonString(body, value);
  }
  SLUICE_ASSIGN_OR_RETURN(
      const api::Response answer,
      client.Ask("POST", "/v1/sql",
                 {{"content-type", "application/json"}, {"sluice-background", "true"}},
                 body + "}}"));
  simdjson::dom::element root;
  simdjson::dom::array rows;
  if (parser.parse(answer.body).get(root) != simdjson::SUCCESS ||
      root["rows"].get(rows) != simdjson::SUCCESS) {
    return Internal("the answer has no rows");
  }
  return rows;
}

/// Follows one table: by the offset that each row has in its partition.
class Follower {
 public:
  Follower(Client& client, std::string table, std::string where)
      : client_(client), table_(std::move(table)), where_(std::move(where)) {}

  /// Begins behind what there is now, or with what came since `from_seconds` ago.
  Status Begin(double from_seconds) {
    const std::string older =
        from_seconds > 0
            ? fmt::format(" where _received_at < now()::timestamptz - interval '{} microseconds'",
                          static_cast<int64_t>(from_seconds * 1e6))
            : std::string();
    SLUICE_ASSIGN_OR_RETURN(
        const auto rows,
        Ask(client_, parser_,
            fmt::format("select _partition, max(_offset) from {}{} group by 1", table_, older),
            {}));
    for (const auto row : rows) {
      next_[row.at(0).get_int64().value_unsafe()] = row.at(1).get_int64().value_unsafe() + 1;
    }
    return {};
  }

  /// Prints what has come, at most `rows_max`; returns how many rows that were.
  Result<int64_t> Step(int64_t rows_max) {
    std::string behind;
    std::string partitions;
    for (const auto& [partition, next] : next_) {
      behind += fmt::format("(_partition = {} and _offset >= {}) or ", partition, next);
      partitions += fmt::format("{}{}", partitions.empty() ? "" : ", ", partition);
    }
    behind += partitions.empty() ? "true" : fmt::format("_partition not in ({})", partitions);
    // One row a line, as JSON, behind what tells where it stands.
    const std::string sql = fmt::format(
        "select t._partition, t._offset, to_json(t)::varchar from {} t where ({}){} "
        "order by _received_at, _partition, _offset limit {}",
        table_, behind, where_.empty() ? "" : fmt::format(" and ({}\n)", where_),
        std::min(rows_max, kRowsMax));
    SLUICE_ASSIGN_OR_RETURN(const auto rows, Ask(client_, parser_, sql, {}));
    int64_t printed = 0;
    for (const auto row : rows) {
      const int64_t partition = row.at(0).get_int64().value_unsafe();
      int64_t& next = next_[partition];
      next = std::max(next, row.at(1).get_int64().value_unsafe() + 1);
      std::string_view text;
      if (row.at(2).get(text) != simdjson::SUCCESS) return Internal("a row is no text");
      std::printf("%.*s\n", static_cast<int>(text.size()), text.data());
      ++printed;
    }
    std::fflush(stdout);
    return printed;
  }

 private:
  Client& client_;
  const std::string table_;
  const std::string where_;
  simdjson::dom::parser parser_;
  std::map<int64_t, int64_t> next_;  // Offset by partition.
};

Result<std::string> FindTable(Client& client, const std::string& name) {
  simdjson::dom::parser parser;
  SLUICE_ASSIGN_OR_RETURN(const auto rows,
                          Ask(client, parser,
                              "select table_name from system.topics where topic = $name or "
                              "table_name = $name limit 1",
                              {{"name", name}}));
  for (const auto row : rows) {
    std::string_view table;
    if (row.at(0).get(table) != simdjson::SUCCESS) continue;
    const size_t dot = table.find('.');
    return fmt::format("{}.\"{}\"", table.substr(0, dot), table.substr(dot + 1));
  }
  return NotFound("there is no topic or table '{}'; `sluice topic list` shows them", name);
}

}  // namespace

std::vector<std::string> TopicNames(const Global& global) {
  std::vector<std::string> names;
  os::SystemDisk disk;
  if (const auto contracts = server::LoadSchemas(disk, global.folder); contracts.ok()) {
    for (const event::Contract& contract : *contracts) names.push_back(contract.topic);
  }
  auto client = Client::Connect(global);
  if (!client.ok()) return names;
  simdjson::dom::parser parser;
  const auto rows = Ask(*client, parser, "select topic from system.topics", {});
  if (!rows.ok()) return names;
  for (const auto row : *rows) {
    std::string_view name;
    if (row.at(0).get(name) != simdjson::SUCCESS) continue;
    if (std::ranges::find(names, name) == names.end()) names.emplace_back(name);
  }
  return names;
}

int Tail(const Global& global, const TailArguments& arguments) {
  double from_seconds = 0;
  if (!arguments.from.empty()) {
    std::string_view text = arguments.from;
    if (text.starts_with('-')) text.remove_prefix(1);
    const auto from = server::ParseDuration(text);
    if (!from.ok()) {
      Fail(from.error());
      return kUsage;
    }
    from_seconds = std::chrono::duration<double>(*from).count();
  }
  CatchSignals();
  auto client = Client::Connect(global);
  if (!client.ok()) return Fail(client.error());
  const auto table = FindTable(*client, arguments.name);
  if (!table.ok()) return Fail(table.error());
  Follower follower(*client, *table, arguments.where);
  if (const Status begun = follower.Begin(from_seconds); !begun.ok()) return Fail(begun.error());
  int64_t left = arguments.limit > 0 ? arguments.limit : INT64_MAX;
  while (CaughtSignal() == 0 && left > 0) {
    const auto printed = follower.Step(left);
    if (!printed.ok()) return Fail(printed.error());
    left -= *printed;
    if (std::ferror(stdout) != 0) break;  // Nobody reads.
    if (*printed < kRowsMax && left > 0) WaitForSignal(kAskEveryMs);
  }
  return CaughtSignal() == SIGTERM ? kTerminated : CaughtSignal() != 0 ? kInterrupted : kDone;
}

}  // namespace sluice::cli::internal
