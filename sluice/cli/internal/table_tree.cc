#include "sluice/cli/internal/table_tree.h"

#include <CLI/CLI.hpp>

#include "sluice/cli/internal/open_table.h"

namespace sluice::cli::internal {
namespace {

/// Returns what adds commands on the table that their first argument names.
template <typename Arguments>
auto OnTable(CLI::App& parent, const AddCommand& add, const Global& global, Arguments& arguments) {
  return [&](const char* name, const char* help, int (*run)(const Global&, const Arguments&)) {
    CLI::App* const command = add(parent, name, help, [&global, &arguments, run] {
      arguments.address = AddressOf(global, arguments.address);
      return run(global, arguments);
    });
    command
        ->add_option("table", arguments.address,
                     "Folder of the table, s3://bucket/path, or a landed table: bronze.orders")
        ->required();
    return command;
  };
}

}  // namespace

void TableTree::AddTo(CLI::App& table, const AddCommand& add) {
  add(table, "list", "List landed tables", [this] { return ListTables(global_); });
  AddReaders(table, add);
  AddChanges(table, add);
  AddAlterations(table, add);
  CLI::App* command = add(table, "adopt", "Let landing go on behind what another journal landed",
                          [this] { return AdoptTable(global_, adopted_); });
  command->add_option("topic", adopted_, "Topic of the table")->required();
}

void TableTree::AddReaders(CLI::App& parent, const AddCommand& add_command) {
  const auto add = OnTable(parent, add_command, global_, read_);
  const auto add_moment = [&](CLI::App* command) {
    CLI::Option* const version =
        command->add_option("--version", read_.version, "At this version")->option_text("N");
    command->add_option("--timestamp", read_.timestamp, "As it was at this time")
        ->option_text("TIME")
        ->excludes(version);
  };
  const auto add_columns = [&](CLI::App* command) {
    command->add_option("--columns", read_.columns, "Only these")->option_text("A,B");
    command
        ->add_option("--zone", read_.zone,
                     "Zone of timestamps in partition values that do not name one")
        ->option_text("ZONE");
    command->add_option("--limit", read_.limit, "At most so many rows");
  };
  CLI::App* command = add("read", "Write a table's rows", ReadTable);
  add_moment(command);
  add_columns(command);
  command->add_option("--where", read_.where, "Only rows for which this is true")
      ->option_text("CONDITION");
  add_moment(add("describe", "Show schema, features and properties", DescribeTable));
  command = add("history", "Show who did what when, newest first", ShowTableHistory);
  command->add_option("--limit", read_.limit, "At most so many commits");
  command = add("files", "List the data files", ListTableFiles);
  add_moment(command);
  command->add_option("--where", read_.where, "Only files that may have such rows")
      ->option_text("CONDITION");
  command = add("changes", "Write the rows that changed", ShowTableChanges);
  command->add_option("--from", read_.version, "First version")->option_text("N");
  command->add_option("--to", read_.to, "Last version")->option_text("N");
  add_columns(command);
  add_moment(add("check", "Compare all files with the log", CheckTableFiles));
}

void TableTree::AddChanges(CLI::App& parent, const AddCommand& add_command) {
  const auto add = OnTable(parent, add_command, global_, changed_);
  const auto add_rows = [&](CLI::App* command) {
    CLI::Option* const where =
        command->add_option("--where", changed_.where, "Rows for which this is true")
            ->option_text("CONDITION");
    command->add_flag("--all", changed_.all, "Every row")->excludes(where);
  };
  add_rows(add("delete", "Delete rows", DeleteTableRows));
  CLI::App* command = add("update", "Change columns of rows", UpdateTableRows);
  command
      ->add_option("--set", changed_.assignments,
                   "A column and the expression for its new value; may stand several times")
      ->option_text("COLUMN=EXPRESSION")
      ->required();
  add_rows(command);
  command = add("merge", "Update rows that a source has, too, and insert those that it has alone",
                MergeTableRows);
  command->add_option("--source", changed_.source, "A Parquet file, or another table")
      ->option_text("PATH")
      ->required();
  command
      ->add_option("--key", changed_.keys,
                   "Column by which rows match, and its name in the source, if another")
      ->option_text("COLUMN[=COLUMN]")
      ->required();
  command->add_option("--matched", changed_.matched, "What becomes of rows of both")
      ->check(CLI::IsMember({"update", "delete", "keep"}));
  command
      ->add_option("--not-matched", changed_.not_matched,
                   "What becomes of rows of the source alone")
      ->check(CLI::IsMember({"insert", "ignore"}));
  command = add("compact", "Put the rows of small files into fewer, fuller ones", CompactTable);
  command->add_option("--where", changed_.where, "Only files that may have such rows")
      ->option_text("CONDITION");
  command->add_option("--file-size", changed_.file_size, "Of a full file, such as 256MiB")
      ->option_text("SIZE");
  command = add("cluster", "Put rows that are near each other in some columns into the same files",
                ClusterTable);
  AddClusterOptions(*command, changed_);
  add("purge", "Rewrite files without the rows that are deleted in them", PurgeTable);
  command = add("vacuum", "Delete files that no version needs within the retention", VacuumTable);
  command
      ->add_option("--retain", changed_.retention,
                   "Keep what left the table since, such as 168h; else as the table says")
      ->option_text("TIME");
  command->add_flag("--force", changed_.force, "Also where the table says longer");
  command->add_flag("--dry-run", changed_.dry_run, "Only say what would go");
  AddConvertOptions(*add("convert", "Make a folder of Parquet files a table", ConvertFolder),
                    changed_);
  command =
      add("erase", "Delete rows, and every byte of them from the table's folder", EraseTableRows);
  AddEraseOptions(*command, changed_);
}

void TableTree::AddAlterations(CLI::App& parent, const AddCommand& add_command) {
  CLI::App* command = OnTable(parent, add_command, global_, altered_)(
      "alter", "Change columns, properties and constraints", AlterTable);
  AddAlterOptions(*command, altered_);
  const auto add = OnTable(parent, add_command, global_, then_);
  const auto add_moment = [this](CLI::App& at) {
    CLI::Option* const version =
        at.add_option("--version", then_.version, "As it was at this version")->option_text("N");
    at.add_option("--timestamp", then_.timestamp, "As it was at this time")
        ->option_text("TIME")
        ->excludes(version);
  };
  command = add("restore", "Bring a table back to an older version of itself", RestoreTable);
  add_moment(*command);
  command = add("clone", "Make a table that begins as another one is", CloneTable);
  command->add_option("target", then_.target, "Folder of the new table")->required();
  command->add_flag("--shallow,!--deep", then_.shallow,
                    "Name the files where they lie, instead of copying them");
  add_moment(*command);
}

}  // namespace sluice::cli::internal
