#include "sluice/cli/command_line.h"

#include <CLI/CLI.hpp>
#include <cctype>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <functional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "sluice/base/trace.h"
#include "sluice/cli/internal/backup_commands.h"
#include "sluice/cli/internal/command_tree.h"
#include "sluice/cli/internal/commands.h"
#include "sluice/cli/internal/journal_commands.h"
#include "sluice/cli/internal/pages.h"
#include "sluice/cli/internal/table_tree.h"
#include "sluice/server/settings.h"
#include "sluice/server/version.h"

namespace sluice::cli {
namespace {

using internal::Global;

/// The tree of commands, with what their options fill.
///
/// Not thread-safe.
class Commands {
 public:
  Commands();

  int Run(int argc, const char* const* argv);
  /// Prints what may stand in place of the last word.
  int Complete(const std::vector<std::string>& words);

 private:
  /// A command: its words, its help, and what runs it.
  CLI::App* Add(CLI::App& parent, const char* name, const char* help, std::function<int()> run) {
    CLI::App* const command = parent.add_subcommand(name, help);
    command->fallthrough();
    command->callback([this, run = std::move(run)] { code_ = run(); });
    return command;
  }
  /// A word with commands below it.
  CLI::App& AddGroup(const char* name, const char* help) {
    CLI::App* const group = app_.add_subcommand(name, help);
    group->require_subcommand(1);
    group->fallthrough();
    return *group;
  }

  void AddGlobals();
  void ReadOverrides();
  void AddProject();
  void AddQueries();
  void AddEvents();
  void AddSchemas();
  void AddTopics();
  void AddJournal();
  void AddBackup();
  void AddPersonalData();
  void AddErrors();
  void AddTokens();
  void AddAbout();
  int Help();

  CLI::App app_{"Sluice: events in, lakehouse out.", "sluice"};
  int code_ = kDone;
  Global global_;
  std::vector<std::string> settings_;
  std::string colour_ = "auto";
  bool verbose_ = false;
  internal::CheckArguments check_;
  internal::DemoArguments demo_;
  internal::InitArguments init_;
  internal::DevArguments dev_;
  internal::FormatArguments format_;
  internal::ConfigArguments config_;
  internal::DoctorArguments doctor_;
  internal::StatusArguments status_;
  internal::VerifyArguments verify_;
  std::string explained_;
  internal::SqlArguments sql_;
  std::string query_id_;
  internal::SendArguments send_;
  internal::GenerateArguments generate_;
  internal::TailArguments tail_;
  internal::SchemaArguments schema_;
  std::string described_;
  std::string deleted_;
  bool yes_ = false;
  internal::TableTree tables_{global_};
  internal::JournalArguments journal_;
  internal::BackupArguments backup_;
  internal::PiiArguments personal_;
  internal::ErrorsArguments error_;
  internal::TokenArguments tokens_;
  std::string shell_;
  std::vector<std::string> helped_;
  bool pages_ = false;
  bool reference_ = false;
};

Commands::Commands() {
  app_.require_subcommand(1);
  app_.fallthrough();
  app_.get_formatter()->column_width(34);
  AddGlobals();
  AddProject();
  AddEvents();
  AddQueries();
  AddSchemas();
  AddTopics();
  tables_.AddTo(
      AddGroup("table", "Landed tables, and any Delta table by its path"),
      [this](auto&&... command) { return Add(std::forward<decltype(command)>(command)...); });
  AddJournal();
  AddBackup();
  AddErrors();
  AddPersonalData();
  AddTokens();
  AddAbout();
}

void Commands::AddGlobals() {
  app_.add_option("-C", global_.folder, "Project folder")->option_text("DIR");
  app_.add_option("-o", global_.output, "Form of the output")
      ->check(CLI::IsMember({"table", "json", "ndjson", "csv", "md", "arrow", "parquet"}))
      ->option_text("FORM");
  app_.add_option("--server", global_.address, "Server to talk to, if not the project's")
      ->option_text("[http[s]://]HOST:PORT");
  app_.add_option("--authorities", global_.authorities,
                  "File of those whose certificates are trusted; the system's if not given")
      ->envname("SLUICE_AUTHORITIES")
      ->option_text("FILE");
  app_.add_option("--token", global_.token, "Token to show; else the one in SLUICE_TOKEN")
      ->envname("SLUICE_TOKEN")
      ->option_text("TOKEN");
  app_.add_option("--log-format", global_.log_format, "Form of the trace")
      ->check(CLI::IsMember({"text", "json"}))
      ->option_text("text|json");
  app_.add_option("--format", global_.format, "Form of diagnostics about files")
      ->check(CLI::IsMember({"text", "github", "sarif", "json"}))
      ->option_text("text|github|sarif|json");
  app_.add_flag("-q,--quiet", global_.quiet, "Only warnings and errors");
  app_.add_flag("-v,--verbose", verbose_, "More of what is done");
  app_.add_option("--color", colour_,
                  "Colours in diagnostics; auto: on a terminal without NO_COLOR")
      ->check(CLI::IsMember({"auto", "never", "always"}))
      ->option_text("auto|never|always");
  app_.add_flag("--no-input", global_.no_input, "Ask nothing: what would be asked is refused");
  app_.add_option("--profile", global_.overrides.profile,
                  "Profile of the project file to lay over it; else SLUICE_PROFILE")
      ->envname("SLUICE_PROFILE")
      ->option_text("NAME");
  app_.add_option("-X", settings_,
                  "Set this instead of what the project file says; may be given again")
      ->allow_extra_args(false)
      ->option_text("KEY=VALUE");
  app_.parse_complete_callback([this] {
    ReadOverrides();
    internal::SetColour(colour_);
    trace::Configure(global_.quiet ? trace::Level::kWarning
                     : verbose_    ? trace::Level::kDebug
                                   : trace::Level::kInfo,
                     global_.log_format == "json" ? trace::Format::kJson : trace::Format::kText);
  });
}

/// From the environment, `SLUICE_LAND_EVERY=10s`, then from -X.
void Commands::ReadOverrides() {
  for (const std::string& key : server::SettingKeys()) {
    if (key == "version") continue;
    std::string variable = "SLUICE_" + key;
    for (char& c : variable) c = c == '.' ? '_' : static_cast<char>(std::toupper(c));
    if (const char* const value = std::getenv(variable.c_str()); value != nullptr) {
      global_.overrides.settings.push_back({key, value, "$" + variable});
    }
  }
  for (const std::string& setting : settings_) {
    const size_t equals = setting.find('=');
    if (equals == 0 || equals == std::string::npos) {
      throw CLI::ValidationError("-X", "expected KEY=VALUE, such as -X land.every=10s");
    }
    global_.overrides.settings.push_back(
        {setting.substr(0, equals), setting.substr(equals + 1), "-X " + setting.substr(0, equals)});
  }
}

void Commands::AddProject() {
  CLI::App* command = Add(app_, "demo", "Run a temporary project with a generator of events",
                          [this] { return internal::Demo(global_, demo_); });
  internal::AddDemoOptions(*command, demo_);

  command = Add(app_, "init", "Make a project", [this] { return internal::Init(global_, init_); });
  command->add_option("dir", init_.folder, "Folder of the project");
  command->add_option("--template", init_.name, "What it begins with")
      ->check(CLI::IsMember({"first", "demo"}))
      ->option_text("first|demo");

  command = Add(app_, "dev", "Serve the project, and follow its files as they change",
                [this] { return internal::Dev(global_, dev_); });
  command->add_option("--port", dev_.port, "Instead of the project's; if taken, the next free one")
      ->check(CLI::Range(0, 65'535));
  Add(app_, "serve", "Serve the project until SIGTERM",
      [this] { return internal::Serve(global_); });
  command = Add(app_, "status", "Show topics and their tables",
                [this] { return internal::ShowStatus(global_, status_); });
  internal::AddStatusOptions(*command, status_);
  command = Add(app_, "verify", "Prove from the tables that no event was lost or doubled",
                [this] { return internal::Verify(global_, verify_); });
  command->add_option("topic", verify_.topic, "Only of this topic");
  command
      ->add_option("--tables", verify_.tables,
                   "Tables without a server: a folder of them, or the address of one")
      ->option_text("DIR");
  command->add_option("--from", verify_.from, "Only events received since then")
      ->option_text("TIME");
  command->add_option("--to", verify_.to, "Only events received before then")->option_text("TIME");
  command->add_flag("--full", verify_.full, "Read all bytes of all files, counted before or not");

  command = Add(app_, "check", "Check the project file and all schemas, or single files",
                [this] { return internal::Check(global_, check_); });
  command->add_option("path", check_.paths, "Files, or folders of projects");
  command->add_flag("--deny-warnings", check_.deny_warnings, "Warnings fail, too");
  command = Add(app_, "explain", "Explain an error code, or list them",
                [this] { return internal::Explain(explained_); });
  command->add_option("code", explained_, "Code, such as SL1107");

  command = Add(app_, "fmt", "Bring schemas and project file into their plain form",
                [this] { return internal::Format(global_, format_); });
  command->add_option("file", format_.files, "Files; those of the project if none is given");
  command->add_flag("--check", format_.check, "Only list what would change; then the code is 1");
  command = Add(app_, "doctor", "Look whether this machine and this project are fit to serve",
                [this] { return internal::Diagnose(global_, doctor_); });
  command->add_option("--bundle", doctor_.bundle, "Write findings, settings and state to a file")
      ->option_text("FILE");
  CLI::App& config = AddGroup("config", "Settings");
  command = Add(config, "show", "Show what the project file sets",
                [this] { return internal::ShowConfig(global_, config_); });
  command->add_flag("--resolved", config_.resolved, "Defaults, too");
  command->add_flag("--origin", config_.origin, "With file and line of each");
  Add(config, "schema", "Print the JSON Schema of the project file, for editors",
      [] { return internal::ShowConfigSchema(); });
}

void Commands::AddEvents() {
  CLI::App* command = Add(app_, "send", "Send events: NDJSON, or one JSON array",
                          [this] { return internal::Send(global_, send_); });
  command->add_option("file", send_.file, "File, or - for standard input")->required();
  command->add_option("--topic", send_.topic, "Topic of bare rows; else rows are envelopes");
  command->add_option("--wait", send_.wait, "What to wait for")
      ->check(CLI::IsMember({"none", "log", "table"}));
  command->add_option("--batch-id", send_.batch_id,
                      "Name of the whole input, for topics deduped by batch");
  command->add_option("--batch", send_.batch_rows, "Rows a request")->check(CLI::Range(1, 10'000));

  command = Add(app_, "generate",
                "Write events made up from a topic's schema, or of a domain without any project",
                [this] { return internal::Generate(global_, generate_); });
  command
      ->add_option("topic", generate_.topic,
                   "Topic of a schema of the project; or identity, shop, pointer, metadata, iot")
      ->required();
  command->add_option("--count", generate_.count, "How many; until stopped if not given")
      ->check(CLI::Range(int64_t{1}, int64_t{1'000'000'000}));
  command->add_option("--rate", generate_.rate, "Events a second; as fast as they are taken else")
      ->check(CLI::Range(0.001, 1e6));
  command->add_option("--seed", generate_.seed, "The same seed and start make the same events");
  command->add_option("--start", generate_.start, "Time of the first event; now if not given")
      ->option_text("TIME");
  command->add_flag("--bare", generate_.bare, "Rows for `send --topic`, not envelopes");

  command = Add(app_, "tail", "Follow the events of a topic",
                [this] { return internal::Tail(global_, tail_); });
  command->add_option("topic", tail_.name, "Topic, or its table")->required();
  command->add_option("--from", tail_.from, "Begin with what came since, such as -5m")
      ->option_text("DURATION");
  command->add_option("--where", tail_.where, "Only rows for which this is true")
      ->option_text("CONDITION");
  command->add_option("--limit", tail_.limit, "End after so many rows")
      ->check(CLI::Range(int64_t{1}, int64_t{1'000'000'000}));
}

void Commands::AddQueries() {
  CLI::App* command = Add(app_, "sql", "Run queries: from -c, -f or standard input; else a shell",
                          [this] { return internal::Sql(global_, sql_); });
  command->add_option("-c", sql_.command, "The query")->option_text("SQL");
  command->add_option("-f", sql_.file, "File with the query")->option_text("FILE");
  command->add_option("--as-of", sql_.as_of, "Tables as they were, without what had not landed")
      ->option_text("VERSION|TIME");
  command->add_option("--param", sql_.parameters, "Value of $name in the query, such as n=5")
      ->option_text("NAME=VALUE");
  command->add_option("--timeout", sql_.timeout_seconds, "Seconds a query may take")
      ->check(CLI::Range(0.001, 600.0))
      ->option_text("SECONDS");

  CLI::App& query = AddGroup("query", "Queries that run and ran");
  Add(query, "list", "List them, newest first", [this] { return internal::ListQueries(global_); });
  command =
      Add(query, "show", "Show one", [this] { return internal::ShowQuery(global_, query_id_); });
  command->add_option("id", query_id_, "Its id")->required();
  command = Add(query, "cancel", "Stop one that runs",
                [this] { return internal::CancelQuery(global_, query_id_); });
  command->add_option("id", query_id_, "Its id")->required();
}

void Commands::AddSchemas() {
  CLI::App& schema = AddGroup("schema", "Schemas of topics");
  const auto add_schema = [&](const char* name, const char* help, auto run) {
    return Add(schema, name, help, [this, run] { return run(global_, schema_); });
  };
  const auto needs_topic = [this](CLI::App* to, const char* help) {
    to->add_option("topic", schema_.topic, help)->required();
  };
  CLI::App* command = add_schema("add", "Add a schema to the running server", internal::AddSchema);
  command->add_option("files", schema_.files, "Cap'n Proto or JSON Schema files")->required();
  Add(schema, "list", "List topics with their fields",
      [this] { return internal::ListSchemas(global_); });
  command = add_schema("show", "Show a topic's schema", internal::ShowSchema);
  command->add_option("topic", schema_.topic, "Topic, or TOPIC@VERSION");
  command->add_flag("--builtin", schema_.builtin, "Show sluice.capnp: the annotations");
  needs_topic(add_schema("history", "Show what each version changed", internal::ShowSchemaHistory),
              "Topic");
  command = add_schema("diff", "Compare two versions", internal::DiffSchemas);
  needs_topic(command, "Topic");
  command->add_option("from", schema_.from, "Version")->required();
  command->add_option("to", schema_.to, "Version; the newest if not given");
  command = add_schema("check", "Check a schema, and whether it can follow the present one",
                       internal::CheckSchema);
  command->add_option("files", schema_.files, "Cap'n Proto or JSON Schema files")->required();
  command->add_option("--level", schema_.level, "Instead of the topic's own level")
      ->check(CLI::IsMember({"none", "backward", "forward", "full"}));
  command =
      add_schema("infer", "Write a schema that takes the events of a file", internal::InferSchema);
  command->add_option("file", schema_.file, "NDJSON, or - for standard input")->required();
  command->add_option("--topic", schema_.topic, "Topic of the schema")->required();
}

void Commands::AddTopics() {
  CLI::App& topic = AddGroup("topic", "Topics");
  Add(topic, "list", "List topics with their tables",
      [this] { return internal::ListTopics(global_); });
  CLI::App* command = Add(topic, "describe", "Show a topic: its schema, and how far its table is",
                          [this] { return internal::DescribeTopic(global_, described_); });
  command->add_option("topic", described_, "Its name")->required();
  command = Add(topic, "delete", "Forget a topic; the files of its table stay",
                [this] { return internal::DeleteTopic(global_, deleted_, yes_); });
  command->add_option("topic", deleted_, "Its name")->required();
  command->add_flag("--yes", yes_, "Do not ask");
}

void Commands::AddJournal() {
  CLI::App& journal = AddGroup("journal", "The journal's files: without a server, or beside it");
  const auto add = [&](const char* name, const char* help,
                       int (*run)(const Global&, const internal::JournalArguments&)) {
    CLI::App* const command =
        Add(journal, name, help, [this, run] { return run(global_, journal_); });
    command->add_option("--journal", journal_.folder, "Folder of a journal, if not the project's")
        ->option_text("DIR");
    return command;
  };
  add("verify", "Read every byte; name what is damaged, and which offsets that costs",
      internal::VerifyJournal);
  add("inspect", "List segments with their offsets, times and state", internal::InspectJournal);
  CLI::App* command = add("dump",
                          "Write what is in it, a line of JSON each; what is protected "
                          "stays protected",
                          internal::DumpJournal);
  command->add_option("--topic", journal_.topic, "Only of this topic");
  command->add_flag("--rows", journal_.rows, "Rows, not frames");
  command = add("repair", "Cut a torn tail off; make a damaged journal one that can be opened",
                internal::RepairJournal);
  command->add_flag("--accept-loss", journal_.accept_loss,
                    "Give acknowledged rows up that are damaged; lists them");
  command->add_option("--reason", journal_.reason, "Why, for the audit row");
}

void Commands::AddBackup() {
  CLI::App* command =
      Add(app_, "backup", "Copy journal, control state and tables, at one moment, into a folder",
          [this] { return internal::MakeBackup(global_, backup_); });
  command->add_option("folder", backup_.folder, "Empty or absent")->required();
  command->add_flag("--keys", backup_.keys,
                    "The key file, too, though it is not sealed: who has the backup has all");
  command = Add(app_, "restore", "Put a backup in place; checks every file first",
                [this] { return internal::RestoreBackup(global_, backup_); });
  command->add_option("folder", backup_.folder, "Of a backup")->required();
  command->add_flag("--check", backup_.check, "Only check it");
}

void Commands::AddErrors() {
  CLI::App& errors = AddGroup("errors", "Events that could not be taken");
  const auto add_filters = [this](CLI::App* to) {
    to->add_option("--topic", error_.topic, "Only of this topic");
    to->add_option("--code", error_.code, "Only with this code");
  };
  add_filters(Add(errors, "list", "List open errors",
                  [this] { return internal::ListErrors(global_, error_); }));
  CLI::App* command = Add(errors, "show", "Show one with its payload",
                          [this] { return internal::ShowError(global_, error_); });
  command->add_option("id", error_.id, "Its id")->required();
  command = Add(errors, "retry", "Send one again, as it is or corrected",
                [this] { return internal::RetryError(global_, error_); });
  command->add_option("id", error_.id, "Its id")->required();
  command->add_option("--edit", error_.edited,
                      "File with the corrected event, - for standard input");
  command = Add(errors, "replay", "Send all open errors again",
                [this] { return internal::ReplayErrors(global_, error_); });
  add_filters(command);
  command->add_flag("--dry-run", error_.dry_run, "Only say what would become of them");
  command = Add(errors, "drop", "Close one without sending it",
                [this] { return internal::DropError(global_, error_); });
  command->add_option("id", error_.id, "Its id")->required();
}

void Commands::AddPersonalData() {
  CLI::App& pii = AddGroup("pii", "Personal data: declared, found, revealed");
  Add(pii, "report", "List the fields that schemas call private, and what becomes of them",
      [this] { return internal::ReportPii(global_); });
  CLI::App* command = Add(pii, "scan", "Look for what may be private in columns that are in clear",
                          [this] { return internal::ScanPii(global_, personal_); });
  command->add_option("--rows", personal_.rows, "Rows of each table")
      ->check(CLI::Range(1, 10'000'000));
  command = Add(pii, "reveal", "Show what a token stands for; keeps an audit row",
                [this] { return internal::RevealPii(global_, personal_); });
  command->add_option("token", personal_.token, "As the table has it: s1.…, e1.…, x1.…")
      ->required();
  command->add_option("--reason", personal_.reason, "Why, for the audit row");
}

void Commands::AddTokens() {
  CLI::App& token = AddGroup("token", "Tokens of senders, readers, administrators");
  CLI::App* command = Add(token, "create", "Make a token and print it, this once",
                          [this] { return internal::CreateToken(global_, tokens_); });
  command
      ->add_option("--scope", tokens_.scopes,
                   "send:TOPIC, read:TOPIC or admin; TOPIC may end with *; may be given again")
      ->required()
      ->option_text("SCOPE");
  command->add_option("--ttl", tokens_.ttl, "How long it is valid; for ever if not given")
      ->option_text("90d");
  Add(token, "list", "List tokens with their scopes",
      [this] { return internal::ListTokens(global_); });
  command = Add(token, "revoke", "Refuse a token from now on",
                [this] { return internal::RevokeToken(global_, tokens_); });
  command->add_option("id", tokens_.id, "Its id, as `sluice token list` shows it")->required();
}

void Commands::AddAbout() {
  CLI::App* command = Add(app_, "completion", "Print what makes a shell complete commands", [this] {
    const std::string_view script = internal::CompletionScript(shell_);
    std::fwrite(script.data(), 1, script.size(), stdout);
    return kDone;
  });
  command->add_option("shell", shell_, "Which shell")
      ->required()
      ->check(CLI::IsMember({"bash", "zsh", "fish"}));
  command = Add(app_, "help", "Explain a command, or show a page of the documentation",
                [this] { return Help(); });
  command->add_option("command", helped_, "Its words, or a page, such as send-events");
  command->add_flag("--pages", pages_, "List the pages");
  command->add_flag("--reference", reference_, "All commands, as docs/reference/cli.md has them");
  Add(app_, "version", "Print the version", [] {
    std::printf("sluice %.*s\n", static_cast<int>(server::kVersion.size()),
                server::kVersion.data());
    return kDone;
  });
  app_.set_version_flag("--version", "sluice " + std::string(server::kVersion));
}

int Commands::Help() {
  if (reference_) {
    std::fputs(internal::WriteReference(app_).c_str(), stdout);
    return kDone;
  }
  if (pages_) {
    std::fputs(internal::ListPages().c_str(), stdout);
    return kDone;
  }
  const CLI::App* const command = internal::FindCommand(app_, helped_);
  const std::string page = helped_.size() == 1 ? internal::PageText(helped_[0]) : "";
  if (command == nullptr && page.empty()) {
    const std::string meant = helped_.size() == 1 ? internal::ClosestPage(helped_[0]) : "";
    const std::string text =
        meant.empty() ? internal::ExplainUsage(app_, helped_)
                      : "no page \"" + helped_[0] + "\"; did you mean \"" + meant + "\"?";
    std::fprintf(stderr, "error: %s\nrun `sluice help --pages` for the documentation\n",
                 text.c_str());
    return kUsage;
  }
  std::fputs(command == nullptr ? page.c_str() : command->help().c_str(), stdout);
  if (helped_.empty()) std::fputs("\nDocumentation: sluice help --pages\n", stdout);
  return kDone;
}

int Commands::Complete(const std::vector<std::string>& words) {
  trace::Configure(trace::Level::kError, trace::Format::kText);
  const auto names = [this](std::string_view thing) {
    return thing == "topic" || thing == "table" ? internal::TopicNames(global_)
                                                : std::vector<std::string>();
  };
  for (const std::string& candidate : internal::Complete(app_, words, names)) {
    std::printf("%s\n", candidate.c_str());
  }
  return kDone;
}

int Commands::Run(int argc, const char* const* argv) {
  try {
    app_.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    if (error.get_exit_code() == 0) return app_.exit(error);  // --help and --version.
    const std::string what =
        internal::ExplainUsage(app_, std::vector<std::string>(argv + 1, argv + argc));
    std::fprintf(stderr, "error: %s\nrun `sluice --help`, or `sluice help COMMAND`\n",
                 what.empty() ? error.what() : what.c_str());
    return kUsage;
  }
  return code_;
}

}  // namespace

int RunCommandLine(int argc, const char* const* argv) {
  try {
    Commands commands;
    if (argc >= 2 && std::string_view(argv[1]) == "__complete") {
      return commands.Complete(std::vector<std::string>(argv + 2, argv + argc));
    }
    return commands.Run(argc, argv);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "error: %s (a bug in sluice; please report it)\n", error.what());
    return kBug;
  }
}

}  // namespace sluice::cli
