#pragma once
/// \file
/// What the tree of commands tells of itself: its reference, completion, what was meant.

#include <CLI/CLI.hpp>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

namespace sluice::cli::internal {

/// Returns docs/reference/cli.md: every command with its arguments and options.
std::string WriteReference(const CLI::App& app);

/// Returns the command that the words name, from the root on; nullptr: there is none.
const CLI::App* FindCommand(const CLI::App& app, const std::vector<std::string>& words);

/// Returns what is wrong with a command line that does not parse, and what was meant:
/// `unknown option "--parm" of sluice sql; did you mean "--param"?`. Empty: nothing that a look at
/// the words shows.
std::string ExplainUsage(const CLI::App& app, const std::vector<std::string>& words);

/// Gives the names that there are of a thing, such as "topic".
using NamesOf = std::function<std::vector<std::string>(std::string_view thing)>;

/// Returns what may stand in place of the last of `words`, which may be begun or empty.
std::vector<std::string> Complete(const CLI::App& app, const std::vector<std::string>& words,
                                  const NamesOf& names);

/// Returns the script that makes a shell (bash, zsh or fish) ask `sluice __complete`.
std::string_view CompletionScript(std::string_view shell);

}  // namespace sluice::cli::internal
