// `sluice sql` and `sluice query`: scripts, the shell, and what runs.

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <iostream>
#include <iterator>
#include <optional>

#include "sluice/base/percent.h"
#include "sluice/base/trim.h"
#include "sluice/cli/command_line.h"
#include "sluice/cli/internal/commands.h"
#include "sluice/cli/internal/line_editor.h"
#include "sluice/cli/internal/sql_client.h"

namespace sluice::cli::internal {

namespace {

constexpr const char* kHelp =
    "A statement ends with ';'. Ctrl-C stops a query or drops what was typed, Ctrl-D ends.\n"
    "  \\d           tables\n"
    "  \\d NAME      columns of a table\n"
    "  \\o FORM      form of answers: table, json, ndjson, csv\n"
    "  \\asof WHEN   tables as they were at a version or time; without WHEN: as they are\n"
    "  \\q           end\n";

std::string HistoryFile() {
  const char* const home = std::getenv("HOME");
  return home == nullptr || *home == '\0' ? std::string() : std::string(home) + "/.sluice_history";
}

class Shell {
 public:
  Shell(const Global& global, SqlOptions options)
      : global_(global), options_(std::move(options)), editor_(HistoryFile()) {}

  int Run() {
    std::printf("Sluice SQL; \\? for help\n");
    std::string pending;
    while (true) {
      std::string line;
      const auto end = editor_.Read(pending.empty() ? "sluice> " : "   ...> ", line);
      if (end == LineEditor::End::kInputOver) break;
      if (end == LineEditor::End::kInterrupted) {
        pending.clear();
        continue;
      }
      const std::string trimmed(Trim(line));
      if (pending.empty() && trimmed.starts_with('\\')) {
        editor_.Remember(trimmed);
        if (!Command(trimmed)) break;
        continue;
      }
      pending += (pending.empty() ? "" : "\n") + line;
      std::string rest;
      const auto statements = SplitStatements(pending, rest);
      if (statements.empty() && !rest.empty()) continue;  // More is to come.
      editor_.Remember(std::string(Trim(pending)));
      for (const std::string& statement : statements) Query(statement);
      pending = rest;
    }
    editor_.Save();
    return kDone;
  }

 private:
  void Query(const std::string& sql) {
    ForgetSignal();
    RunStatement(global_, options_, sql);
    ForgetSignal();
  }

  /// Returns whether to go on.
  bool Command(const std::string& line) {
    const size_t space = line.find(' ');
    const std::string name = line.substr(0, space);
    const std::string argument(Trim(std::string_view(line).substr(std::min(space, line.size()))));
    if (name == "\\q") return false;
    if (name == "\\d" && argument.empty()) {
      Query(
          "select table_name, version, files, landed_rows, pending_rows from system.tables "
          "order by table_name");
    } else if (name == "\\d") {
      std::string quoted;
      for (const char c : argument) quoted += c == ';' ? ' ' : c;
      Query("describe " + quoted);
    } else if (name == "\\o") {
      static constexpr std::string_view kForms[] = {"table", "json", "ndjson", "csv"};
      if (std::ranges::find(kForms, argument) == std::end(kForms)) {
        std::fprintf(stderr, "error: the forms are table, json, ndjson and csv\n");
      } else {
        options_.form = argument;
      }
    } else if (name == "\\asof") {
      options_.as_of = argument;
    } else {
      std::printf("%s", kHelp);
    }
    return true;
  }

  const Global& global_;
  SqlOptions options_;
  LineEditor editor_;
};

Result<SqlOptions> ReadOptions(const Global& global, const SqlArguments& arguments) {
  SqlOptions options;
  const bool terminal = isatty(STDOUT_FILENO) == 1;
  options.form = !global.output.empty() ? global.output : terminal ? "table" : "csv";
  if (terminal && (options.form == "arrow" || options.form == "parquet")) {
    return Invalid("{} is not for a terminal: send it to a file", options.form);
  }
  options.as_of = arguments.as_of;
  options.time_max_ms = static_cast<int64_t>(arguments.timeout_seconds * 1000);
  options.progress = isatty(STDERR_FILENO) == 1 && !global.quiet;
  for (const std::string& parameter : arguments.parameters) {
    const size_t equals = parameter.find('=');
    if (equals == std::string::npos || equals == 0) {
      return Invalid("--param: expected NAME=VALUE");
    }
    options.parameters.emplace_back(parameter.substr(0, equals), parameter.substr(equals + 1));
  }
  return options;
}

}  // namespace

int Sql(const Global& global, const SqlArguments& arguments) {
  auto options = ReadOptions(global, arguments);
  if (!options.ok()) {
    Fail(options.error());
    return kUsage;
  }
  std::string text = arguments.command;
  if (text.empty()) {
    if (arguments.file.empty() && isatty(STDIN_FILENO) == 1 && isatty(STDOUT_FILENO) == 1) {
      CatchSignals();
      return Shell(global, *options).Run();
    }
    auto input = ReadInput(arguments.file.empty() ? "-" : arguments.file);
    if (!input.ok()) return Fail(input.error());
    text = std::move(*input);
  }
  CatchSignals();
  std::string rest;
  auto statements = SplitStatements(text, rest);
  if (!rest.empty()) statements.push_back(rest);
  if (statements.empty()) {
    Fail(Invalid("there is no query"));
    return kUsage;
  }
  SqlSource source{.text = text};
  if (!arguments.file.empty() && arguments.file != "-") source.name = arguments.file;
  for (const std::string& statement : statements) {
    if (const int code = RunStatement(global, *options, statement, source); code != kDone) {
      return code;
    }
    source.begin = text.find(statement, source.begin) + statement.size();
  }
  return kDone;
}

namespace {

/// Asks of the program itself, as every other query.
int ShowRows(const Global& global, const std::string& sql) {
  SqlOptions options;
  options.form = !global.output.empty() ? global.output : "table";
  CatchSignals();
  return RunStatement(global, options, sql);
}

}  // namespace

int ListQueries(const Global& global) {
  return ShowRows(global,
                  "select id, state, started, elapsed_ms, rows, bytes, code, sql from "
                  "system.queries order by started desc");
}

int ListTopics(const Global& global) {
  return ShowRows(global,
                  "select topic, table_name, sum(next_offset) as events, sum(pending) as pending "
                  "from system.topics group by all order by topic");
}

int ListTables(const Global& global) {
  return ShowRows(global,
                  "select table_name, version, files, landed_rows, pending_rows, stopped from "
                  "system.tables order by table_name");
}

int ShowQuery(const Global& global, const std::string& id) {
  auto client = Client::Connect(global);
  if (!client.ok()) return Fail(client.error());
  const auto answer = client->Ask("GET", "/v1/queries/" + PercentEncode(id));
  if (!answer.ok()) return Fail(answer.error());
  std::fwrite(answer->body.data(), 1, answer->body.size(), stdout);
  return kDone;
}

int CancelQuery(const Global& global, const std::string& id) {
  auto client = Client::Connect(global);
  if (!client.ok()) return Fail(client.error());
  const auto answer = client->Ask("DELETE", "/v1/queries/" + PercentEncode(id));
  if (!answer.ok()) return Fail(answer.error());
  std::fprintf(stderr, "cancelled %s\n", id.c_str());
  return kDone;
}

}  // namespace sluice::cli::internal
