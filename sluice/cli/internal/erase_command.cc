#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>

#include "sluice/cli/command_line.h"
#include "sluice/cli/internal/client.h"
#include "sluice/cli/internal/json_line.h"
#include "sluice/cli/internal/open_table.h"
#include "sluice/cli/internal/table_change_commands.h"
#include "sluice/lake/erase_rows.h"
#include "sluice/lake/timestamps.h"
#include "sluice/land/table_schema.h"
#include "sluice/ledger/carried_over.h"
#include "sluice/ledger/proof.h"

namespace sluice::cli::internal {

namespace {

constexpr uint64_t kValuesBytesMax = uint64_t{256} << 20;

// The lines of a file, without those that are empty.
Result<std::vector<std::string>> ReadLines(const std::string& path) {
  os::SystemDisk disk;
  SLUICE_ASSIGN_OR_RETURN(const std::string text, os::ReadFile(disk, path, kValuesBytesMax));
  std::vector<std::string> lines;
  std::string_view rest = text;
  while (!rest.empty()) {
    const size_t end = std::min(rest.find('\n'), rest.size());
    std::string_view line = rest.substr(0, end);
    rest.remove_prefix(std::min(end + 1, rest.size()));
    if (line.ends_with('\r')) line.remove_suffix(1);
    if (!line.empty()) lines.emplace_back(line);
  }
  if (lines.empty()) return Invalid("'{}' has no values, one a line", path);
  return lines;
}

// The landing whose counter the rows are counted in: the one that goes on. Empty: none lands here.
std::string LandingOf(const lake::Snapshot& snapshot) {
  const lake::Transaction* last = nullptr;
  for (const auto& [app, transaction] : snapshot.transactions()) {
    if (!ledger::IsLanding(app)) continue;
    if (last == nullptr || transaction.version > last->version) last = &transaction;
  }
  return last == nullptr ? "" : last->app_id;
}

std::string Time(int64_t ms) { return lake::TimestampText(ms * 1000); }

std::string Text(const TableChangeArguments& arguments, const lake::EraseReport& report,
                 const std::optional<lake::FindReport>& proof) {
  JsonLine line;
  line.Text("table", arguments.address)
      .Text("request", report.request)
      .Number("rows_erased", report.rows_erased)
      .Number("rows_purged", report.rows_purged)
      .Number("rows_copied", report.rows_copied)
      .Number("files_before", report.files_before)
      .Number("files_after", report.files_after)
      .Number("bytes_before", report.bytes_before)
      .Number("bytes_after", report.bytes_after)
      .Number("data_files_deleted", report.data_files_deleted)
      .Number("log_files_deleted", report.log_files_deleted)
      .Number("version_before", report.version_before)
      .Number("oldest_version", report.oldest_version)
      .Text("began", Time(report.began_ms))
      .Text("gone", Time(report.gone_ms))
      .List("files_left", report.files_left);
  std::string of_proof;
  if (proof) {
    // Which line of the file: the value itself stands nowhere.
    std::vector<std::string> found;
    for (const lake::FoundValue& value : proof->found) {
      found.push_back(fmt::format("{}: value {}", value.path, value.value + 1));
    }
    JsonLine inner;
    of_proof = inner.Number("objects", proof->objects)
                   .Number("bytes", proof->bytes)
                   .Number("decoded", proof->decoded)
                   .Number("found", proof->found_count)
                   .List("where", found)
                   .List("not_decoded", proof->not_decoded)
                   .Finish();
  }
  return line.Raw("proof", of_proof).Finish() + "\n";
}

Status Erase(const Global& global, const TableChangeArguments& arguments) {
  const bool by_key = !arguments.keys.empty() || !arguments.values.empty();
  if (by_key == !arguments.where.empty()) {
    return Invalid(
        "say which rows: --where CONDITION, or --key COLUMN with --values FILE, one value a line");
  }
  if (by_key && (arguments.keys.size() != 1 || arguments.values.empty())) {
    return Invalid("--key COLUMN and --values FILE belong together");
  }
  lake::ErasedRows rows;
  std::vector<std::string> values;
  if (by_key) {
    SLUICE_ASSIGN_OR_RETURN(values, ReadLines(arguments.values), "--values");
    std::ranges::sort(values);
    const auto [first, last] = std::ranges::unique(values);
    values.erase(first, last);
    rows.column = arguments.keys.front();
    rows.values = values;
  } else {
    SLUICE_ASSIGN_OR_RETURN(rows.condition, lake::Expression::Parse(arguments.where), "--where");
  }
  std::vector<std::string> proved;
  if (!arguments.prove.empty()) {
    SLUICE_ASSIGN_OR_RETURN(proved, ReadLines(arguments.prove), "--prove");
    for (const std::string& value : proved) {
      if (value.size() >= lake::kFindBytesMin) continue;
      return Invalid("--prove: a value of {} bytes stands everywhere by chance; at least {}",
                     value.size(), lake::kFindBytesMin);
    }
  }
  SLUICE_ASSIGN_OR_RETURN(const auto opened, OpenTable(global, arguments.address));
  SLUICE_ASSIGN_OR_RETURN(const auto snapshot, opened->table->Load());
  lake::EraseOptions options{.request = arguments.request};
  if (arguments.alone) options.unnamed_age = {};
  if (const std::string landing = LandingOf(*snapshot); !landing.empty()) {
    if (!arguments.landed) {
      return Invalid(
          "a journal lands into this table: rows that still wait in it would come after the "
          "erasure. Have its server land them (POST /v1/admin/land), or stop it, then say "
          "--landed");
    }
    options.write.parquet = land::IdentityFileOptions();
    options.count_deleted = {.app_id = landing + std::string(ledger::kErasedCounter),
                             .column = "_offset"};
    options.carry_over = [&table = *opened->table, landing](const auto& newest) {
      return ledger::CarryOverRemoved(table, newest, landing);
    };
  }
  SLUICE_ASSIGN_OR_RETURN(const auto report, lake::EraseRows(*opened->table, rows, options));
  std::optional<lake::FindReport> proof;
  if (!proved.empty()) {
    SLUICE_ASSIGN_OR_RETURN(
        proof, lake::FindValues(opened->table->store(), opened->table->InRoot(""), proved),
        "the rows are erased; --prove");
  }
  PrintAnswer(global, Text(arguments, report, proof));
  if (proof && proof->found_count > 0) {
    return Corrupt("the rows are erased, but {} times a value is found in the folder",
                   proof->found_count);
  }
  if (!report.files_left.empty() && !global.quiet) {
    std::fprintf(stderr,
                 "note: %zu files that no commit names are younger than a day, and stay: a writer "
                 "may be about to commit them (--alone: nobody else writes)\n",
                 report.files_left.size());
  }
  return {};
}

}  // namespace

void AddEraseOptions(CLI::App& command, TableChangeArguments& arguments) {
  command.add_option("--where", arguments.where, "Rows for which this is true")
      ->option_text("CONDITION");
  command.add_option("--key", arguments.keys, "Column that has one of the values")
      ->option_text("COLUMN");
  command.add_option("--values", arguments.values, "A file with the values, one a line")
      ->option_text("FILE");
  command.add_option("--request-id", arguments.request, "Name of the request, for the log")
      ->option_text("ID");
  command
      .add_option("--prove", arguments.prove,
                  "Then look for the lines of this file in every byte of the folder")
      ->option_text("FILE");
  command.add_flag("--landed", arguments.landed,
                   "What waited in the journal that lands here has landed");
  command.add_flag("--alone", arguments.alone,
                   "Nobody else writes: delete also young files that no commit names");
}

int EraseTableRows(const Global& global, const TableChangeArguments& arguments) {
  const Status erased = Erase(global, arguments);
  return erased.ok() ? kDone : Fail(Error(erased.error().code(), erased.error().ToString()));
}

}  // namespace sluice::cli::internal
