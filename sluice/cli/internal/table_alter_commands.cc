#include "sluice/cli/internal/table_alter_commands.h"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <array>
#include <cstdio>
#include <iostream>
#include <map>
#include <string_view>
#include <utility>

#include "sluice/base/ascii.h"
#include "sluice/base/check.h"
#include "sluice/cli/command_line.h"
#include "sluice/cli/internal/client.h"
#include "sluice/cli/internal/json_line.h"
#include "sluice/cli/internal/open_table.h"
#include "sluice/lake/alter_table.h"
#include "sluice/lake/clone_table.h"
#include "sluice/lake/restore_table.h"

namespace sluice::cli::internal {

namespace {

using Alteration = lake::TableAlteration;

/// `place.city`; a name with a dot stands in backticks.
Result<lake::ColumnPath> ParsePath(std::string_view text) {
  lake::ColumnPath path(1);
  bool quoted = false;
  for (const char c : text) {
    if (c == '`') {
      quoted = !quoted;
    } else if (c == '.' && !quoted) {
      path.emplace_back();
    } else {
      path.back() += c;
    }
  }
  const bool whole = !quoted && std::ranges::none_of(path, &std::string::empty);
  if (!whole) return Invalid("'{}' is no column: expected NAME, or STRUCT.FIELD", text);
  return path;
}

/// `COLUMN=…`; what stands behind the sign may be anything.
Result<std::pair<std::string, std::string>> SplitAtSign(const std::string& text,
                                                        std::string_view expected) {
  const size_t sign = text.find('=');
  if (sign == 0 || sign == std::string::npos) return Invalid("'{}': expected {}", text, expected);
  return std::pair(text.substr(0, sign), text.substr(sign + 1));
}

/// `first`, or `after NAME`.
Result<lake::ColumnPlace> ParsePlace(std::string_view text) {
  if (LowerCase(text) == "first") {
    return lake::ColumnPlace{.where = lake::ColumnPlace::Where::kFirst};
  }
  constexpr std::string_view kAfter = "after ";
  if (LowerCase(text.substr(0, kAfter.size())) != kAfter || text.size() == kAfter.size()) {
    return Invalid("'{}' is no place: expected 'first' or 'after NAME'", text);
  }
  return lake::ColumnPlace{.where = lake::ColumnPlace::Where::kAfter,
                           .neighbour = std::string(text.substr(kAfter.size()))};
}

Result<Alteration> AddedColumn(const std::string& text) {
  SLUICE_ASSIGN_OR_RETURN(auto parts, SplitAtSign(text, "COLUMN=TYPE [first|after NAME]"));
  lake::AddColumn added;
  SLUICE_ASSIGN_OR_RETURN(added.path, ParsePath(parts.first));
  const size_t bracket = parts.second.find(')');  // `decimal(10, 2)` has a space in it.
  const size_t end = parts.second.find(' ', bracket == std::string::npos ? 0 : bracket);
  SLUICE_ASSIGN_OR_RETURN(added.type, lake::TypeByName(parts.second.substr(0, end)));
  if (end != std::string::npos) {
    SLUICE_ASSIGN_OR_RETURN(added.place, ParsePlace(parts.second.substr(end + 1)));
  }
  return Alteration(std::move(added));
}

using Parse = Result<Alteration> (*)(const std::string&);

template <typename OfPath>
Result<Alteration> OfColumn(const std::string& text) {
  SLUICE_ASSIGN_OR_RETURN(auto path, ParsePath(text));
  return Alteration(OfPath{std::move(path)});
}

template <typename OfPathAndText>
Result<Alteration> OfColumnAndText(const std::string& text) {
  SLUICE_ASSIGN_OR_RETURN(auto parts, SplitAtSign(text, "COLUMN=TEXT"));
  SLUICE_ASSIGN_OR_RETURN(auto path, ParsePath(parts.first));
  return Alteration(OfPathAndText{std::move(path), std::move(parts.second)});
}

Result<Alteration> WidenedColumn(const std::string& text) {
  SLUICE_ASSIGN_OR_RETURN(auto parts, SplitAtSign(text, "COLUMN=TYPE"));
  lake::WidenColumn widened;
  SLUICE_ASSIGN_OR_RETURN(widened.path, ParsePath(parts.first));
  SLUICE_ASSIGN_OR_RETURN(widened.type, lake::TypeByName(parts.second));
  return Alteration(std::move(widened));
}

Result<Alteration> MovedColumn(const std::string& text) {
  SLUICE_ASSIGN_OR_RETURN(auto parts, SplitAtSign(text, "COLUMN=first, or =after NAME"));
  lake::MoveColumn moved;
  SLUICE_ASSIGN_OR_RETURN(moved.path, ParsePath(parts.first));
  SLUICE_ASSIGN_OR_RETURN(moved.place, ParsePlace(parts.second));
  return Alteration(std::move(moved));
}

Result<Alteration> Property(const std::string& text) {
  SLUICE_ASSIGN_OR_RETURN(auto parts, SplitAtSign(text, "NAME=VALUE"));
  return Alteration(lake::SetProperties{{std::move(parts)}});
}

Result<Alteration> Constraint(const std::string& text) {
  SLUICE_ASSIGN_OR_RETURN(auto parts, SplitAtSign(text, "NAME=CONDITION"));
  return Alteration(lake::AddConstraint{std::move(parts.first), std::move(parts.second)});
}

Result<Alteration> Clustering(const std::string& text) {
  lake::ClusterBy cluster;
  for (size_t at = 0; text != "none" && at <= text.size();) {
    const size_t end = std::min(text.find(',', at), text.size());
    SLUICE_ASSIGN_OR_RETURN(cluster.columns.emplace_back(),
                            ParsePath(std::string_view(text).substr(at, end - at)));
    at = end + 1;
  }
  return Alteration(std::move(cluster));
}

struct AlterOption {
  const char* name;
  const char* text;
  const char* help;
  Parse parse;
};
const std::array<AlterOption, 14> kAlterOptions = {{
    {"--add-column", "COLUMN=TYPE [first|after NAME]", "Add a nullable column, or a field: s.f=int",
     &AddedColumn},
    {"--rename", "COLUMN=NAME", "Rename it; needs delta.columnMapping.mode=name",
     &OfColumnAndText<lake::RenameColumn>},
    {"--drop-column", "COLUMN", "Drop it; likewise", &OfColumn<lake::DropColumn>},
    {"--widen", "COLUMN=TYPE", "Give it a type that holds more; needs delta.enableTypeWidening",
     &WidenedColumn},
    {"--move", "COLUMN=first|after NAME", "Put it elsewhere", &MovedColumn},
    {"--not-null", "COLUMN", "Refuse nulls; rows that are there are checked",
     &OfColumn<lake::SetNotNull>},
    {"--nullable", "COLUMN", "Take nulls", &OfColumn<lake::DropNotNull>},
    {"--comment", "COLUMN=TEXT", "Say what it is; without TEXT say nothing",
     &OfColumnAndText<lake::CommentColumn>},
    {"--default", "COLUMN=EXPRESSION", "For rows to come that lack it; without EXPRESSION none",
     &OfColumnAndText<lake::SetDefault>},
    {"--set-property", "NAME=VALUE", "Such as delta.enableDeletionVectors=true, with its features",
     &Property},
    {"--unset-property", "NAME", "Take a property away",
     [](const std::string& text) -> Result<Alteration> {
       return Alteration(lake::UnsetProperties{{text}});
     }},
    {"--add-constraint", "NAME=CONDITION", "For all rows; those that are there are checked",
     &Constraint},
    {"--drop-constraint", "NAME", "Take a constraint away",
     [](const std::string& text) -> Result<Alteration> {
       return Alteration(lake::DropConstraint{text});
     }},
    {"--cluster-by", "COLUMN,…|none", "Columns by which rows are to lie together, at most four",
     &Clustering},
}};

std::string Describe(const lake::LockedOut& locked) {
  return fmt::format("{} could {} it, and then cannot: {}", locked.engine,
                     locked.reading ? "read" : "write to", fmt::join(locked.features, ", "));
}

void Print(const Global& global, const TableAlterArguments& arguments, const lake::AlterPlan& plan,
           lake::Version version) {
  std::vector<std::string> locked;
  for (const lake::LockedOut& engine : plan.locked_out) locked.push_back(Describe(engine));
  JsonLine line;
  line.Text("table", arguments.address)
      .Number("version", version)
      .Raw("dry_run", arguments.dry_run ? "true" : "false")
      .Raw("changes_anything", plan.changes_anything ? "true" : "false")
      .Number("reader_version", plan.reader_version)
      .Number("writer_version", plan.writer_version)
      .List("new_features", plan.new_features)
      .List("locked_out", locked)
      .Raw("reads_rows", plan.reads_rows ? "true" : "false")
      .Number("files_to_number", plan.files_to_number);
  PrintAnswer(global, line.Finish() + "\n");
}

/// Whether to go on: what cannot be taken back is asked for.
bool Agreed(const Global& global, const TableAlterArguments& arguments,
            const lake::AlterPlan& plan) {
  const bool drops = std::ranges::any_of(arguments.changes, [](const AskedAlteration& asked) {
    return asked.option == "--drop-column";
  });
  if (arguments.yes || (plan.locked_out.empty() && !drops)) return true;
  for (const lake::LockedOut& engine : plan.locked_out) {
    std::fprintf(stderr, "%s\n", Describe(engine).c_str());
  }
  if (drops) std::fputs("values of dropped columns are no longer to be seen\n", stderr);
  std::string typed;
  if (isatty(STDIN_FILENO) == 1 && !global.no_input) {
    std::fputs("type yes to change the table: ", stderr);
    std::getline(std::cin, typed);
  }
  return typed == "yes";
}

Result<int> Alter(const Global& global, const TableAlterArguments& arguments) {
  std::vector<Alteration> changes;
  for (const AskedAlteration& asked : arguments.changes) {
    const auto* const option = std::ranges::find_if(
        kAlterOptions, [&](const auto& one) { return asked.option == one.name; });
    SLUICE_CHECK(option != kAlterOptions.end());
    SLUICE_ASSIGN_OR_RETURN(changes.emplace_back(), option->parse(asked.value), "{}", asked.option);
  }
  if (changes.empty()) return Invalid("say what to change, such as --add-column NAME=TYPE");
  SLUICE_ASSIGN_OR_RETURN(const auto opened, OpenTable(global, arguments.address));
  SLUICE_ASSIGN_OR_RETURN(const auto base, opened->table->Load());
  SLUICE_ASSIGN_OR_RETURN(const auto plan, lake::PlanAlter(*opened->table, base, changes));
  if (arguments.dry_run) {
    Print(global, arguments, plan, base->version());
    return kDone;
  }
  if (!Agreed(global, arguments, plan)) {
    std::fputs("error: not changed; answer yes, or give --yes\n", stderr);
    return kUsage;
  }
  SLUICE_ASSIGN_OR_RETURN(const auto altered, lake::AlterTable(*opened->table, base, changes));
  Print(global, arguments, plan, altered->version());
  return kDone;
}

Status Restore(const Global& global, const TableVersionArguments& arguments) {
  if (!arguments.version && arguments.timestamp.empty()) {
    return Invalid("say what to go back to: --version N, or --timestamp TIME");
  }
  SLUICE_ASSIGN_OR_RETURN(const auto opened, OpenTable(global, arguments.address));
  SLUICE_ASSIGN_OR_RETURN(const auto target,
                          LoadAsAsked(*opened->table, arguments.version, arguments.timestamp));
  SLUICE_ASSIGN_OR_RETURN(const auto report, lake::RestoreTable(*opened->table, target->version()));
  JsonLine line;
  line.Text("table", arguments.address)
      .Number("version", report.snapshot->version())
      .Number("restored_version", target->version())
      .Number("files_restored", report.files_restored)
      .Number("files_removed", report.files_removed);
  PrintAnswer(global, line.Finish() + "\n");
  return {};
}

Status Clone(const Global& global, const TableVersionArguments& arguments) {
  SLUICE_ASSIGN_OR_RETURN(const auto source, OpenTable(global, arguments.address));
  SLUICE_ASSIGN_OR_RETURN(const auto snapshot,
                          LoadAsAsked(*source->table, arguments.version, arguments.timestamp));
  SLUICE_ASSIGN_OR_RETURN(const auto target, OpenTable(global, arguments.target));
  const auto kind = arguments.shallow ? lake::CloneKind::kShallow : lake::CloneKind::kDeep;
  SLUICE_ASSIGN_OR_RETURN(const auto report,
                          lake::CloneTable(*source->table, *snapshot, *target->table, kind));
  JsonLine line;
  line.Text("table", arguments.target)
      .Number("version", report.snapshot->version())
      .Text("source", arguments.address)
      .Number("source_version", snapshot->version())
      .Text("kind", arguments.shallow ? "shallow" : "deep")
      .Number("files", report.files)
      .Number("files_copied", report.files_copied)
      .Number("bytes_copied", report.bytes_copied);
  PrintAnswer(global, line.Finish() + "\n");
  return {};
}

int FailWith(const Error& error) { return Fail(Error(error.code(), error.ToString())); }

}  // namespace

void AddAlterOptions(CLI::App& command, TableAlterArguments& arguments) {
  for (const AlterOption& option : kAlterOptions) {
    command
        .add_option_function<std::vector<std::string>>(
            option.name, [](const std::vector<std::string>&) {}, option.help)
        ->option_text(option.text)
        ->allow_extra_args(false);
  }
  command.add_flag("--dry-run", arguments.dry_run, "Only say what it would mean");
  command.add_flag("--yes", arguments.yes, "Do not ask where engines are locked out, or values go");
  // They are made one after the other, as they were given.
  command.parse_complete_callback([&command, &arguments] {
    std::map<const CLI::Option*, size_t> taken;
    for (const CLI::Option* const given : command.parse_order()) {
      const std::string name = given->get_name();
      const bool changes = std::ranges::any_of(
          kAlterOptions, [&](const AlterOption& option) { return name == option.name; });
      if (changes) arguments.changes.push_back({name, given->results().at(taken[given]++)});
    }
  });
}

int AlterTable(const Global& global, const TableAlterArguments& arguments) {
  const auto code = Alter(global, arguments);
  return code.ok() ? *code : FailWith(code.error());
}
int RestoreTable(const Global& global, const TableVersionArguments& arguments) {
  const Status done = Restore(global, arguments);
  return done.ok() ? kDone : FailWith(done.error());
}
int CloneTable(const Global& global, const TableVersionArguments& arguments) {
  const Status done = Clone(global, arguments);
  return done.ok() ? kDone : FailWith(done.error());
}

}  // namespace sluice::cli::internal
