#pragma once
/// \file
/// The commands below `sluice table`, and what their options fill.

#include <functional>
#include <string>

#include "sluice/cli/internal/commands.h"
#include "sluice/cli/internal/table_alter_commands.h"
#include "sluice/cli/internal/table_change_commands.h"
#include "sluice/cli/internal/table_commands.h"

namespace CLI {
class App;
}  // namespace CLI

namespace sluice::cli::internal {

/// Adds a command: below what, its name, its help, and what runs it and returns the exit code.
using AddCommand = std::function<CLI::App*(CLI::App& parent, const char* name, const char* help,
                                           std::function<int()> run)>;

/// Not thread-safe. Must outlive the tree that it adds to.
class TableTree {
 public:
  /// `global` must outlive the object.
  explicit TableTree(const Global& global) : global_(global) {}

  void AddTo(CLI::App& table, const AddCommand& add);

 private:
  /// Commands that read a Delta table by its path or URI.
  void AddReaders(CLI::App& parent, const AddCommand& add_command);
  /// Those that change its rows, or keep it healthy.
  void AddChanges(CLI::App& parent, const AddCommand& add_command);
  /// Those that change the table itself.
  void AddAlterations(CLI::App& parent, const AddCommand& add_command);

  const Global& global_;
  TableArguments read_;
  TableChangeArguments changed_;
  TableAlterArguments altered_;
  TableVersionArguments then_;
  std::string adopted_;
};

}  // namespace sluice::cli::internal
