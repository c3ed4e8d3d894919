#include "sluice/cli/internal/client.h"

#include <simdjson.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <cstdio>
#include <fstream>
#include <iostream>
#include <iterator>
#include <sstream>

#include "sluice/base/diagnostic.h"
#include "sluice/cli/internal/json_text.h"
#include "sluice/os/disk.h"
#include "sluice/server/config.h"

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

Result<Client> Client::Connect(const Global& global) {
  api::ClientOptions options;
  options.time_max = std::chrono::minutes(11);  // A query may take ten.
  options.authorities = global.authorities;
  if (!global.address.empty()) {
    constexpr std::string_view kTls = "https://";
    options.tls = global.address.starts_with(kTls);
    const std::string given = options.tls ? global.address.substr(kTls.size()) : global.address;
    const size_t colon = given.rfind(':');
    const std::string port = colon == std::string::npos ? given : given.substr(colon + 1);
    const auto [end, bad] = std::from_chars(port.data(), port.data() + port.size(), options.port);
    if (bad != std::errc() || end != port.data() + port.size()) {
      return Invalid("--server '{}': expected HOST:PORT or https://HOST:PORT", global.address);
    }
    if (colon != std::string::npos && colon > 0) options.host = given.substr(0, colon);
  } else {
    os::SystemDisk disk;
    auto config = server::LoadConfig(disk, global.folder, global.overrides);
    if (config.ok()) {
      options.host = config->address;
      options.port = config->port;
      options.tls = !config->tls_certificate.empty();
    } else if (config.error().code() != ErrorCode::kNotFound) {
      return std::move(config).error();
    }
  }
  const std::string address = fmt::format("{}:{}", options.host, options.port);
  return Client(std::move(options), address, global.token);
}

Result<api::Response> Client::Ask(std::string_view method, std::string_view target,
                                  const api::HttpClient::Fields& headers, std::string_view body) {
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
  if (!file) return NotFound("cannot read '{}'", path);
  return std::string(std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>());
}

void PrintAnswer(const Global& global, std::string_view body) {
  if (global.output == "table" || (global.output.empty() && isatty(STDOUT_FILENO) == 1)) {
    PrintTable(body);
  } else {
    std::fwrite(body.data(), 1, body.size(), stdout);
  }
}

void PrintTable(std::string_view json) {
  simdjson::dom::parser parser;
  simdjson::dom::element root;
  simdjson::dom::array columns;
  simdjson::dom::array rows;
  if (parser.parse(json.data(), json.size()).get(root) != simdjson::SUCCESS ||
      root["columns"].get(columns) != simdjson::SUCCESS ||
      root["rows"].get(rows) != simdjson::SUCCESS) {
    std::fwrite(json.data(), 1, json.size(), stdout);
    return;
  }
  std::vector<std::vector<std::string>> cells(1);
  std::vector<size_t> widths;
  for (const auto column : columns) {
    std::string_view name;
    if (column["name"].get(name) != simdjson::SUCCESS) name = "?";
    cells[0].emplace_back(name);
    widths.push_back(name.size());
  }
  for (const auto row : rows) {
    simdjson::dom::array values;
    if (row.get(values) != simdjson::SUCCESS) continue;
    auto& line = cells.emplace_back();
    for (const auto value : values) {
      std::string_view text;
      line.push_back(value.get(text) == simdjson::SUCCESS ? std::string(text)
                     : value.is_null()                    ? std::string()
                                                          : simdjson::minify(value));
      const size_t at = line.size() - 1;
      widths[at] = std::max(widths[at], line.back().size());
    }
  }
  for (size_t i = 0; i < cells.size(); ++i) {
    std::string line;
    for (size_t j = 0; j < cells[i].size(); ++j) {
      line += fmt::format("{}{:<{}}", j > 0 ? "  " : "", cells[i][j], widths[j]);
    }
    while (line.ends_with(' ')) line.pop_back();
    std::printf("%s\n", line.c_str());
    if (i == 0) {
      line.clear();
      for (size_t j = 0; j < widths.size(); ++j) {
        line += (j > 0 ? "  " : "") + std::string(widths[j], '-');
      }
      std::printf("%s\n", line.c_str());
    }
  }
}

}  // namespace sluice::cli::internal
