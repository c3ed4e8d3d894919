#pragma once
/// \file
/// Commands that change a Delta table itself, bring it back, or copy it: by path or URI, without a
/// server, and without a project.

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "sluice/cli/internal/commands.h"

namespace CLI {
class App;
}  // namespace CLI

namespace sluice::cli::internal {

/// One change of a table, by the option that asks for it.
struct AskedAlteration {
  std::string option;  ///< `--rename`
  std::string value;   ///< `OLD=NEW`
};

struct TableAlterArguments {
  std::string address;                   ///< Folder or `s3://bucket/path`.
  std::vector<AskedAlteration> changes;  ///< In the order of the command line.
  bool yes = false;                      ///< Do not ask.
  bool dry_run = false;                  ///< Only say what it would mean.
};

struct TableVersionArguments {
  std::string address;
  std::string target;  ///< `clone`: folder of the new table.
  std::optional<int64_t> version;
  std::string timestamp;  ///< `2026-01-31T12:00:00Z`, instead of a version.
  bool shallow = false;   ///< `clone`: name the files where they lie.
};

/// Adds an option for each kind of change, and collects them in the order in which they are given.
/// Both must outlive the parsing.
void AddAlterOptions(CLI::App& command, TableAlterArguments& arguments);

int AlterTable(const Global& global, const TableAlterArguments& arguments);
int RestoreTable(const Global& global, const TableVersionArguments& arguments);
int CloneTable(const Global& global, const TableVersionArguments& arguments);

}  // namespace sluice::cli::internal
