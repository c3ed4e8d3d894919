#pragma once
/// \file
/// The commands behind the command line; each returns its exit code.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "sluice/base/diagnostic.h"
#include "sluice/base/error.h"
#include "sluice/server/config.h"

namespace CLI {
class App;
}

namespace sluice::cli::internal {

/// Flags that stand before or after every command.
struct Global {
  std::string folder = ".";  ///< -C
  std::string output;        ///< -o
  std::string token;         ///< --token; else SLUICE_TOKEN.
  std::string address;       ///< --server HOST:PORT; else the project's, else 127.0.0.1:7117.
  std::string authorities;   ///< --authorities: file of those whose certificates are trusted.
  std::string log_format = "text";
  std::string format = "text";  ///< --format: of diagnostics.
  bool quiet = false;
  bool no_input = false;        ///< --no-input: nothing is asked.
  server::Overrides overrides;  ///< --profile, -X, and SLUICE_* of the environment.
};

struct DemoArguments {
  std::string rate = "200/s";
  int64_t seconds = 0;   ///< 0: until interrupted.
  std::string keep;      ///< Folder to keep; a temporary one else.
  int port = -1;         ///< The project's, or the next that is free.
  bool no_open = false;  ///< Do not show the page in a browser.
};
void AddDemoOptions(CLI::App& command, DemoArguments& arguments);
/// Serves the demo's project and sends it events. A project in the folder to keep is served as it
/// is.
int Demo(const Global& global, const DemoArguments& arguments);

struct SqlArguments {
  std::string command;
  std::string file;
  std::string as_of;
  std::vector<std::string> parameters;  ///< `name=value`
  double timeout_seconds = 0;           ///< 0: the server's limit.
};
int Sql(const Global& global, const SqlArguments& arguments);
int ListQueries(const Global& global);
int ShowQuery(const Global& global, const std::string& id);
int CancelQuery(const Global& global, const std::string& id);

struct ConfigArguments {
  bool resolved = false;  ///< Defaults, too.
  bool origin = false;
};
int ShowConfig(const Global& global, const ConfigArguments& arguments);
/// Prints the JSON Schema of the project file.
int ShowConfigSchema();

struct FormatArguments {
  std::vector<std::string> files;  ///< None: all of the project.
  bool check = false;
};
/// Brings schemas and project file into their plain form.
int Format(const Global& global, const FormatArguments& arguments);

struct DoctorArguments {
  std::string bundle;  ///< File to write.
};
int Diagnose(const Global& global, const DoctorArguments& arguments);

struct DevArguments {
  int port = -1;  ///< The project's, or the next that is free.
};
/// Serves a project, and follows what happens to its files.
int Dev(const Global& global, const DevArguments& arguments);
/// Returns the first port from `wanted` on, of the next few, that is free; `wanted` if none is.
uint16_t FreePort(const std::string& address, uint16_t wanted);

struct GenerateArguments {
  std::string topic;
  int64_t count = 0;  ///< 0: until stopped.
  double rate = 0;    ///< Events a second; 0: as fast as they are taken.
  uint64_t seed = 0;  ///< 0: any.
  std::string start;  ///< Time of the first event; now if empty.
  bool bare = false;  ///< Rows without envelope.
};
/// Writes events made up from a topic's schema.
int Generate(const Global& global, const GenerateArguments& arguments);

struct TailArguments {
  std::string name;   ///< Topic or table.
  std::string from;   ///< `-5m`
  std::string where;  ///< A condition.
  int64_t limit = 0;  ///< Rows; 0: until stopped.
};
int Tail(const Global& global, const TailArguments& arguments);
/// Returns the topics of the running server, or of the project; for completion, so it is quick and
/// silent.
std::vector<std::string> TopicNames(const Global& global);

struct SendArguments {
  std::string file;
  std::string topic;
  std::string wait = "log";
  int64_t batch_rows = 1000;
  std::string batch_id;
};
int Send(const Global& global, const SendArguments& arguments);

int ListTopics(const Global& global);
int ListTables(const Global& global);

int Serve(const Global& global);
struct CheckArguments {
  std::vector<std::string> paths;  ///< Files and project folders; none: the project.
  bool deny_warnings = false;
};
/// Checks project files and schemas without a server.
int Check(const Global& global, const CheckArguments& arguments);
/// Explains an error code; without one lists them.
int Explain(const std::string& code);
struct InitArguments {
  std::string folder = ".";
  std::string name = "first";  ///< Of the template.
};
int Init(const Global& global, const InitArguments& arguments);
struct StatusArguments {
  std::string wait;  ///< `30s`: how long to wait for a server that starts.
};
int ShowStatus(const Global& global, const StatusArguments& arguments);
void AddStatusOptions(CLI::App& command, StatusArguments& arguments);

struct VerifyArguments {
  std::string topic;   ///< Empty: all.
  std::string tables;  ///< Folder of tables, or the address of one, instead of the project's.
  std::string from;    ///< Only events received since this time,
  std::string to;      ///< and before this one.
  bool full = false;   ///< Reads all files, also those that were counted before.
};
/// Counts the tables of the project, at one cut with its server where that runs; else up to the end
/// of its journal.
int Verify(const Global& global, const VerifyArguments& arguments);

struct SchemaArguments {
  std::vector<std::string> files;  ///< "-": standard input.
  std::string file;                ///< Of infer: the events.
  std::string topic;               ///< May end with `@VERSION`.
  std::string from;
  std::string to;
  std::string level;
  bool builtin = false;
};
int AddSchema(const Global& global, const SchemaArguments& arguments);
/// Sends schema files, with those that they import, to the server; returns its answer.
Result<std::string> SendSchemas(const Global& global, const std::vector<std::string>& files);
int ListSchemas(const Global& global);
/// Shows a topic's schema in short, and how far its table is.
int DescribeTopic(const Global& global, const std::string& topic);
int DeleteTopic(const Global& global, const std::string& topic, bool yes);
int ShowSchema(const Global& global, const SchemaArguments& arguments);
int ShowSchemaHistory(const Global& global, const SchemaArguments& arguments);
int DiffSchemas(const Global& global, const SchemaArguments& arguments);
int CheckSchema(const Global& global, const SchemaArguments& arguments);
int InferSchema(const Global& global, const SchemaArguments& arguments);

int AdoptTable(const Global& global, const std::string& topic);

struct TokenArguments {
  std::vector<std::string> scopes;
  std::string ttl;
  std::string id;
};
int CreateToken(const Global& global, const TokenArguments& arguments);
int ListTokens(const Global& global);
int RevokeToken(const Global& global, const TokenArguments& arguments);

struct PiiArguments {
  std::string token;
  std::string reason;
  int64_t rows = 100'000;
};
int ReportPii(const Global& global);
int ScanPii(const Global& global, const PiiArguments& arguments);
int RevealPii(const Global& global, const PiiArguments& arguments);

struct ErrorsArguments {
  std::string id;
  std::string topic;
  std::string code;
  std::string edited;  ///< File with the corrected event; "-": standard input.
  bool dry_run = false;
};
int ListErrors(const Global& global, const ErrorsArguments& arguments);
int ShowError(const Global& global, const ErrorsArguments& arguments);
int RetryError(const Global& global, const ErrorsArguments& arguments);
int ReplayErrors(const Global& global, const ErrorsArguments& arguments);
int DropError(const Global& global, const ErrorsArguments& arguments);

/// Asks the server and prints the answer; returns the exit code.
int Print(const Global& global, std::string_view method, const std::string& target,
          std::string_view body = {});

/// Prints the error, with excerpts where it is about a file, and returns its exit code.
int Fail(const Error& error);
/// Returns the form that --format names; text has colours where standard error shows them.
DiagnosticFormat DiagnosticFormatOf(const std::string& name);
/// Sets when text has colours: `auto`, `never`, `always`. Auto: on a terminal, if NO_COLOR is not
/// set (https://no-color.org).
void SetColour(const std::string& when);
/// Prints diagnostics: text to standard error, forms for machines to standard output.
void PrintDiagnostics(const std::vector<Diagnostic>& diagnostics, const std::string& format);
/// Reads the project file as the flags say. Tells on standard error what has no effect in it.
Result<server::Config> LoadConfig(const Global& global);

/// Set by SIGINT and SIGTERM once CatchSignals() was called; 0 until then.
int CaughtSignal();
void CatchSignals();
/// Makes CaughtSignal() 0 again: an interrupt has done what it should.
void ForgetSignal();
/// Blocks until a signal is caught or the time is over.
void WaitForSignal(int64_t milliseconds);

}  // namespace sluice::cli::internal
