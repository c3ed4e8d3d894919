#include "sluice/cli/internal/client.h"

#include <simdjson.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <iterator>
#include <sstream>
#include <system_error>
#include <utility>

#include "sluice/base/diagnostic.h"
#include "sluice/cli/internal/answer_table.h"
#include "sluice/cli/internal/json_text.h"
#include "sluice/os/disk.h"
#include "sluice/server/config.h"
#include "sluice/server/whereabouts.h"

namespace sluice::cli::internal {

std::vector<Diagnostic> ReadDiagnostics(simdjson::dom::element problem) {
  std::vector<Diagnostic> diagnostics;
  simdjson::dom::array list;
  if (problem["diagnostics"].get(list) != simdjson::SUCCESS) return diagnostics;
  for (const simdjson::dom::element item : list) {
    Diagnostic& diagnostic = diagnostics.emplace_back();
    if (TextOf(item, "severity") == "warning") diagnostic.severity = Severity::kWarning;
    diagnostic.code = TextOf(item, "code");
    diagnostic.message = TextOf(item, "message");
    diagnostic.place = {.file = TextOf(item, "file"),
                        .line = static_cast<int>(NumberOf(item, "line")),
                        .column = static_cast<int>(NumberOf(item, "column")),
                        .length = static_cast<int>(NumberOf(item, "length"))};
    diagnostic.suggestion = TextOf(item, "suggestion");
    simdjson::dom::array notes;
    if (item["notes"].get(notes) != simdjson::SUCCESS) continue;
    for (const simdjson::dom::element note : notes) {
      std::string_view text;
      if (note.get(text) == simdjson::SUCCESS) diagnostic.notes.emplace_back(text);
    }
  }
  return diagnostics;
}

std::optional<std::string> AskProject(api::HttpClient& http) {
  const auto answer = http.Send("GET", "/v1/version");
  simdjson::dom::parser parser;
  simdjson::dom::element about;
  std::string_view project;
  if (!answer.ok() || answer->status != 200 ||
      parser.parse(answer->body).get(about) != simdjson::SUCCESS ||
      about["project"].get(project) != simdjson::SUCCESS) {
    return std::nullopt;
  }
  return std::string(project);
}

Result<Client> Client::Connect(const Global& global) {
  api::ClientOptions options;
  std::string project;
  options.time_max = std::chrono::minutes(11);  // A query may take ten.
  options.authorities = global.authorities;
  if (!global.address.empty()) {
    // As the server prints its address, and browsers have it.
    constexpr std::string_view kPlain = "http://";
    constexpr std::string_view kTls = "https://";
    options.tls = global.address.starts_with(kTls);
    const bool is_url = options.tls || global.address.starts_with(kPlain);
    std::string given = global.address;
    if (is_url) given.erase(0, options.tls ? kTls.size() : kPlain.size());
    if (is_url && given.ends_with('/')) given.pop_back();
    const size_t colon = given.rfind(':');
    const std::string port = colon == std::string::npos ? given : given.substr(colon + 1);
    const auto [end, bad] = std::from_chars(port.data(), port.data() + port.size(), options.port);
    if (bad != std::errc() || end != port.data() + port.size() ||
        given.find('/') != std::string::npos) {
      return Invalid("--server '{}': expected HOST:PORT, http://HOST:PORT or https://HOST:PORT",
                     global.address);
    }
    if (colon != std::string::npos && colon > 0) options.host = given.substr(0, colon);
  } else {
    os::SystemDisk disk;
    auto config = server::LoadConfig(disk, global.folder, global.overrides);
    if (config.ok()) {
      const auto running = server::FindServer(disk, config->DataPath());
      options.host = running ? running->address : config->address;
      options.port = running ? running->port : config->port;
      options.tls = running ? running->tls : !config->tls_certificate.empty();
      if (!running) project = config->project;
    } else if (config.error().code() != ErrorCode::kNotFound || global.folder != ".") {
      // Who names a folder means its project, and nobody else's server that happens to run here.
      return std::move(config).error();
    }
  }
  const std::string address = fmt::format("{}:{}", options.host, options.port);
  Client client(std::move(options), address, global.token);
  client.project_ = std::move(project);
  return client;
}

Status Client::CheckProject() {
  const std::string project = std::exchange(project_, {});
  if (project.empty()) return {};
  const auto served = AskProject(*http_);
  if (!served || *served == project) return {};
  return Unavailable(
      "no server of the project '{}' runs here; {} is served by that of another one, '{}': start "
      "this one's (`sluice serve`, `sluice dev`), or name the other with --server {}",
      project, address_, *served, address_);
}

Result<api::Response> Client::Ask(std::string_view method, std::string_view target,
                                  const api::HttpClient::Fields& headers, std::string_view body) {
  SLUICE_RETURN_IF_ERROR(CheckProject());
  api::HttpClient::Fields fields = headers;
  if (!token_.empty()) fields.emplace_back("authorization", "Bearer " + token_);
  auto answer = http_->Send(method, target, fields, body);
  if (!answer.ok()) {
    return Unavailable("no answer from {}: {}; is the server running (`sluice serve`)?", address_,
                       answer.error().message());
  }
  if (answer->status < 400) return answer;
  simdjson::dom::parser parser;
  simdjson::dom::element problem;
  std::string code;
  std::string detail;
  const bool parsed = parser.parse(answer->body).get(problem) == simdjson::SUCCESS;
  if (parsed) {
    code = TextOf(problem, "code");
    detail = TextOf(problem, "detail");
  }
  const auto failed = [&](ErrorCode kind, const std::string& text) {
    auto diagnostics = parsed ? ReadDiagnostics(problem) : std::vector<Diagnostic>();
    return diagnostics.empty() ? Error(kind, text) : ToError(kind, std::move(diagnostics));
  };
  const std::string text = detail.empty()
                               ? fmt::format("the server answered {}", answer->status)
                               : fmt::format("{}{}{}", code, code.empty() ? "" : ": ", detail);
  switch (answer->status) {
    case 401:
    case 403:
      return failed(ErrorCode::kDenied, text);
    case 404:
      return failed(ErrorCode::kNotFound, text);
    case 409:
      return failed(ErrorCode::kConflict, text);
    case 429:
    case 503:
    case 507:
      return failed(ErrorCode::kUnavailable, text);
    default:
      return failed(answer->status < 500 ? ErrorCode::kInvalid : ErrorCode::kInternal, text);
  }
}

Result<api::Response> Client::Stream(std::string_view target,
                                     const api::HttpClient::Fields& headers, std::string_view body,
                                     const api::HttpClient::Sink& sink) {
  SLUICE_RETURN_IF_ERROR(CheckProject());
  api::HttpClient::Fields fields = headers;
  if (!token_.empty()) fields.emplace_back("authorization", "Bearer " + token_);
  auto answer = http_->Send("POST", target, fields, body, sink);
  if (!answer.ok()) {
    return Unavailable("no answer from {}: {}; is the server running (`sluice serve`)?", address_,
                       answer.error().message());
  }
  return answer;
}

Result<std::string> ReadInput(const std::string& path) {
  if (path == "-") {
    return std::string(std::istreambuf_iterator<char>(std::cin), std::istreambuf_iterator<char>());
  }
  std::ifstream file(path, std::ios::binary);
  int reason = file ? 0 : errno;
  // A folder can be opened, and then throws.
  if (std::error_code ignored; std::filesystem::is_directory(path, ignored)) reason = EISDIR;
  if (reason != 0) {
    return NotFound("cannot read '{}': {}", path, std::generic_category().message(reason));
  }
  return std::string(std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>());
}

namespace {

std::string FormOf(const Global& global) {
  if (!global.output.empty()) return global.output;
  return isatty(STDOUT_FILENO) == 1 ? "table" : "json";
}

void PrintAs(const std::optional<AnswerTable>& table, std::string_view form,
             std::string_view body) {
  const auto rendered = table ? Render(*table, form) : std::nullopt;
  const std::string_view text = rendered ? std::string_view(*rendered) : body;
  std::fwrite(text.data(), 1, text.size(), stdout);
}

}  // namespace

void PrintAnswer(const Global& global, std::string_view body) {
  const std::string form = FormOf(global);
  PrintAs(form == "json" ? std::nullopt : ReadAnswer(body), form, body);
}

void PrintLines(const Global& global, std::string_view lines) {
  PrintAs(ReadLines(lines), FormOf(global), lines);
}

void PrintTable(std::string_view json) {
  Global global;
  global.output = "table";
  PrintAnswer(global, json);
}

}  // namespace sluice::cli::internal
