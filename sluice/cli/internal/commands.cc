#include "sluice/cli/internal/commands.h"
#include "sluice/cli/internal/templates.h"

#include <simdjson.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <iostream>
#include <iterator>
#include <map>
#include <vector>

#include "sluice/api/http_client.h"
#include "sluice/api/http_server.h"
#include "sluice/base/diagnostic.h"
#include "sluice/base/json.h"
#include "sluice/base/percent.h"
#include "sluice/base/trace.h"
#include "sluice/base/utf8.h"
#include "sluice/cli/command_line.h"
#include "sluice/cli/internal/client.h"
#include "sluice/cli/internal/json_line.h"
#include "sluice/cli/internal/json_text.h"
#include "sluice/os/clock.h"
#include "sluice/os/disk.h"
#include "sluice/server/config.h"
#include "sluice/server/project.h"
#include "sluice/server/server.h"
#include "sluice/server/version.h"

namespace sluice::cli::internal {
namespace {

constexpr uint64_t kProjectBytesMax = 1 << 20;

DiagnosticFormat text_format = DiagnosticFormat::kText;

}  // namespace

int Fail(const Error& error) {
  if (DiagnosticsOf(error).empty()) {
    std::fprintf(stderr, "error: %s\n", Printable(error.message(), LineBreaks::kKeep).c_str());
  } else {
    PrintDiagnostics(DiagnosticsOf(error), "text");
  }
  switch (error.code()) {
    case ErrorCode::kUnavailable:
      return kUnreachable;
    case ErrorCode::kConflict:
      return kTryAgain;
    case ErrorCode::kDenied:
      return kNotAllowed;
    case ErrorCode::kInternal:
      return kBug;
    default:
      return kFailed;
  }
}

void SetColour(const std::string& when) {
  const char* const no_colour = std::getenv("NO_COLOR");
  const bool wanted = isatty(STDERR_FILENO) == 1 && (no_colour == nullptr || *no_colour == '\0');
  text_format = when == "always" || (when == "auto" && wanted) ? DiagnosticFormat::kColour
                                                               : DiagnosticFormat::kText;
}

DiagnosticFormat DiagnosticFormatOf(const std::string& name) {
  if (name == "text") return text_format;
  static const std::map<std::string, DiagnosticFormat> kFormats = {
      {"github", DiagnosticFormat::kGithub},
      {"sarif", DiagnosticFormat::kSarif},
      {"json", DiagnosticFormat::kJson}};
  return kFormats.at(name);
}

void PrintDiagnostics(const std::vector<Diagnostic>& diagnostics, const std::string& format) {
  const auto source = [](const std::string& file) -> std::optional<std::string> {
    os::SystemDisk disk;
    auto text = os::ReadFile(disk, file, kProjectBytesMax);
    return text.ok() ? std::optional(std::move(*text)) : std::nullopt;
  };
  const std::string text =
      Render(diagnostics, DiagnosticFormatOf(format), source, server::kVersion);
  std::fputs(text.c_str(), format == "text" ? stderr : stdout);
}

Result<server::Config> LoadConfig(const Global& global) {
  os::SystemDisk disk;
  SLUICE_ASSIGN_OR_RETURN(server::Config config,
                          server::LoadConfig(disk, global.folder, global.overrides));
  if (!global.quiet) PrintDiagnostics(config.warnings, "text");
  return config;
}

namespace {

/// Checks what the arguments name; a folder is a project.
Result<server::Checked> CheckAll(const Global& global, const CheckArguments& arguments) {
  os::SystemDisk disk;
  if (arguments.paths.empty()) return server::CheckProject(disk, global.folder, global.overrides);
  server::Checked all;
  std::vector<Diagnostic> mistakes;
  for (const std::string& path : arguments.paths) {
    auto checked = std::filesystem::is_directory(path)
                       ? server::CheckProject(disk, path, global.overrides)
                       : server::CheckFiles(disk, {path});
    if (!checked.ok()) {
      if (DiagnosticsOf(checked.error()).empty()) return checked;
      std::ranges::copy(DiagnosticsOf(checked.error()), std::back_inserter(mistakes));
      continue;
    }
    all.files += checked->files;
    all.topics += checked->topics;
    std::ranges::move(checked->warnings, std::back_inserter(all.warnings));
  }
  if (!mistakes.empty()) return ToError(ErrorCode::kInvalid, std::move(mistakes));
  return all;
}

}  // namespace

int Check(const Global& global, const CheckArguments& arguments) {
  const auto checked = CheckAll(global, arguments);
  if (!checked.ok()) {
    if (DiagnosticsOf(checked.error()).empty()) return Fail(checked.error());
    PrintDiagnostics(DiagnosticsOf(checked.error()), global.format);
    return kConfiguration;
  }
  if (global.format != "text" || !global.quiet) PrintDiagnostics(checked->warnings, global.format);
  if (global.format == "text" && !global.quiet) {
    std::fprintf(stderr, "no mistakes in %zu file%s; %zu topic%s\n", checked->files,
                 checked->files == 1 ? "" : "s", checked->topics, checked->topics == 1 ? "" : "s");
  }
  return arguments.deny_warnings && !checked->warnings.empty() ? kConfiguration : kDone;
}

namespace {

/// Says who has the port, if that is why a server did not start, and what to do.
void AdviseOnPort(const server::Config& config) {
  if (config.port == 0 || api::IsFree(config.address, config.port)) return;
  api::ClientOptions options;
  options.host = config.address == "0.0.0.0" ? "127.0.0.1" : config.address;
  options.port = config.port;
  options.time_max = std::chrono::seconds(2);
  api::HttpClient http(options);
  const auto project = AskProject(http);
  std::fprintf(
      stderr, "%s has port %u: stop it, or serve another port: -X serve.http=%u, or `dev`\n",
      project ? fmt::format("the server of the project '{}'", *project).c_str() : "another program",
      config.port, config.port + 1);
}

}  // namespace

int Serve(const Global& global) {
  CatchSignals();
  auto config = LoadConfig(global);
  if (!config.ok()) {
    Fail(config.error());
    return kConfiguration;
  }
  auto server = server::Server::Start(*config);
  if (!server.ok()) {
    const int code = Fail(server.error());
    AdviseOnPort(*config);
    return server.error().code() == ErrorCode::kInvalid ? kConfiguration : code;
  }
  while (CaughtSignal() == 0) WaitForSignal(60'000);
  trace::Info("stopping", {{"signal", CaughtSignal()}});
  if (const Status stopped = (*server)->Stop(); !stopped.ok()) return Fail(stopped.error());
  trace::Info("stopped", {});
  return kDone;
}

int Init(const Global&, const InitArguments& arguments) {
  const std::string& folder = arguments.folder;
  const auto files = FindTemplate(arguments.name);
  // Without a final slash, or dot.
  std::filesystem::path path = std::filesystem::absolute(folder).lexically_normal();
  if (!path.has_filename()) path = path.parent_path();
  const Status made = WriteTemplate(files, folder, {.project = path.filename().string()});
  if (!made.ok()) return Fail(made.error());
  for (const TemplateFile& file : files) {
    std::fprintf(stderr, "made %s/%.*s\n", folder.c_str(), static_cast<int>(file.name.size()),
                 file.name.data());
  }
  const std::string in = folder == "." ? "" : fmt::format(" -C {}", folder);
  if (arguments.name == "demo") {
    std::fprintf(stderr,
                 "next: sluice%s dev          then, in another terminal:\n"
                 "      sluice%s send %s/fixtures/first.ndjson\n"
                 "      sluice%s sql -c 'select * from bronze.shop_user_events'\n",
                 in.c_str(), in.c_str(), folder.c_str(), in.c_str());
  } else {
    std::fprintf(stderr, "next: sluice%s serve\n", in.c_str());
  }
  return kDone;
}

int Send(const Global& global, const SendArguments& arguments) {
  auto input = ReadInput(arguments.file);
  if (!input.ok()) return Fail(input.error());
  auto client = Client::Connect(global);
  if (!client.ok()) return Fail(client.error());
  const std::string target =
      (arguments.topic.empty() ? std::string("/v1/events")
                               : "/v1/events/" + PercentEncode(arguments.topic)) +
      "?wait=" + arguments.wait;
  int64_t request = 0;
  const size_t begin = input->find_first_not_of(" \t\r\n");
  const bool array = begin != std::string::npos && (*input)[begin] == '[';

  int64_t accepted = 0;
  int64_t duplicate = 0;
  int64_t error = 0;
  int64_t before = 0;  // Rows of earlier requests.
  size_t at = 0;
  while (at < input->size()) {
    size_t end = input->size();
    if (!array) {
      end = at;
      for (int64_t rows = 0; rows < arguments.batch_rows && end < input->size(); ++rows) {
        const size_t line = input->find('\n', end);
        end = line == std::string::npos ? input->size() : line + 1;
      }
    }
    const std::string_view body = std::string_view(*input).substr(at, end - at);
    at = end;
    std::string batch;
    if (!arguments.batch_id.empty()) {
      // Each request is a batch of its own, of the same name in each run.
      batch = "&batch_id=" + PercentEncode(fmt::format("{}/{}", arguments.batch_id, request++));
    }
    auto answer =
        client->Ask("POST", target + batch,
                    {{"content-type", array ? "application/json" : "application/x-ndjson"}}, body);
    if (!answer.ok()) {
      const int code = Fail(answer.error());
      return answer.error().code() == ErrorCode::kInvalid ? kRejected : code;
    }
    simdjson::dom::parser parser;
    simdjson::dom::element receipt;
    if (parser.parse(answer->body).get(receipt) != simdjson::SUCCESS) {
      return Fail(Internal("the answer is no JSON"));
    }
    accepted += NumberOf(receipt, "accepted");
    duplicate += NumberOf(receipt, "duplicate");
    error += NumberOf(receipt, "error");
    simdjson::dom::array errors;
    if (receipt["errors"].get(errors) == simdjson::SUCCESS) {
      for (const auto problem : errors) {
        const std::string path = TextOf(problem, "path");  // Empty: it is of the whole row.
        std::fprintf(stderr, "row %lld: %s%s: %s\n",
                     static_cast<long long>(before + NumberOf(problem, "row") + 1),
                     (TextOf(problem, "code") + (path.empty() ? "" : " ")).c_str(), path.c_str(),
                     TextOf(problem, "message").c_str());
      }
    }
    before += NumberOf(receipt, "received");
  }
  std::printf("%lld accepted, %lld duplicate, %lld to the errors table\n",
              static_cast<long long>(accepted), static_cast<long long>(duplicate),
              static_cast<long long>(error));
  return error > 0 ? kRejected : kDone;
}

int Print(const Global& global, std::string_view method, const std::string& target,
          std::string_view body) {
  auto client = Client::Connect(global);
  if (!client.ok()) return Fail(client.error());
  auto answer = client->Ask(method, target, {}, body);
  if (!answer.ok()) return Fail(answer.error());
  PrintAnswer(global, answer->body);
  return kDone;
}

namespace {

std::string Filter(const ErrorsArguments& arguments) {
  std::string query;
  const auto add = [&](std::string_view name, const std::string& value) {
    if (value.empty()) return;
    query += fmt::format("{}{}={}", query.empty() ? "?" : "&", name, PercentEncode(value));
  };
  add("topic", arguments.topic);
  add("code", arguments.code);
  add("dry_run", arguments.dry_run ? "true" : "");
  return query;
}

}  // namespace

int ShowStatus(const Global& global, const StatusArguments& arguments) {
  std::chrono::microseconds wait{0};
  if (!arguments.wait.empty()) {
    const auto parsed = server::ParseDuration(arguments.wait);
    if (!parsed.ok()) {
      Fail(Invalid("--wait '{}': {}", arguments.wait, parsed.error().message()));
      return kUsage;
    }
    wait = *parsed;
  }
  const os::SystemClock clock;
  const os::Monotonic end = clock.Steady() + wait;
  const auto ask = [&]() -> Result<api::Response> {
    // Anew each time: where the server is may be known only once it runs.
    SLUICE_ASSIGN_OR_RETURN(auto client, Client::Connect(global));
    return client.Ask("GET", "/v1/admin/tables");
  };
  auto answer = ask();
  while (!answer.ok() && answer.error().code() == ErrorCode::kUnavailable && clock.Steady() < end) {
    WaitForSignal(50);
    answer = ask();
  }
  if (!answer.ok()) return Fail(answer.error());
  PrintAnswer(global, answer->body);
  return kDone;
}

void AddStatusOptions(CLI::App& command, StatusArguments& arguments) {
  command
      .add_option("--wait", arguments.wait, "Wait so long for a server that starts, such as 30s")
      ->option_text("DURATION");
}

int DescribeTopic(const Global& global, const std::string& topic) {
  auto client = Client::Connect(global);
  if (!client.ok()) return Fail(client.error());
  const auto schema = client->Ask("GET", "/v1/admin/schemas/" + PercentEncode(topic));
  if (!schema.ok()) return Fail(schema.error());
  const auto tables = client->Ask("GET", "/v1/admin/tables");
  if (!tables.ok()) return Fail(tables.error());
  simdjson::dom::parser schema_parser;
  simdjson::dom::parser tables_parser;
  simdjson::dom::object about;
  simdjson::dom::array list;
  if (schema_parser.parse(schema->body).get(about) != simdjson::SUCCESS ||
      tables_parser.parse(tables->body)["tables"].get(list) != simdjson::SUCCESS) {
    return Fail(Internal("the answer is no JSON"));
  }
  JsonLine line;
  for (const char* const name : {"topic", "version", "compatibility", "fields"}) {
    simdjson::dom::element value;
    if (about[name].get(value) == simdjson::SUCCESS) line.Raw(name, simdjson::minify(value));
  }
  for (const simdjson::dom::element entry : list) {
    simdjson::dom::object table;
    std::string_view its_topic;
    if (entry.get(table) != simdjson::SUCCESS ||
        table["topic"].get(its_topic) != simdjson::SUCCESS || its_topic != topic)
      continue;
    for (const auto& [name, value] : table) {
      // Another version: that of the table.
      if (name != "topic")
        line.Raw(name == "version" ? "table_version" : name, simdjson::minify(value));
    }
  }
  PrintAnswer(global, line.Finish() + "\n");
  return kDone;
}

int DeleteTopic(const Global& global, const std::string& topic, bool yes) {
  if (!yes) {
    std::string typed;
    if (isatty(STDIN_FILENO) == 1 && !global.no_input) {
      std::fprintf(stderr, "type the topic's name to delete it: ");
      std::getline(std::cin, typed);
    }
    if (typed != topic) {
      std::fprintf(stderr, "error: not deleted; repeat the name, or give --yes\n");
      return kUsage;
    }
  }
  return Print(global, "DELETE", "/v1/admin/topics/" + PercentEncode(topic));
}

int AdoptTable(const Global& global, const std::string& topic) {
  return Print(global, "POST", "/v1/admin/tables/" + PercentEncode(topic) + "/adopt");
}

int ReportPii(const Global& global) { return Print(global, "GET", "/v1/admin/pii/report"); }

int ScanPii(const Global& global, const PiiArguments& arguments) {
  return Print(global, "POST", fmt::format("/v1/admin/pii/scan?rows={}", arguments.rows));
}

int RevealPii(const Global& global, const PiiArguments& arguments) {
  std::string body = "{\"token\":";
  AppendJsonString(body, arguments.token);
  body += ",\"reason\":";
  AppendJsonString(body, arguments.reason);
  return Print(global, "POST", "/v1/admin/pii/reveal", body + "}");
}

int ListErrors(const Global& global, const ErrorsArguments& arguments) {
  return Print(global, "GET", "/v1/admin/errors" + Filter(arguments));
}

int ShowError(const Global& global, const ErrorsArguments& arguments) {
  return Print(global, "GET", "/v1/admin/errors/" + PercentEncode(arguments.id));
}

int RetryError(const Global& global, const ErrorsArguments& arguments) {
  std::string edited;
  if (!arguments.edited.empty()) {
    auto text = ReadInput(arguments.edited);
    if (!text.ok()) return Fail(text.error());
    edited = std::move(*text);
  }
  return Print(global, "POST", "/v1/admin/errors/" + PercentEncode(arguments.id) + "/retry",
               edited);
}

int ReplayErrors(const Global& global, const ErrorsArguments& arguments) {
  return Print(global, "POST", "/v1/admin/errors/replay" + Filter(arguments));
}

int DropError(const Global& global, const ErrorsArguments& arguments) {
  return Print(global, "POST", "/v1/admin/errors/" + PercentEncode(arguments.id) + "/drop");
}

}  // namespace sluice::cli::internal
