#include "sluice/cli/internal/sql_client.h"

#include <fmt/format.h>
#include <simdjson.h>

#include <algorithm>
#include <charconv>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <future>
#include <optional>
#include <thread>
#include <utility>

#include "sluice/base/diagnostic.h"
#include "sluice/base/json.h"
#include "sluice/cli/command_line.h"
#include "sluice/cli/internal/json_text.h"
#include "sluice/os/random.h"
#include "sluice/server/version.h"

namespace sluice::cli::internal {

namespace {

constexpr int64_t kTickMs = 50;
constexpr int64_t kProgressAfterMs = 500;

std::string_view MediaTypeOf(std::string_view form) {
  if (form == "ndjson") return "application/x-ndjson";
  if (form == "csv") return "text/csv";
  if (form == "arrow") return "application/vnd.apache.arrow.stream";
  if (form == "parquet") return "application/vnd.apache.parquet";
  return "application/json";
}

/// A number, true, false and null are such; all else, and what stands in quotes, is text.
void AppendParameter(std::string& out, std::string_view value) {
  double number = 0;
  const char* const end = value.data() + value.size();
  const auto [at, bad] = std::from_chars(value.data(), end, number);
  const bool is_number = !value.empty() && bad == std::errc() && at == end &&
                         (value[0] == '-' || (value[0] >= '0' && value[0] <= '9')) &&
                         !(value.size() > 1 && value[0] == '0' && value[1] != '.');
  if (is_number || value == "true" || value == "false" || value == "null") {
    out += value;
    return;
  }
  if (value.size() >= 2 && value.front() == '\'' && value.back() == '\'') {
    value = value.substr(1, value.size() - 2);
  }
  AppendJsonString(out, value);
}

std::string RequestJson(const SqlOptions& options, const std::string& sql, const std::string& id) {
  std::string out = "{\"sql\":";
  AppendJsonString(out, sql);
  out += ",\"id\":";
  AppendJsonString(out, id);
  if (!options.as_of.empty()) {
    out += ",\"as_of\":";
    AppendJsonString(out, options.as_of);
  }
  if (options.time_max_ms > 0) {
    out += fmt::format(",\"limits\":{{\"time_ms\":{}}}", options.time_max_ms);
  }
  out += ",\"params\":{";
  bool first = true;
  for (const auto& [name, value] : options.parameters) {
    if (!std::exchange(first, false)) out += ',';
    AppendJsonString(out, name);
    out += ':';
    AppendParameter(out, value);
  }
  return out + "}}";
}

/// Writes what comes to standard output; keeps back what is not meant for it.
class Output {
 public:
  explicit Output(const std::string& form) : form_(form) {}

  Status Take(std::string_view bytes) {
    if (IsWhole()) {
      kept_ += bytes;
    } else if (form_ == "ndjson") {
      // The last line says whether all is there; it is no row.
      kept_ += bytes;
      const size_t end = kept_.rfind('\n', kept_.size() - 2);
      if (end != std::string::npos && kept_.size() > 1) {
        Write(std::string_view(kept_).substr(0, end + 1));
        kept_.erase(0, end + 1);
      }
    } else {
      Write(bytes);
      // Enough to see how it ends.
      kept_ = kept_.append(bytes).substr(kept_.size() - std::min<size_t>(kept_.size(), 4096));
    }
    return written_ ? Status() : Status(Unavailable("standard output takes no more"));
  }

  /// Prints what was kept; returns what the answer's own end says went wrong.
  std::optional<Error> Finish() {
    std::optional<Error> failed;
    if (IsWhole() || form_ == "ndjson" || form_ == "json") {
      const size_t record = kept_.rfind("\"complete\":false,\"error\":{\"code\":\"");
      if (record != std::string::npos) {
        failed = Unavailable("{}", kept_.substr(record + 33, 6));
      } else if (kept_.rfind("\"complete\":true") == std::string::npos) {
        failed = Unavailable("the answer has no end");
      }
    }
    if (IsWhole() && !failed) {
      Global global;
      global.output = form_;
      PrintAnswer(global, kept_);
    }
    std::fflush(stdout);
    return failed;
  }

 private:
  /// Whether nothing can be written before all is there.
  bool IsWhole() const { return form_ == "table" || form_ == "md"; }
  void Write(std::string_view bytes) {
    written_ = std::fwrite(bytes.data(), 1, bytes.size(), stdout) == bytes.size();
  }

  const std::string form_;
  std::string kept_;
  bool written_ = true;
};

/// Where a statement stands in the text that it is from.
SourcePlace PlaceIn(const SqlSource& source, std::string_view sql, SourcePlace place) {
  if (place.line == 0) return {};
  place.file = source.name;
  const size_t begin = source.text.find(sql, source.begin);
  if (begin == std::string::npos) return place;
  const std::string_view before = std::string_view(source.text).substr(0, begin);
  if (place.line == 1) place.column += static_cast<int>(begin - (before.rfind('\n') + 1));
  place.line += static_cast<int>(std::ranges::count(before, '\n'));
  return place;
}

/// Prints a problem with the line that it is about; returns the exit code.
int PrintProblem(const Global& global, const api::Response& answer, const SqlSource& source,
                 const std::string& sql) {
  simdjson::dom::parser parser;
  simdjson::dom::element problem;
  if (parser.parse(answer.body).get(problem) != simdjson::SUCCESS) {
    std::fprintf(stderr, "error: the server answered %d\n", answer.status);
    return kBug;
  }
  const std::string code = TextOf(problem, "code");
  std::vector<Diagnostic> diagnostics = ReadDiagnostics(problem);
  if (diagnostics.empty()) {
    diagnostics.push_back({.code = code, .message = TextOf(problem, "detail")});
  }
  for (Diagnostic& diagnostic : diagnostics) {
    diagnostic.place = PlaceIn(source, sql, std::move(diagnostic.place));
  }
  const std::string text = Render(
      diagnostics, DiagnosticFormatOf(global.format),
      [&source](const std::string&) { return std::optional(source.text); }, server::kVersion);
  std::fputs(text.c_str(), global.format == "text" ? stderr : stdout);
  if (code == "SL2201") return kTimeout;
  if (code == "SL2205") return kInterrupted;
  switch (answer.status) {
    case 401:
    case 403:
      return kNotAllowed;
    case 409:
    case 429:
    case 503:
      return kTryAgain;
    default:
      return answer.status == 500 ? kBug : kFailed;
  }
}

/// Shows how far a query is, in one line that is written over.
void ShowProgress(Client& client, const std::string& id) {
  const auto answer = client.Ask("GET", "/v1/queries/" + id);
  simdjson::dom::parser parser;
  simdjson::dom::element status;
  if (!answer.ok() || parser.parse(answer->body).get(status) != simdjson::SUCCESS) return;
  std::fprintf(stderr, "\r%.1f s  %lld rows\x1b[K",
               static_cast<double>(NumberOf(status, "elapsed_ms")) / 1000,
               static_cast<long long>(NumberOf(status, "rows")));
}

/// Says why an answer that had begun has no end, if the server knows; returns the exit code.
std::optional<int> ReportCutOff(Client& client, const std::string& id, const Global& global) {
  const auto answer = client.Ask("GET", "/v1/queries/" + id);
  simdjson::dom::parser parser;
  simdjson::dom::element status;
  if (!answer.ok() || parser.parse(answer->body).get(status) != simdjson::SUCCESS) {
    return std::nullopt;
  }
  const std::string code = TextOf(status, "code");
  if (code.empty()) return std::nullopt;
  const auto rows = static_cast<long long>(NumberOf(status, "rows"));
  const std::string text =
      Render({{.code = code, .message = fmt::format("the answer was cut off after {} rows", rows)}},
             DiagnosticFormatOf(global.format), nullptr, server::kVersion);
  std::fputs(text.c_str(), stderr);
  return code == "SL2201" ? kTimeout : kFailed;
}

}  // namespace

std::vector<std::string> SplitStatements(std::string_view text, std::string& rest) {
  std::vector<std::string> statements;
  std::string statement;
  bool has_words = false;
  for (size_t i = 0; i < text.size();) {
    const auto take_until = [&](std::string_view end, size_t from) {
      const size_t found = text.find(end, from);
      const size_t stop = found == text.npos ? text.size() : found + end.size();
      statement += text.substr(i, stop - i);
      i = stop;
    };
    if (text.substr(i, 2) == "--") {
      take_until("\n", i);
    } else if (text.substr(i, 2) == "/*") {
      take_until("*/", i + 2);
    } else if (text[i] == '\'' || text[i] == '"') {
      has_words = true;
      take_until(text.substr(i, 1), i + 1);  // A doubled quote begins the next one.
    } else if (text[i] == ';') {
      if (has_words) statements.push_back(statement);
      statement.clear();
      has_words = false;
      ++i;
    } else {
      has_words = has_words || std::string_view(" \t\r\n").find(text[i]) == std::string_view::npos;
      statement += text[i++];
    }
  }
  rest = has_words ? statement : std::string();
  return statements;
}

int RunStatement(const Global& global, const SqlOptions& options, const std::string& sql,
                 SqlSource source) {
  if (source.text.empty()) source.text = sql;
  auto client = Client::Connect(global);
  auto watcher = Client::Connect(global);
  if (!client.ok()) return Fail(client.error());
  if (!watcher.ok()) return Fail(watcher.error());
  os::SystemRandom random;
  const std::string id = fmt::format("cli-{:016x}", random.Next());
  Output output(options.form);
  Result<api::Response> answer = Unavailable("not sent");
  std::promise<void> over;
  std::jthread query([&] {
    answer = client->Stream(
        "/v1/sql",
        {{"content-type", "application/json"}, {"accept", std::string(MediaTypeOf(options.form))}},
        RequestJson(options, sql, id),
        [&output](std::string_view bytes) { return output.Take(bytes); });
    over.set_value();
  });
  const auto ended = over.get_future();
  bool cancelled = false;
  bool shown = false;
  for (int64_t waited = kTickMs;
       ended.wait_for(std::chrono::milliseconds(kTickMs)) != std::future_status::ready;
       waited += kTickMs) {
    if (CaughtSignal() != 0 && !std::exchange(cancelled, true)) {
      [[maybe_unused]] const auto told = watcher->Ask("DELETE", "/v1/queries/" + id);
    }
    if (options.progress && waited >= kProgressAfterMs && waited % kProgressAfterMs == 0) {
      ShowProgress(*watcher, id);
      shown = true;
    }
  }
  query.join();
  if (shown) std::fprintf(stderr, "\r\x1b[K");
  const int interrupted = CaughtSignal() == SIGTERM ? kTerminated : kInterrupted;
  if (!answer.ok()) {
    if (cancelled) return interrupted;
    const auto reported = ReportCutOff(*watcher, id, global);
    return reported ? *reported : Fail(answer.error());
  }
  if (answer->status != 200) {
    const int code = PrintProblem(global, *answer, source, sql);
    return cancelled ? interrupted : code;
  }
  if (const auto failed = output.Finish()) {
    if (cancelled) return interrupted;
    if (const auto reported = ReportCutOff(*watcher, id, global)) return *reported;
    std::fprintf(stderr, "error: the answer was cut off: %s\n", failed->message().c_str());
    return kUnreachable;
  }
  return kDone;
}

}  // namespace sluice::cli::internal
