#include <fmt/format.h>
#include <fmt/ranges.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <string_view>

#include "sluice/base/trim.h"
#include "sluice/cli/command_line.h"
#include "sluice/cli/internal/client.h"
#include "sluice/cli/internal/json_line.h"
#include "sluice/cli/internal/open_table.h"
#include "sluice/cli/internal/table_change_commands.h"
#include "sluice/lake/convert_parquet.h"

namespace sluice::cli::internal {

namespace {

using PartitionColumn = lake::ConvertOptions::PartitionColumn;

/// `day date, amount decimal(9,2), country`.
Result<std::vector<PartitionColumn>> ParseColumns(std::string_view text) {
  std::vector<PartitionColumn> columns;
  while (!text.empty()) {
    // A comma in parentheses is the type's.
    size_t end = text.find(',');
    const size_t open = text.find('(');
    if (open != std::string_view::npos && open < end) end = text.find(',', text.find(')', open));
    const std::string_view entry = Trim(text.substr(0, end));
    text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
    const size_t space = entry.find(' ');
    PartitionColumn column{.name = std::string(entry.substr(0, space))};
    if (column.name.empty()) {
      return Invalid("--partitioned-by: expected 'COLUMN [TYPE], …', such as 'day date, country'");
    }
    if (space != std::string_view::npos) {
      SLUICE_ASSIGN_OR_RETURN(column.type, lake::TypeByName(Trim(entry.substr(space))),
                              "--partitioned-by");
    }
    columns.push_back(std::move(column));
  }
  return columns;
}

Status Convert(const Global& global, const TableChangeArguments& arguments) {
  lake::ConvertOptions options{.dry_run = arguments.dry_run};
  if (!arguments.partitioned_by.empty()) {
    SLUICE_ASSIGN_OR_RETURN(options.partitioned_by, ParseColumns(arguments.partitioned_by));
  }
  SLUICE_ASSIGN_OR_RETURN(const auto opened, OpenTable(global, arguments.address));
  SLUICE_ASSIGN_OR_RETURN(const auto report, lake::ConvertParquet(*opened->table, options));
  std::vector<std::string> locked_out;
  for (const lake::LockedOut& engine : report.locked_out) {
    locked_out.push_back(fmt::format("{} cannot {} it: {}", engine.engine,
                                     engine.reading ? "read" : "write to",
                                     fmt::join(engine.features, ", ")));
  }
  JsonLine line;
  line.Text("table", arguments.address)
      .Raw("version", report.snapshot == nullptr ? "" : "0")
      .Raw("dry_run", arguments.dry_run ? "true" : "false")
      .Number("files", report.files)
      .Number("bytes", report.bytes)
      .Number("rows", report.rows)
      .Number("files_left_out", report.files_left_out)
      .List("partition_columns", report.partition_columns)
      .List("columns_left_out", report.columns_left_out)
      .List("widened", report.widened)
      .List("locked_out", locked_out)
      .Raw("schema", report.schema_json);
  PrintAnswer(global, line.Finish() + "\n");
  return {};
}

}  // namespace

void AddConvertOptions(CLI::App& command, TableChangeArguments& arguments) {
  command
      .add_option("--partitioned-by", arguments.partitioned_by,
                  "Columns that folders are named after, outermost first; else as the folders of "
                  "the first file say, all of them text")
      ->option_text("'COLUMN [TYPE], …'");
  command.add_flag("--dry-run", arguments.dry_run, "Only say what the table would be");
}

int ConvertFolder(const Global& global, const TableChangeArguments& arguments) {
  const Status done = Convert(global, arguments);
  return done.ok() ? kDone : Fail(Error(done.error().code(), done.error().ToString()));
}

}  // namespace sluice::cli::internal
