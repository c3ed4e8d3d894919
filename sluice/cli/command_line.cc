#include "sluice/cli/command_line.h"

#include <CLI/CLI.hpp>
#include <cstdio>
#include <exception>

#include "sluice/base/trace.h"
#include "sluice/cli/internal/commands.h"
#include "sluice/cli/internal/table_commands.h"
#include "sluice/server/version.h"

namespace sluice::cli {
namespace {

using internal::Global;

/// A command: its words, its help, and what runs it.
CLI::App* Add(CLI::App& parent, const char* name, const char* help, int& code,
              std::function<int()> run) {
  CLI::App* const command = parent.add_subcommand(name, help);
  command->fallthrough();
  command->callback([&code, run = std::move(run)] { code = run(); });
  return command;
}

/// Commands on a Delta table by its path or URI.
void AddTableCommands(CLI::App& parent, const Global& global, internal::TableArguments& arguments,
                      int& code) {
  const auto add = [&](const char* name, const char* help,
                       int (*run)(const Global&, const internal::TableArguments&)) {
    CLI::App* const command = Add(parent, name, help, code,
                                  [&global, &arguments, run] { return run(global, arguments); });
    command->add_option("table", arguments.address, "Folder of the table, or s3://bucket/path")
        ->required();
    return command;
  };
  const auto add_moment = [&](CLI::App* command) {
    CLI::Option* const version =
        command->add_option("--version", arguments.version, "At this version")->option_text("N");
    command->add_option("--timestamp", arguments.timestamp, "As it was at this time")
        ->option_text("TIME")
        ->excludes(version);
  };
  const auto add_columns = [&](CLI::App* command) {
    command->add_option("--columns", arguments.columns, "Only these")->option_text("A,B");
    command
        ->add_option("--zone", arguments.zone,
                     "Zone of timestamps in partition values that do not name one")
        ->option_text("ZONE");
    command->add_option("--limit", arguments.limit, "At most so many rows");
  };
  CLI::App* command = add("read", "Write a table's rows", internal::ReadTable);
  add_moment(command);
  add_columns(command);
  command->add_option("--where", arguments.where, "Only rows for which this is true")
      ->option_text("CONDITION");
  add_moment(add("describe", "Show schema, features and properties", internal::DescribeTable));
  command = add("history", "Show who did what when, newest first", internal::ShowTableHistory);
  command->add_option("--limit", arguments.limit, "At most so many commits");
  command = add("files", "List the data files", internal::ListTableFiles);
  add_moment(command);
  command->add_option("--where", arguments.where, "Only files that may have such rows")
      ->option_text("CONDITION");
  command = add("changes", "Write the rows that changed", internal::ShowTableChanges);
  command->add_option("--from", arguments.version, "First version")->option_text("N");
  command->add_option("--to", arguments.to, "Last version")->option_text("N");
  add_columns(command);
  add_moment(add("check", "Compare all files with the log", internal::CheckTableFiles));
}

int Run(int argc, const char* const* argv) {
  CLI::App app{"Sluice: events in, lakehouse out.", "sluice"};
  app.require_subcommand(1);
  app.fallthrough();
  app.get_formatter()->column_width(34);
  Global global;
  int code = kDone;
  app.add_option("-C", global.folder, "Project folder")->option_text("DIR");
  app.add_option("-o", global.output, "Form of the output")
      ->check(CLI::IsMember({"table", "json", "ndjson", "csv", "arrow", "parquet"}))
      ->option_text("FORM");
  app.add_option("--server", global.address, "Server to talk to, if not the project's")
      ->option_text("HOST:PORT");
  app.add_option("--token", global.token, "Token to show; else the one in SLUICE_TOKEN")
      ->envname("SLUICE_TOKEN")
      ->option_text("TOKEN");
  app.add_option("--log-format", global.log_format, "Form of the trace")
      ->check(CLI::IsMember({"text", "json"}))
      ->option_text("text|json");
  app.add_option("--format", global.format, "Form of diagnostics about files")
      ->check(CLI::IsMember({"text", "github", "sarif", "json"}))
      ->option_text("text|github|sarif|json");
  app.add_flag("-q,--quiet", global.quiet, "Only warnings and errors");
  app.parse_complete_callback([&global] {
    trace::Configure(global.quiet ? trace::Level::kWarning : trace::Level::kInfo,
                     global.log_format == "json" ? trace::Format::kJson : trace::Format::kText);
  });

  internal::DemoArguments demo;
  CLI::App* command = Add(app, "demo", "Run a temporary project with a generator of events", code,
                          [&] { return internal::Demo(global, demo); });
  command->add_option("--rate", demo.rate, "Events a second")->option_text("N/s");
  command->add_option("--seconds", demo.seconds, "How long; until interrupted if not given")
      ->check(CLI::Range(1, 86'400));
  command->add_option("--keep", demo.keep, "Keep the project in this folder")->option_text("DIR");
  command->add_option("--port", demo.port, "Port of the server; 0 for any free one");

  std::string init_folder = ".";
  command =
      Add(app, "init", "Make a project", code, [&] { return internal::Init(global, init_folder); });
  command->add_option("dir", init_folder, "Folder of the project");

  Add(app, "check", "Check the project file and all schemas", code,
      [&] { return internal::Check(global); });
  std::string explained;
  command = Add(app, "explain", "Explain an error code, or list them", code,
                [&] { return internal::Explain(explained); });
  command->add_option("code", explained, "Code, such as SL1107");

  Add(app, "serve", "Serve the project until SIGTERM", code,
      [&] { return internal::Serve(global); });
  Add(app, "status", "Show topics and their tables", code,
      [&] { return internal::ShowStatus(global); });

  internal::VerifyArguments verify;
  command = Add(app, "verify", "Prove from the tables that no event was lost or doubled", code,
                [&] { return internal::Verify(global, verify); });
  command->add_option("topic", verify.topic, "Only of this topic");
  command
      ->add_option("--tables", verify.tables,
                   "Tables without a server: a folder of them, or the address of one")
      ->option_text("DIR");

  internal::SqlArguments sql;
  command = Add(app, "sql", "Run queries: from -c, -f or standard input; else a shell", code,
                [&] { return internal::Sql(global, sql); });
  command->add_option("-c", sql.command, "The query")->option_text("SQL");
  command->add_option("-f", sql.file, "File with the query")->option_text("FILE");
  command->add_option("--as-of", sql.as_of, "Tables as they were, without what had not landed")
      ->option_text("VERSION|TIME");
  command->add_option("--param", sql.parameters, "Value of $name in the query, such as n=5")
      ->option_text("NAME=VALUE");
  command->add_option("--timeout", sql.timeout_seconds, "Seconds a query may take")
      ->check(CLI::Range(0.001, 600.0))
      ->option_text("SECONDS");

  CLI::App* const query = app.add_subcommand("query", "Queries that run and ran");
  query->require_subcommand(1);
  query->fallthrough();
  std::string query_id;
  Add(*query, "list", "List them, newest first", code,
      [&] { return internal::ListQueries(global); });
  command =
      Add(*query, "show", "Show one", code, [&] { return internal::ShowQuery(global, query_id); });
  command->add_option("id", query_id, "Its id")->required();
  command = Add(*query, "cancel", "Stop one that runs", code,
                [&] { return internal::CancelQuery(global, query_id); });
  command->add_option("id", query_id, "Its id")->required();

  internal::SendArguments send;
  command = Add(app, "send", "Send events: NDJSON, or one JSON array", code,
                [&] { return internal::Send(global, send); });
  command->add_option("file", send.file, "File, or - for standard input")->required();
  command->add_option("--topic", send.topic, "Topic of bare rows; else rows are envelopes");
  command->add_option("--wait", send.wait, "What to wait for")
      ->check(CLI::IsMember({"none", "log", "table"}));
  command->add_option("--batch-id", send.batch_id,
                      "Name of the whole input, for topics deduped by batch");
  command->add_option("--batch", send.batch_rows, "Rows a request")->check(CLI::Range(1, 10'000));

  CLI::App* const schema = app.add_subcommand("schema", "Schemas of topics");
  schema->require_subcommand(1);
  schema->fallthrough();
  internal::SchemaArguments schema_arguments;
  const auto add_schema = [&](const char* name, const char* help, auto run) {
    return Add(*schema, name, help, code, [&, run] { return run(global, schema_arguments); });
  };
  const auto needs_topic = [&](CLI::App* to, const char* help) {
    to->add_option("topic", schema_arguments.topic, help)->required();
  };
  command = add_schema("add", "Add a schema to the running server", internal::AddSchema);
  command->add_option("files", schema_arguments.files, "Cap'n Proto or JSON Schema files")
      ->required();
  Add(*schema, "list", "List topics with their fields", code,
      [&] { return internal::ListSchemas(global); });
  command = add_schema("show", "Show a topic's schema", internal::ShowSchema);
  command->add_option("topic", schema_arguments.topic, "Topic, or TOPIC@VERSION");
  command->add_flag("--builtin", schema_arguments.builtin, "Show sluice.capnp: the annotations");
  needs_topic(add_schema("history", "Show what each version changed", internal::ShowSchemaHistory),
              "Topic");
  command = add_schema("diff", "Compare two versions", internal::DiffSchemas);
  needs_topic(command, "Topic");
  command->add_option("from", schema_arguments.from, "Version")->required();
  command->add_option("to", schema_arguments.to, "Version; the newest if not given");
  command = add_schema("check", "Check a schema, and whether it can follow the present one",
                       internal::CheckSchema);
  command->add_option("files", schema_arguments.files, "Cap'n Proto or JSON Schema files")
      ->required();
  command->add_option("--level", schema_arguments.level, "Instead of the topic's own level")
      ->check(CLI::IsMember({"none", "backward", "forward", "full"}));
  command =
      add_schema("infer", "Write a schema that takes the events of a file", internal::InferSchema);
  command->add_option("file", schema_arguments.file, "NDJSON, or - for standard input")->required();
  command->add_option("--topic", schema_arguments.topic, "Topic of the schema")->required();

  CLI::App* const topic = app.add_subcommand("topic", "Topics");
  topic->require_subcommand(1);
  topic->fallthrough();
  std::string deleted;
  bool yes = false;
  command = Add(*topic, "delete", "Forget a topic; the files of its table stay", code,
                [&] { return internal::DeleteTopic(global, deleted, yes); });
  command->add_option("topic", deleted, "Its name")->required();
  command->add_flag("--yes", yes, "Do not ask");

  CLI::App* const table =
      app.add_subcommand("table", "Landed tables, and any Delta table by its path");
  table->require_subcommand(1);
  table->fallthrough();
  internal::TableArguments any_table;
  AddTableCommands(*table, global, any_table, code);
  std::string adopted;
  command = Add(*table, "adopt", "Let landing go on behind what another journal landed", code,
                [&] { return internal::AdoptTable(global, adopted); });
  command->add_option("topic", adopted, "Topic of the table")->required();

  CLI::App* const pii = app.add_subcommand("pii", "Personal data: declared, found, revealed");
  pii->require_subcommand(1);
  pii->fallthrough();
  internal::PiiArguments personal;
  Add(*pii, "report", "List the fields that schemas call private, and what becomes of them", code,
      [&] { return internal::ReportPii(global); });
  command = Add(*pii, "scan", "Look for what may be private in columns that are in clear", code,
                [&] { return internal::ScanPii(global, personal); });
  command->add_option("--rows", personal.rows, "Rows of each table")
      ->check(CLI::Range(1, 10'000'000));
  command = Add(*pii, "reveal", "Show what a token stands for; keeps an audit row", code,
                [&] { return internal::RevealPii(global, personal); });
  command->add_option("token", personal.token, "As the table has it: s1.…, e1.…, x1.…")->required();
  command->add_option("--reason", personal.reason, "Why, for the audit row");

  CLI::App* const errors = app.add_subcommand("errors", "Events that could not be taken");
  errors->require_subcommand(1);
  errors->fallthrough();
  internal::ErrorsArguments error;
  const auto add_filters = [&](CLI::App* to) {
    to->add_option("--topic", error.topic, "Only of this topic");
    to->add_option("--code", error.code, "Only with this code");
  };
  add_filters(Add(*errors, "list", "List open errors", code,
                  [&] { return internal::ListErrors(global, error); }));
  command = Add(*errors, "show", "Show one with its payload", code,
                [&] { return internal::ShowError(global, error); });
  command->add_option("id", error.id, "Its id")->required();
  command = Add(*errors, "retry", "Send one again, as it is or corrected", code,
                [&] { return internal::RetryError(global, error); });
  command->add_option("id", error.id, "Its id")->required();
  command->add_option("--edit", error.edited,
                      "File with the corrected event, - for standard input");
  command = Add(*errors, "replay", "Send all open errors again", code,
                [&] { return internal::ReplayErrors(global, error); });
  add_filters(command);
  command->add_flag("--dry-run", error.dry_run, "Only count them");
  command = Add(*errors, "drop", "Close one without sending it", code,
                [&] { return internal::DropError(global, error); });
  command->add_option("id", error.id, "Its id")->required();

  CLI::App* const token = app.add_subcommand("token", "Tokens of senders, readers, administrators");
  token->require_subcommand(1);
  token->fallthrough();
  internal::TokenArguments tokens;
  command = Add(*token, "create", "Make a token and print it, this once", code,
                [&] { return internal::CreateToken(global, tokens); });
  command
      ->add_option("--scope", tokens.scopes,
                   "send:TOPIC, read:TOPIC or admin; TOPIC may end with *; may be given again")
      ->required()
      ->option_text("SCOPE");
  command->add_option("--ttl", tokens.ttl, "How long it is valid; for ever if not given")
      ->option_text("90d");
  Add(*token, "list", "List tokens with their scopes", code,
      [&] { return internal::ListTokens(global); });
  command = Add(*token, "revoke", "Refuse a token from now on", code,
                [&] { return internal::RevokeToken(global, tokens); });
  command->add_option("id", tokens.id, "Its id, as `sluice token list` shows it")->required();

  Add(app, "version", "Print the version", code, [] {
    std::printf("sluice %.*s\n", static_cast<int>(server::kVersion.size()),
                server::kVersion.data());
    return kDone;
  });
  app.set_version_flag("--version", "sluice " + std::string(server::kVersion));

  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error_found) {
    return app.exit(error_found) == 0 ? kDone : kUsage;
  }
  return code;
}

}  // namespace

int RunCommandLine(int argc, const char* const* argv) {
  try {
    return Run(argc, argv);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "error: %s (a bug in sluice; please report it)\n", error.what());
    return kBug;
  }
}

}  // namespace sluice::cli
