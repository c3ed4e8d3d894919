#include <fcntl.h>
#include <simdjson.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <atomic>
#include <cerrno>
#include <charconv>
#include <condition_variable>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <mutex>
#include <stop_token>
#include <string>
#include <string_view>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

#include "sluice/api/http_client.h"
#include "sluice/base/trace.h"
#include "sluice/cli/command_line.h"
#include "sluice/cli/internal/commands.h"
#include "sluice/cli/internal/demo_events.h"
#include "sluice/cli/internal/demo_sender.h"
#include "sluice/cli/internal/templates.h"
#include "sluice/event/contract.h"
#include "sluice/os/clock.h"
#include "sluice/os/command.h"
#include "sluice/os/disk.h"
#include "sluice/os/random.h"
#include "sluice/server/project.h"
#include "sluice/server/server.h"

namespace sluice::cli::internal {
namespace {

constexpr uint16_t kPort = 7117;
constexpr std::string_view kDemoTopics[] = {"user.identity.created", "shop.user-events",
                                            "pointer.moved", "metadata.changed",
                                            "plant.sensor-readings"};

/// Reads the single number that a query answers.
Result<double> AskNumber(api::HttpClient& client, std::string_view sql) {
  SLUICE_ASSIGN_OR_RETURN(
      const api::Response answer,
      client.Send("POST", "/v1/sql",
                  {{"content-type", "text/plain"}, {"sluice-background", "true"}}, sql));
  simdjson::dom::parser parser;
  simdjson::dom::element root;
  double number = 0;
  if (answer.status != 200 || parser.parse(answer.body).get(root) != simdjson::SUCCESS ||
      root["rows"].at(0).at(0).get(number) != simdjson::SUCCESS) {
    return Internal("query failed: {}", answer.body);
  }
  return number;
}

/// Tables of events: all but those of the system.
std::vector<std::string> EventTables(const server::Server& server) {
  std::vector<std::string> names;
  for (const land::TableStatus& table : server.Tables()) {
    if (!table.table.starts_with("system.")) names.push_back(table.table);
  }
  return names;
}

/// Asks how old the newest row is, in seconds.
Result<double> AskAge(api::HttpClient& client, const server::Server& server) {
  std::string newest;
  for (const std::string& table : EventTables(server)) {
    newest += fmt::format("{}select max(_received_at) as t from {}",
                          newest.empty() ? "" : " union all ", table);
  }
  if (newest.empty()) return NotFound("there are no tables");
  return AskNumber(
      client,
      fmt::format("select coalesce(epoch(now()::timestamptz) - epoch(max(t)), 0)::double from ({})",
                  newest));
}

/// Asks how many rows the tables have, and had that were taken away since.
Result<int64_t> AskRows(api::HttpClient& client, const std::vector<std::string>& tables) {
  std::string sum = "0";
  for (const std::string& table : tables) sum += " + (select count(*) from " + table + ")";
  SLUICE_ASSIGN_OR_RETURN(const double rows, AskNumber(client, "select (" + sum + ")::double"));
  SLUICE_ASSIGN_OR_RETURN(const double gone,
                          AskNumber(client,
                                    "select coalesce(sum(removed + expired + erased), 0)::double "
                                    "from system.ledger where not starts_with(topic, 'system.')"));
  return static_cast<int64_t>(rows + gone);
}

/// Asks once a second how old the newest row is, on a thread of its own: a query that waits for its
/// turn must not hold events up.
class AgeWatch {
 public:
  AgeWatch(const server::Server& server, const api::ClientOptions& options)
      : thread_([this, &server, options](const std::stop_token& stop) {
          api::HttpClient client(options);
          std::mutex mutex;
          std::condition_variable_any wake;
          std::unique_lock lock(mutex);
          while (!stop.stop_requested()) {
            const auto age = AskAge(client, server);
            age_ = age.ok() ? *age : kUnknown;
            wake.wait_for(lock, stop, std::chrono::seconds(1), [] { return false; });
          }
        }) {}

  static constexpr double kUnknown = -1;
  double age() const { return age_; }

 private:
  std::atomic<double> age_{kUnknown};
  std::jthread thread_;
};

struct Landing {
  int64_t landed = 0;
  int64_t pending = 0;
};

Landing CountLanding(const server::Server& server) {
  Landing counts;
  for (const land::TableStatus& table : server.Tables()) {
    counts.landed += table.landed + 1;
    counts.pending += table.end - table.landed - 1;
  }
  return counts;
}

std::string AgeText(double age) {
  return age < 0 ? std::string("unknown") : fmt::format("{:.3f} s", age);
}

void PrintLine(const DemoSender& sender, const Landing& landing, double age, const char* end) {
  const DemoTotals& totals = sender.totals();
  const std::string line = fmt::format(
      "received {}  accepted {}  duplicate {}  error {}  landed {}  pending {}  newest row "
      "{}{}{}{}",
      totals.received, totals.accepted, totals.duplicate, totals.error, landing.landed,
      landing.pending, AgeText(age),
      sender.waits_for().empty() ? "" : "  waiting: ", sender.waits_for(), end);
  std::fputs(line.c_str(), stderr);
}

/// What can be counted at one moment.
struct Count {
  std::vector<std::string> tables;
  Landing landing;
  Result<int64_t> rows;
};

Count CountAll(api::HttpClient& client, const server::Server& server) {
  std::vector<std::string> tables = EventTables(server);
  Result<int64_t> rows = AskRows(client, tables);
  return {.tables = std::move(tables), .landing = CountLanding(server), .rows = std::move(rows)};
}

/// Compares what was sent with what the tables have more than before; prints it. Others may have
/// sent events meanwhile. False: some are missing.
bool Judge(const DemoTotals& totals, const Count& before, const Count& after) {
  std::string unknown;
  if (totals.answers_lost > 0) {
    unknown = fmt::format("{} requests had no answer and were sent again", totals.answers_lost);
  } else if (before.tables != after.tables) {
    unknown = "topics came or went meanwhile";
  } else if (!before.rows.ok() || !after.rows.ok()) {
    unknown = (before.rows.ok() ? after : before).rows.error().message();
  }
  if (!unknown.empty()) {
    std::printf("balance    not known: %s; `sluice verify` tells\n", unknown.c_str());
    return true;
  }
  const int64_t kept =
      after.landing.landed + after.landing.pending - before.landing.landed - before.landing.pending;
  const int64_t seen = *after.rows - *before.rows;
  const bool balanced = totals.received == totals.accepted + totals.duplicate + totals.error &&
                        kept >= totals.accepted + totals.error && seen >= totals.accepted;
  const int64_t others = before.landing.landed + before.landing.pending;
  const std::string text = fmt::format(
      "received = accepted + duplicate + error; accepted + error{} = landed + pending; "
      "SQL sees all",
      others == 0 ? "" : fmt::format(" + {} of before", others));
  std::printf("balance    %s", balanced ? text.c_str() : "BROKEN");
  if (balanced && seen > totals.accepted) {
    std::printf("; %lld more came from others", static_cast<long long>(seen - totals.accepted));
  }
  std::printf("\n");
  return balanced;
}

Result<int64_t> ParseRate(const std::string& text) {
  const std::string number = text.substr(0, text.find('/'));
  int64_t rate = 0;
  const auto [end, bad] = std::from_chars(number.data(), number.data() + number.size(), rate);
  const std::string_view unit(text.data() + number.size(), text.size() - number.size());
  if (bad != std::errc() || end != number.data() + number.size() || rate < 1 || rate > 1'000'000 ||
      !(unit.empty() || unit == "/s")) {
    return Invalid("--rate '{}': expected events a second, such as 200/s, at most 1000000/s", text);
  }
  return rate;
}

/// Sends at the rate until the time is over or a signal comes; then compares what SQL sees.
Result<int> Generate(server::Server& server, int64_t rate, int64_t seconds) {
  os::SystemClock clock;
  os::SystemRandom random;
  api::ClientOptions options;
  options.port = server.port();
  options.time_max = std::chrono::seconds(10);
  api::HttpClient client(options);
  DemoEvents events(clock, random.Next());
  // A project that was kept has rows of earlier runs.
  const Count before = CountAll(client, server);
  DemoSender sender([&] { return events.Next(); }, rate,
                    [&](std::string_view body) {
                      return client.Send("POST", "/v1/events",
                                         {{"content-type", "application/x-ndjson"}}, body);
                    },
                    clock);
  const bool terminal = isatty(STDERR_FILENO) == 1;
  {
    const AgeWatch watch(server, options);
    const os::Monotonic start = clock.Steady();
    int64_t shown = 0;
    while (CaughtSignal() == 0) {
      const int64_t elapsed =
          std::chrono::floor<std::chrono::seconds>(clock.Steady() - start).count();
      if (seconds > 0 && elapsed >= seconds) break;
      SLUICE_RETURN_IF_ERROR(sender.SendDue());
      if (elapsed > shown) {
        shown = elapsed;
        if (terminal) std::fprintf(stderr, "\r\x1b[K");
        if (terminal || shown % 10 == 0) {
          PrintLine(sender, CountLanding(server), watch.age(), terminal ? "" : "\n");
        }
      }
      WaitForSignal(20);
    }
  }
  if (terminal) std::fprintf(stderr, "\r\x1b[K");

  const auto age = AskAge(client, server);
  const Count after = CountAll(client, server);
  const DemoTotals& totals = sender.totals();
  std::printf("received   %lld\naccepted   %lld\nduplicate  %lld\nerror      %lld\n",
              static_cast<long long>(totals.received), static_cast<long long>(totals.accepted),
              static_cast<long long>(totals.duplicate), static_cast<long long>(totals.error));
  std::printf("landed     %lld\npending    %lld\nnewest row %s old in SQL\n",
              static_cast<long long>(after.landing.landed),
              static_cast<long long>(after.landing.pending),
              AgeText(age.ok() ? *age : AgeWatch::kUnknown).c_str());
  return Judge(totals, before, after) ? kDone : kFailed;
}

/// Refuses a project that the demo's events are not for: they would be strangers in its tables.
Status CheckIsDemo(os::Disk& disk, const server::Config& config) {
  const std::string serve = fmt::format("`sluice -C {} dev` serves it", config.folder);
  if (!config.tls_certificate.empty()) {
    return Conflict("the project in '{}' is served within TLS, which the demo does not speak; {}",
                    config.folder, serve);
  }
  SLUICE_ASSIGN_OR_RETURN(const auto contracts, server::LoadSchemas(disk, config.folder));
  for (const std::string_view topic : kDemoTopics) {
    if (std::ranges::find(contracts, topic, &event::Contract::topic) == contracts.end()) {
      return Conflict("the project in '{}' is not the demo's: it has no topic '{}'; {}",
                      config.folder, topic, serve);
    }
  }
  return {};
}

/// Makes the demo's project in the folder, or finds one there, which stays as it is. `wanted` is
/// the port, or -1: the project's.
Result<server::Config> PrepareProject(const std::string& folder, int wanted) {
  os::SystemDisk disk;
  SLUICE_ASSIGN_OR_RETURN(const bool is_project, disk.Exists(folder + "/sluice.yaml"));
  if (!is_project) {
    SLUICE_ASSIGN_OR_RETURN(const auto names, disk.List(folder));
    if (!names.empty()) {
      return Conflict("'{}' is not empty and no project; give --keep a new or an empty folder",
                      folder);
    }
    const uint16_t port = FreePort("127.0.0.1", wanted < 0 ? kPort : static_cast<uint16_t>(wanted));
    SLUICE_RETURN_IF_ERROR(WriteTemplate(
        kDemoTemplate, folder,
        {.project = "demo", .serve = fmt::format("serve: {{http: 127.0.0.1:{}}}\n", port)}));
    return server::LoadConfig(disk, folder);
  }
  SLUICE_ASSIGN_OR_RETURN(server::Config config, server::LoadConfig(disk, folder));
  SLUICE_RETURN_IF_ERROR(CheckIsDemo(disk, config));
  config.port = FreePort(config.address, wanted < 0 ? config.port : static_cast<uint16_t>(wanted));
  std::fprintf(stderr, "found    a project in %s; it is served as it is\n", folder.c_str());
  return config;
}

/// Makes an empty folder, where TMPDIR says.
Result<std::string> MakeTemporaryFolder() {
  const char* const wanted = std::getenv("TMPDIR");
  const std::string place = wanted != nullptr && *wanted != '\0' ? wanted : "/tmp";
  std::string name = place + "/sluice-demo-XXXXXX";
  if (mkdtemp(name.data()) != nullptr) return name;
  return Unavailable(
      "cannot make a folder in '{}': {}; set TMPDIR to a folder that can be written, or give "
      "--keep DIR",
      place, std::generic_category().message(errno));
}

/// Shows the page to who sits at this machine; without a screen, or a terminal that somebody looks
/// at, does nothing.
void OpenPage(uint16_t port) {
  const auto is_set = [](const char* name) {
    const char* const value = std::getenv(name);
    return value != nullptr && *value != '\0';
  };
  if (isatty(STDERR_FILENO) != 1 || !(is_set("DISPLAY") || is_set("WAYLAND_DISPLAY"))) return;
  // Should it fail: the address stands on the terminal.
  (void)os::StartProgram("xdg-open", fmt::format("http://127.0.0.1:{}", port));
}

}  // namespace

void AddDemoOptions(CLI::App& command, DemoArguments& arguments) {
  command.add_option("--rate", arguments.rate, "Events a second")->option_text("N/s");
  command.add_option("--seconds", arguments.seconds, "How long; until interrupted if not given")
      ->check(CLI::Range(1, 86'400));
  command
      .add_option("--keep", arguments.keep,
                  "Keep the project in this folder; one that is there is served as it is")
      ->option_text("DIR");
  command.add_option("--port", arguments.port, "Port of the server; 0 for any free one")
      ->check(CLI::Range(0, 65'535));
  command.add_flag("--no-open", arguments.no_open, "Do not open the page in a browser");
}

int Demo(const Global& global, const DemoArguments& arguments) {
  const auto rate = ParseRate(arguments.rate);
  if (!rate.ok()) {
    Fail(rate.error());
    return kUsage;
  }
  CatchSignals();
  const auto form = global.log_format == "json" ? trace::Format::kJson : trace::Format::kText;
  trace::Configure(trace::Level::kWarning, form);
  std::string folder = arguments.keep;
  if (folder.empty()) {
    auto made = MakeTemporaryFolder();
    if (!made.ok()) return Fail(made.error());
    folder = *made;
  }
  const auto run = [&]() -> Result<int> {
    SLUICE_ASSIGN_OR_RETURN(const server::Config config, PrepareProject(folder, arguments.port));
    // Keys that go with the folder need no copy: what a start warns of is not said.
    if (arguments.keep.empty()) trace::Configure(trace::Level::kError, form);
    SLUICE_ASSIGN_OR_RETURN(const auto server, server::Server::Start(config));
    trace::Configure(trace::Level::kWarning, form);
    std::fprintf(stderr,
                 "page     http://127.0.0.1:%u\n"
                 "SQL      sluice --server 127.0.0.1:%u sql -c 'select * from "
                 "bronze.shop_user_events limit 5'\n"
                 "project  %s\n"
                 "%lld events a second: 1 of 100 is wrong, 1 of 200 comes twice, on purpose\n%s\n",
                 server->port(), server->port(), folder.c_str(), static_cast<long long>(*rate),
                 arguments.keep.empty() ? "Ctrl-C stops and removes everything"
                                        : "Ctrl-C stops; the project stays");
    if (!arguments.no_open) OpenPage(server->port());
    SLUICE_ASSIGN_OR_RETURN(const int code, Generate(*server, *rate, arguments.seconds));
    SLUICE_RETURN_IF_ERROR(server->Stop());
    return code;
  };
  const Result<int> code = run();
  if (arguments.keep.empty()) {
    std::error_code ignored;
    std::filesystem::remove_all(folder, ignored);
  }
  return code.ok() ? *code : Fail(code.error());
}

}  // namespace sluice::cli::internal
