#include <fcntl.h>
#include <simdjson.h>
#include <unistd.h>

#include <charconv>
#include <cstdio>
#include <filesystem>
#include <random>

#include "sluice/api/http_client.h"
#include "sluice/base/trace.h"
#include "sluice/cli/command_line.h"
#include "sluice/cli/internal/commands.h"
#include "sluice/lake/timestamps.h"
#include "sluice/os/clock.h"
#include "sluice/os/disk.h"
#include "sluice/os/random.h"
#include "sluice/server/server.h"

namespace sluice::cli::internal {
namespace {

constexpr std::string_view kProject =
    "version: 1\nproject: demo\nstorage: {path: data}\nland: {every: 10s}\n"
    "topics:\n"
    "  pointer.moved: {dedup: {by: producer}}\n"
    "  plant.sensor-readings: {dedup: {by: producer}}\n";

constexpr std::pair<std::string_view, std::string_view> kSchemas[] = {
    {"user_event.capnp",
     "@0x9a41c6de07b35f18;\n"
     "using Sl = import \"sluice.capnp\";\n"
     "struct UserEvent $Sl.event(\"shop.user-events\") {\n"
     "  eventId   @0 :Text $Sl.id;\n"
     "  userId    @1 :Int64;\n"
     "  eventType @2 :Type;\n"
     "  page      @3 :Text;\n"
     "  timestamp @4 :Text $Sl.eventTime;\n"
     "  enum Type { login @0; click @1; purchase @2; logout @3; }\n"
     "}\n"},
    {"pointer_moved.capnp",
     "@0xe1b90c44d7a2f635;\n"
     "using Sl = import \"sluice.capnp\";\n"
     "struct PointerMoved $Sl.event(\"pointer.moved\") {\n"
     "  clientId  @0 :Text;\n"
     "  screenId  @1 :Text;\n"
     "  eventTime @2 :Text $Sl.eventTime;\n"
     "  xNorm     @3 :Float32;\n"
     "  yNorm     @4 :Float32;\n"
     "  viewportW @5 :UInt16;\n"
     "}\n"},
    {"sensor_reading.capnp",
     "@0xb84d2f6a91c0e357;\n"
     "using Sl = import \"sluice.capnp\";\n"
     "struct SensorReading $Sl.event(\"plant.sensor-readings\") {\n"
     "  sensor     @0 :Text $Sl.key;\n"
     "  measuredAt @1 :Int64 $Sl.eventTime;\n"
     "  celsius    @2 :Float64;\n"
     "  ok         @3 :Bool;\n"
     "}\n"},
};

/// Makes envelopes of the demo's topics: one of a hundred is wrong, one of two hundred comes twice.
class Generator {
 public:
  Generator(const os::Clock& clock, uint64_t seed) : clock_(clock), random_(seed) {}

  std::string Next() {
    const int64_t number = sequence_++;
    if (number > 0 && number % 200 == 0) return last_;
    const std::string now = lake::TimestampText(clock_.Now().time_since_epoch().count());
    std::string event;
    if (number % 100 == 50) {
      event = fmt::format(
          R"({{"event":"shop.user-events","content":{{"eventId":"bad-{}","userId":"seven"}}}})",
          number);
    } else if (number % 3 == 0) {
      static constexpr std::string_view kTypes[] = {"login", "click", "click", "purchase",
                                                    "logout"};
      event = fmt::format(
          R"({{"event":"shop.user-events","content":{{"eventId":"{:016x}","userId":{},"eventType":"{}",)"
          R"("page":"/p/{}","timestamp":"{}"}}}})",
          random_(), random_() % 5000, kTypes[random_() % 5], random_() % 200, now);
    } else if (number % 3 == 1) {
      event = fmt::format(
          R"({{"event":"pointer.moved","producer":"demo","sequence":{},"content":{{"clientId":"c{}",)"
          R"("screenId":"home","eventTime":"{}","xNorm":{:.4f},"yNorm":{:.4f},"viewportW":1280}}}})",
          number, random_() % 300, now, Unit(), Unit());
    } else {
      event = fmt::format(
          R"({{"event":"plant.sensor-readings","producer":"demo","sequence":{},"content":{{)"
          R"("sensor":"s{}","measuredAt":{},"celsius":{:.2f},"ok":true}}}})",
          number, random_() % 50,
          std::chrono::floor<std::chrono::milliseconds>(clock_.Now()).time_since_epoch().count(),
          15 + 10 * Unit());
    }
    last_ = event;
    return event;
  }

 private:
  double Unit() { return static_cast<double>(random_() % 10'000) / 10'000; }

  const os::Clock& clock_;
  std::mt19937_64 random_;
  int64_t sequence_ = 0;
  std::string last_;
};

struct Totals {
  int64_t received = 0;
  int64_t accepted = 0;
  int64_t duplicate = 0;
  int64_t error = 0;
};

Status AddReceipt(const api::Response& answer, Totals& totals) {
  simdjson::dom::parser parser;
  simdjson::dom::element receipt;
  if (answer.status != 200 || parser.parse(answer.body).get(receipt) != simdjson::SUCCESS) {
    return Internal("the server answered {}: {}", answer.status, answer.body);
  }
  const std::pair<const char*, int64_t*> counts[] = {{"received", &totals.received},
                                                     {"accepted", &totals.accepted},
                                                     {"duplicate", &totals.duplicate},
                                                     {"error", &totals.error}};
  for (const auto& [name, total] : counts) {
    int64_t count = 0;
    if (receipt[name].get(count) == simdjson::SUCCESS) *total += count;
  }
  return {};
}

/// Reads the single number that a query answers.
Result<double> AskNumber(api::HttpClient& client, std::string_view sql) {
  SLUICE_ASSIGN_OR_RETURN(const api::Response answer,
                          client.Send("POST", "/v1/sql", {{"content-type", "text/plain"}}, sql));
  simdjson::dom::parser parser;
  simdjson::dom::element root;
  double number = 0;
  if (answer.status != 200 || parser.parse(answer.body).get(root) != simdjson::SUCCESS ||
      root["rows"].at(0).at(0).get(number) != simdjson::SUCCESS) {
    return Internal("query failed: {}", answer.body);
  }
  return number;
}

constexpr std::string_view kNewestAge =
    "select coalesce(epoch(now()::timestamptz) - epoch(max(t)), 0)::double from ("
    "select max(_received_at) as t from bronze.shop_user_events union all "
    "select max(_received_at) from bronze.pointer_moved union all "
    "select max(_received_at) from bronze.plant_sensor_readings)";

constexpr std::string_view kRowCount =
    "select ((select count(*) from bronze.shop_user_events) + "
    "(select count(*) from bronze.pointer_moved) + "
    "(select count(*) from bronze.plant_sensor_readings))::double";

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

void PrintLine(const Totals& totals, const Landing& landing, double age, const char* end) {
  std::fprintf(stderr,
               "received %lld  accepted %lld  duplicate %lld  error %lld  landed %lld  pending %lld"
               "  newest row %.3f s%s",
               static_cast<long long>(totals.received), static_cast<long long>(totals.accepted),
               static_cast<long long>(totals.duplicate), static_cast<long long>(totals.error),
               static_cast<long long>(landing.landed), static_cast<long long>(landing.pending), age,
               end);
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

Status MakeProject(const std::string& folder, uint16_t port) {
  os::SystemDisk disk;
  SLUICE_RETURN_IF_ERROR(disk.MakeFolders(folder + "/schemas"));
  SLUICE_RETURN_IF_ERROR(
      os::ReplaceFile(disk, folder + "/sluice.yaml",
                      fmt::format("{}serve: {{http: 127.0.0.1:{}}}\n", kProject, port)));
  for (const auto& [name, text] : kSchemas) {
    SLUICE_RETURN_IF_ERROR(os::ReplaceFile(disk, fmt::format("{}/schemas/{}", folder, name), text));
  }
  return {};
}

/// Sends at the rate until the time is over or a signal comes; then compares what SQL sees.
Result<int> Generate(server::Server& server, int64_t rate, int64_t seconds) {
  os::SystemClock clock;
  os::SystemRandom random;
  api::ClientOptions options;
  options.port = server.port();
  api::HttpClient client(options);
  Generator generator(clock, random.Next());
  const bool terminal = isatty(STDERR_FILENO) == 1;

  Totals totals;
  int64_t refused = 0;
  double age = 0;
  const os::Monotonic start = clock.Steady();
  int64_t shown = 0;
  while (CaughtSignal() == 0) {
    const double elapsed = std::chrono::duration<double>(clock.Steady() - start).count();
    if (seconds > 0 && elapsed >= static_cast<double>(seconds)) break;
    const int64_t due = static_cast<int64_t>(elapsed * static_cast<double>(rate)) + 1;
    const int64_t sent = totals.received + refused;
    if (due > sent) {
      std::string body;
      for (int64_t i = sent; i < due && i < sent + 1000; ++i) body += generator.Next() + "\n";
      SLUICE_ASSIGN_OR_RETURN(
          const api::Response answer,
          client.Send("POST", "/v1/events", {{"content-type", "application/x-ndjson"}}, body));
      SLUICE_RETURN_IF_ERROR(AddReceipt(answer, totals));
    }
    if (static_cast<int64_t>(elapsed) > shown) {
      shown = static_cast<int64_t>(elapsed);
      SLUICE_ASSIGN_OR_RETURN(age, AskNumber(client, kNewestAge));
      if (terminal) {
        std::fprintf(stderr, "\r\x1b[K");
        PrintLine(totals, CountLanding(server), age, "");
      } else if (shown % 10 == 0) {
        PrintLine(totals, CountLanding(server), age, "\n");
      }
    }
    WaitForSignal(20);
  }
  if (terminal) std::fprintf(stderr, "\r\x1b[K");

  SLUICE_ASSIGN_OR_RETURN(age, AskNumber(client, kNewestAge));
  SLUICE_ASSIGN_OR_RETURN(const double rows, AskNumber(client, kRowCount));
  const Landing landing = CountLanding(server);
  std::printf("received   %lld\naccepted   %lld\nduplicate  %lld\nerror      %lld\n",
              static_cast<long long>(totals.received), static_cast<long long>(totals.accepted),
              static_cast<long long>(totals.duplicate), static_cast<long long>(totals.error));
  std::printf("landed     %lld\npending    %lld\nnewest row %.3f s old in SQL\n",
              static_cast<long long>(landing.landed), static_cast<long long>(landing.pending), age);

  const bool balanced = totals.received == totals.accepted + totals.duplicate + totals.error &&
                        landing.landed + landing.pending == totals.accepted + totals.error &&
                        static_cast<int64_t>(rows) == totals.accepted;
  std::printf("balance    %s\n", balanced ? "received = accepted + duplicate + error; "
                                            "accepted + error = landed + pending; SQL sees all"
                                          : "BROKEN");
  return balanced ? kDone : kFailed;
}

}  // namespace

int Demo(const Global& global, const DemoArguments& arguments) {
  const auto rate = ParseRate(arguments.rate);
  if (!rate.ok()) {
    Fail(rate.error());
    return kUsage;
  }
  CatchSignals();
  trace::Configure(trace::Level::kWarning,
                   global.log_format == "json" ? trace::Format::kJson : trace::Format::kText);
  std::string folder = arguments.keep;
  if (folder.empty()) {
    std::string name = (std::filesystem::temp_directory_path() / "sluice-demo-XXXXXX").string();
    if (mkdtemp(name.data()) == nullptr) return Fail(Unavailable("cannot make {}", name));
    folder = name;
  }
  const auto run = [&]() -> Result<int> {
    SLUICE_RETURN_IF_ERROR(MakeProject(folder, arguments.port));
    os::SystemDisk disk;
    SLUICE_ASSIGN_OR_RETURN(const server::Config config, server::LoadConfig(disk, folder));
    SLUICE_ASSIGN_OR_RETURN(const auto server, server::Server::Start(config));
    std::fprintf(
        stderr,
        "project %s\nHTTP    http://127.0.0.1:%u\nSQL     sluice --server 127.0.0.1:%u sql "
        "-c 'select * from bronze.shop_user_events limit 5'\n%s\n",
        folder.c_str(), server->port(), server->port(),
        arguments.keep.empty() ? "Ctrl-C stops and removes everything"
                               : "Ctrl-C stops; the project stays");
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
