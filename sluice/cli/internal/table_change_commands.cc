#include "sluice/cli/internal/table_change_commands.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>

#include "sluice/cli/command_line.h"
#include "sluice/cli/internal/client.h"
#include "sluice/cli/internal/json_line.h"
#include "sluice/cli/internal/open_table.h"
#include "sluice/columnar/parquet.h"
#include "sluice/lake/cluster_files.h"
#include "sluice/lake/compact_files.h"
#include "sluice/lake/merge_rows.h"
#include "sluice/lake/row_changes.h"
#include "sluice/lake/scan.h"
#include "sluice/lake/vacuum.h"
#include "sluice/land/table_schema.h"
#include "sluice/ledger/proof.h"

namespace sluice::cli::internal {

namespace {

// A source is held in memory.
constexpr uint64_t kSourceBytesMax = uint64_t{4} << 30;
constexpr int kThreads = 2;  // Rows are written while others are read.

int Finish(const Status& status) {
  // With the word for what can be done.
  return status.ok() ? kDone : Fail(Error(status.error().code(), status.error().ToString()));
}

bool HasJournal(const lake::Snapshot& snapshot) {
  return std::ranges::any_of(snapshot.transactions(),
                             [](const auto& entry) { return ledger::IsLanding(entry.first); });
}

// What waits in a journal is not in the table yet, and no change of the table reaches it.
void WarnOfJournal(const Global& global, const lake::Snapshot& snapshot) {
  if (!HasJournal(snapshot) || global.quiet) return;
  std::fputs("note: a journal lands here; events that it has not landed yet are not changed\n",
             stderr);
}

void Print(const Global& global, const TableChangeArguments& arguments,
           const lake::ChangeReport& report) {
  JsonLine line;
  line.Text("table", arguments.address)
      .Number("version", report.snapshot->version())
      .Number("rows_deleted", report.rows_deleted)
      .Number("rows_updated", report.rows_updated)
      .Number("rows_inserted", report.rows_inserted)
      .Number("rows_copied", report.rows_copied)
      .Number("files_added", report.files_added)
      .Number("files_removed", report.files_removed)
      .Number("files_marked", report.files_marked);
  PrintAnswer(global, line.Finish() + "\n");
  WarnOfJournal(global, *report.snapshot);
}

Result<std::optional<lake::Expression>> Condition(const TableChangeArguments& arguments) {
  if (arguments.all == !arguments.where.empty()) {
    return Invalid("say which rows: --where CONDITION, or --all for every one");
  }
  if (arguments.all) return std::optional<lake::Expression>();
  SLUICE_ASSIGN_OR_RETURN(auto condition, lake::Expression::Parse(arguments.where), "--where");
  return std::optional(std::move(condition));
}

lake::ChangeOptions Options() { return {.write = {.threads = kThreads}}; }

Status Delete(const Global& global, const TableChangeArguments& arguments) {
  SLUICE_ASSIGN_OR_RETURN(const auto condition, Condition(arguments));
  SLUICE_ASSIGN_OR_RETURN(const auto opened, OpenTable(global, arguments.address));
  SLUICE_ASSIGN_OR_RETURN(const auto report,
                          lake::DeleteRows(*opened->table, condition, Options()));
  Print(global, arguments, report);
  return {};
}

Status Update(const Global& global, const TableChangeArguments& arguments) {
  SLUICE_ASSIGN_OR_RETURN(const auto condition, Condition(arguments));
  std::vector<lake::Assignment> assignments;
  for (const std::string& text : arguments.assignments) {
    const size_t equals = text.find('=');
    if (equals == std::string::npos || equals == 0) {
      return Invalid("--set '{}': expected COLUMN=EXPRESSION", text);
    }
    SLUICE_ASSIGN_OR_RETURN(auto value, lake::Expression::Parse(text.substr(equals + 1)),
                            "--set '{}'", text);
    assignments.push_back({text.substr(0, equals), std::move(value)});
  }
  SLUICE_ASSIGN_OR_RETURN(const auto opened, OpenTable(global, arguments.address));
  SLUICE_ASSIGN_OR_RETURN(const auto report,
                          lake::UpdateRows(*opened->table, assignments, condition, Options()));
  Print(global, arguments, report);
  return {};
}

Result<std::vector<columnar::Batch>> ReadSource(const Global& global, const std::string& address) {
  if (address.ends_with(".parquet")) {
    os::SystemDisk disk;
    SLUICE_ASSIGN_OR_RETURN(const std::string bytes, os::ReadFile(disk, address, kSourceBytesMax));
    return columnar::ReadParquet(bytes);
  }
  SLUICE_ASSIGN_OR_RETURN(const auto opened, OpenTable(global, address));
  SLUICE_ASSIGN_OR_RETURN(const auto snapshot, opened->table->Load());
  SLUICE_ASSIGN_OR_RETURN(const auto scan, lake::Scan::Open(*opened->table, snapshot));
  std::vector<columnar::Batch> batches;
  uint64_t bytes = 0;
  while (true) {
    SLUICE_ASSIGN_OR_RETURN(columnar::Batch batch, scan->Next());
    if (batch == nullptr) return batches;
    bytes += static_cast<uint64_t>(columnar::MemoryBytes(*batch));
    if (bytes > kSourceBytesMax) {
      return Invalid("--source '{}': more than {} bytes, which do not fit in memory", address,
                     kSourceBytesMax);
    }
    batches.push_back(std::move(batch));
  }
}

Status Merge(const Global& global, const TableChangeArguments& arguments) {
  using Clause = lake::MergeClause;
  std::vector<lake::MergeKey> keys;
  for (const std::string& text : arguments.keys) {
    const size_t equals = text.find('=');
    keys.push_back(
        {text.substr(0, equals), equals == std::string::npos ? text : text.substr(equals + 1)});
  }
  std::vector<Clause> clauses;
  if (arguments.matched != "keep") {
    clauses.push_back({.when = Clause::When::kMatched,
                       .action = arguments.matched == "delete" ? Clause::Action::kDelete
                                                               : Clause::Action::kUpdate});
  }
  if (arguments.not_matched == "insert") {
    clauses.push_back({.when = Clause::When::kNotMatched, .action = Clause::Action::kInsert});
  }
  SLUICE_ASSIGN_OR_RETURN(const auto source, ReadSource(global, arguments.source), "--source");
  if (source.empty()) return Invalid("--source '{}': it has no rows", arguments.source);
  SLUICE_ASSIGN_OR_RETURN(const auto opened, OpenTable(global, arguments.address));
  SLUICE_ASSIGN_OR_RETURN(const auto report,
                          lake::MergeRows(*opened->table, source, keys, clauses, Options()));
  Print(global, arguments, report);
  return {};
}

// 0: not said.
Result<int64_t> FileSize(const TableChangeArguments& arguments) {
  if (arguments.file_size.empty()) return 0;
  SLUICE_ASSIGN_OR_RETURN(const uint64_t size, server::ParseSize(arguments.file_size),
                          "--file-size");
  return static_cast<int64_t>(std::min<uint64_t>(size, INT64_MAX));
}

JsonLine Rewritten(const TableChangeArguments& arguments, const lake::CompactReport& report) {
  JsonLine line;
  line.Text("table", arguments.address)
      .Number("version", report.snapshot->version())
      .Number("files_removed", report.files_removed)
      .Number("files_added", report.files_added)
      .Number("bytes_removed", report.bytes_removed)
      .Number("bytes_added", report.bytes_added)
      .Number("rows", report.rows)
      .Number("rows_purged", report.rows_purged)
      .Number("files_lost", report.files_lost)
      .Number("commits", report.commits);
  return line;
}

Status Cluster(const Global& global, const TableChangeArguments& arguments) {
  lake::ClusterOptions options{
      .write = {.threads = kThreads}, .columns = arguments.by, .full = arguments.full};
  if (arguments.curve == "z-order") options.curve = lake::Curve::kZOrder;
  SLUICE_ASSIGN_OR_RETURN(options.file_bytes, FileSize(arguments));
  if (!arguments.where.empty()) {
    SLUICE_ASSIGN_OR_RETURN(options.where, lake::Expression::Parse(arguments.where), "--where");
  }
  SLUICE_ASSIGN_OR_RETURN(const auto opened, OpenTable(global, arguments.address));
  SLUICE_ASSIGN_OR_RETURN(options.since, opened->table->Load());
  if (HasJournal(*options.since)) options.write.parquet = land::IdentityFileOptions();
  SLUICE_ASSIGN_OR_RETURN(const auto report, lake::ClusterFiles(*opened->table, options));
  JsonLine line = Rewritten(arguments, report);
  line.Number("files_skipped", report.files_skipped).Number("bytes_skipped", report.bytes_skipped);
  PrintAnswer(global, line.Finish() + "\n");
  if (report.files_skipped > 0 && !global.quiet) {
    std::fprintf(stderr,
                 "note: %lld files stay as they are: clustered already, or alone and small "
                 "(--full: all are written anew)\n",
                 static_cast<long long>(report.files_skipped));
  }
  return {};
}

Status Compact(const Global& global, const TableChangeArguments& arguments, bool purge) {
  lake::CompactOptions options{.write = {.threads = kThreads}};
  SLUICE_ASSIGN_OR_RETURN(options.file_bytes, FileSize(arguments));
  if (!arguments.where.empty()) {
    SLUICE_ASSIGN_OR_RETURN(options.where, lake::Expression::Parse(arguments.where), "--where");
  }
  if (purge) {
    options.deleted_part_max = 0;
    options.small_files = false;
  }
  SLUICE_ASSIGN_OR_RETURN(const auto opened, OpenTable(global, arguments.address));
  SLUICE_ASSIGN_OR_RETURN(options.since, opened->table->Load());
  if (HasJournal(*options.since)) options.write.parquet = land::IdentityFileOptions();
  SLUICE_ASSIGN_OR_RETURN(const auto report, lake::CompactFiles(*opened->table, options));
  PrintAnswer(global, Rewritten(arguments, report).Finish() + "\n");
  return {};
}

Status Vacuum(const Global& global, const TableChangeArguments& arguments) {
  lake::VacuumOptions options{.allow_short_retention = arguments.force,
                              .dry_run = arguments.dry_run};
  if (!arguments.retention.empty()) {
    SLUICE_ASSIGN_OR_RETURN(const auto retention, server::ParseDuration(arguments.retention),
                            "--retain");
    options.retention = std::chrono::floor<std::chrono::milliseconds>(retention);
  }
  SLUICE_ASSIGN_OR_RETURN(const auto opened, OpenTable(global, arguments.address));
  if (opened->table->expiry() != nullptr) {
    std::fprintf(stderr,
                 "the clock is not where the project expects it (its server was off, or the clock "
                 "was set): only what is old by the time that the project trusts goes\n");
  }
  auto vacuumed = lake::Vacuum(*opened->table, options);
  if (!vacuumed.ok() && vacuumed.error().code() == ErrorCode::kInvalid && !arguments.force) {
    return std::move(vacuumed).error().Wrap("--force allows it");
  }
  SLUICE_RETURN_IF_ERROR(vacuumed);
  const lake::VacuumReport& report = *vacuumed;
  JsonLine line;
  line.Text("table", arguments.address)
      .Number("version", report.snapshot->version())
      .Raw("dry_run", arguments.dry_run ? "true" : "false")
      .Number("files_deleted", report.files_deleted)
      .Number("bytes_deleted", report.bytes_deleted)
      .Number("files_kept", report.files_kept)
      .List("paths", report.paths);
  PrintAnswer(global, line.Finish() + "\n");
  return {};
}

}  // namespace

void AddClusterOptions(CLI::App& command, TableChangeArguments& arguments) {
  command
      .add_option("--by", arguments.by,
                  "Columns, one to four; else those that the table itself is clustered by")
      ->option_text("COLUMN,...")
      ->delimiter(',');
  command.add_option("--curve", arguments.curve, "Along which rows are put in order")
      ->check(CLI::IsMember({"hilbert", "z-order"}));
  command.add_flag("--full", arguments.full, "Also files that are clustered so already");
  command.add_option("--where", arguments.where, "Only files that may have such rows")
      ->option_text("CONDITION");
  command.add_option("--file-size", arguments.file_size, "Of a full file, such as 16MiB")
      ->option_text("SIZE");
}

int DeleteTableRows(const Global& global, const TableChangeArguments& arguments) {
  return Finish(Delete(global, arguments));
}
int UpdateTableRows(const Global& global, const TableChangeArguments& arguments) {
  return Finish(Update(global, arguments));
}
int MergeTableRows(const Global& global, const TableChangeArguments& arguments) {
  return Finish(Merge(global, arguments));
}
int CompactTable(const Global& global, const TableChangeArguments& arguments) {
  return Finish(Compact(global, arguments, false));
}
int ClusterTable(const Global& global, const TableChangeArguments& arguments) {
  return Finish(Cluster(global, arguments));
}
int PurgeTable(const Global& global, const TableChangeArguments& arguments) {
  return Finish(Compact(global, arguments, true));
}
int VacuumTable(const Global& global, const TableChangeArguments& arguments) {
  return Finish(Vacuum(global, arguments));
}

}  // namespace sluice::cli::internal
