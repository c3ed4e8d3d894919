#include "sluice/cli/internal/command_tree.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <span>

#include "sluice/base/diagnostic.h"

namespace sluice::cli::internal {
namespace {

using Commands = std::vector<const CLI::App*>;
using Options = std::vector<const CLI::Option*>;

constexpr std::string_view kBash =
    R"sh(# bash completion of sluice: source <(sluice completion bash)
_sluice() {
  local IFS=$'\n'
  COMPREPLY=($(sluice __complete "${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null))
  [ ${#COMPREPLY[@]} -gt 0 ] || compopt -o default
}
complete -F _sluice sluice
)sh";
constexpr std::string_view kZsh = R"sh(#compdef sluice
# zsh completion of sluice: source <(sluice completion zsh)
_sluice() {
  local -a found
  found=(${(f)"$(sluice __complete "${(@)words[2,CURRENT]}" 2>/dev/null)"})
  if (( ${#found} )); then compadd -- "${found[@]}"; else _files; fi
}
compdef _sluice sluice
)sh";
constexpr std::string_view kFish = R"sh(# fish completion of sluice: sluice completion fish | source
function __sluice_complete
  set -l words (commandline -opc) (commandline -ct)
  sluice __complete $words[2..-1] 2>/dev/null
end
complete -c sluice -a '(__sluice_complete)'
)sh";

Commands CommandsOf(const CLI::App& app) {
  Commands commands;
  for (const CLI::App* const command : app.get_subcommands([](const CLI::App*) { return true; })) {
    commands.push_back(command);
  }
  return commands;
}

/// Options of the command itself; positional ones are its arguments.
Options OptionsOf(const CLI::App& app, bool positional) {
  Options options;
  for (const CLI::Option* const option : app.get_options()) {
    if (option->get_positional() == positional && option->get_name() != "--help") {
      options.push_back(option);
    }
  }
  return options;
}

bool TakesValue(const CLI::Option& option) { return option.get_expected_max() > 0; }

/// `-q`, `--quiet`.
std::vector<std::string> NamesOfOption(const CLI::Option& option) {
  std::vector<std::string> names;
  for (const std::string& name : option.get_snames()) names.push_back("-" + name);
  for (const std::string& name : option.get_lnames()) names.push_back("--" + name);
  return names;
}

/// What its value must be one of; empty if it may be much.
std::vector<std::string> ValuesOf(const CLI::Option& option) {
  std::vector<std::string> values;
  const std::string type = option.get_type_name();
  const size_t open = type.find('{');
  const size_t close = type.find('}');
  if (open == std::string::npos || close == std::string::npos) return values;
  std::string_view rest = std::string_view(type).substr(open + 1, close - open - 1);
  while (!rest.empty()) {
    const size_t comma = std::min(rest.find(','), rest.size());
    values.emplace_back(rest.substr(0, comma));
    rest.remove_prefix(std::min(comma + 1, rest.size()));
  }
  return values;
}

/// How its value is called: `SQL`, `none|log|table`.
std::string ValueName(const CLI::Option& option) {
  if (!option.get_option_text().empty()) return option.get_option_text();
  std::string names;
  for (const std::string& value : ValuesOf(option)) names += (names.empty() ? "" : "|") + value;
  if (!names.empty()) return names;
  const std::string type = option.get_type_name();
  return type.starts_with("INT") || type.starts_with("UINT") ? "N" : "TEXT";
}

std::string FullName(const CLI::App& command) {
  return command.get_parent() == nullptr
             ? command.get_name()
             : FullName(*command.get_parent()) + " " + command.get_name();
}

void AppendOptions(const CLI::App& command, std::string& out) {
  const Options options = OptionsOf(command, false);
  if (options.empty()) return;
  out += "\n| Option | Meaning |\n|---|---|\n";
  for (const CLI::Option* const option : options) {
    std::string names;
    for (const std::string& name : NamesOfOption(*option)) {
      names += (names.empty() ? "" : ", ") + name;
    }
    if (TakesValue(*option)) names += " " + ValueName(*option);
    // A bar would end the cell.
    for (size_t at = 0; (at = names.find('|', at)) != std::string::npos; at += 2) {
      names.insert(at, 1, '\\');
    }
    std::string values;
    if (names.find('|') == std::string::npos) {
      for (const std::string& value : ValuesOf(*option)) {
        values += (values.empty() ? ": " : ", ") + value;
      }
    }
    out += fmt::format("| `{}` | {}{}{} |\n", names, option->get_description(), values,
                       option->get_required() ? " (needed)" : "");
  }
}

void AppendCommand(const CLI::App& command, std::string& out) {
  const Commands below = CommandsOf(command);
  if (below.empty()) {
    std::string usage = FullName(command);
    for (const CLI::Option* const argument : OptionsOf(command, true)) {
      std::string name = argument->get_name(true);
      std::ranges::transform(name, name.begin(), [](unsigned char c) { return std::toupper(c); });
      if (argument->get_expected_max() > 1) name += "..";
      usage += argument->get_required() ? " " + name : " [" + name + "]";
    }
    if (!OptionsOf(command, false).empty()) usage += " [OPTIONS]";
    out += fmt::format("\n## {}\n\n```\n{}\n```\n\n{}.\n", FullName(command), usage,
                       command.get_description());
    const Options arguments = OptionsOf(command, true);
    if (!arguments.empty()) {
      out += '\n';
      for (const CLI::Option* const argument : arguments) {
        std::string name = argument->get_name(true);
        std::ranges::transform(name, name.begin(), [](unsigned char c) { return std::toupper(c); });
        out += fmt::format("- `{}`: {}\n", name, argument->get_description());
      }
    }
    AppendOptions(command, out);
  }
  for (const CLI::App* const each : below) AppendCommand(*each, out);
}

void AppendTree(const CLI::App& app, std::string& out) {
  for (const CLI::App* const command : CommandsOf(app)) {
    const Commands below = CommandsOf(*command);
    std::string names;
    for (const CLI::App* const each : below) {
      names += (names.empty() ? " " : " | ") + each->get_name();
    }
    out += fmt::format("{}{}\n", FullName(*command), names);
  }
}

/// The option of this name that holds for the command: its own, or one of those above it.
const CLI::Option* FindOption(const CLI::App& command, const std::string& name) {
  for (const CLI::App* app = &command; app != nullptr; app = app->get_parent()) {
    if (const CLI::Option* const option = app->get_option_no_throw(name)) return option;
  }
  return nullptr;
}

const CLI::App* FindBelow(const CLI::App& app, const std::string& name) {
  for (const CLI::App* const command : CommandsOf(app)) {
    if (command->get_name() == name) return command;
  }
  return nullptr;
}

std::string DidYouMean(const std::string& word, const std::vector<std::string>& known) {
  const auto meant = Closest(word, std::vector<std::string_view>(known.begin(), known.end()));
  return meant ? fmt::format("; did you mean \"{}\"?", *meant) : std::string();
}

std::vector<std::string> AllOptionNames(const CLI::App& command) {
  std::vector<std::string> names = {"--help"};
  for (const CLI::App* app = &command; app != nullptr; app = app->get_parent()) {
    for (const CLI::Option* const option : OptionsOf(*app, false)) {
      for (std::string& name : NamesOfOption(*option)) names.push_back(std::move(name));
    }
  }
  return names;
}

/// How far words lead down the tree.
struct Walk {
  const CLI::App* command = nullptr;
  const CLI::Option* waiting = nullptr;  ///< An option whose value is to come.
  size_t arguments = 0;                  ///< Positional ones so far.
  std::string mistake;
};

Walk Follow(const CLI::App& app, std::span<const std::string> words) {
  Walk walk{.command = &app, .mistake = {}};
  for (const std::string& word : words) {
    if (walk.waiting != nullptr) {
      walk.waiting = nullptr;
    } else if (word.size() > 1 && word[0] == '-') {
      const size_t equals = word.find('=');
      const std::string name = word.substr(0, equals);
      const CLI::Option* option = FindOption(*walk.command, name);
      if (option == nullptr && word[1] != '-' && word.size() > 2) {
        option = FindOption(*walk.command, word.substr(0, 2));  // -ojson
        if (option != nullptr) continue;
      }
      if (option == nullptr) {
        walk.mistake = fmt::format("unknown option \"{}\" of {}{}", name, FullName(*walk.command),
                                   DidYouMean(name, AllOptionNames(*walk.command)));
        return walk;
      }
      if (TakesValue(*option) && equals == std::string::npos) walk.waiting = option;
    } else if (const Commands below = CommandsOf(*walk.command); !below.empty()) {
      const CLI::App* const next = FindBelow(*walk.command, word);
      if (next == nullptr) {
        std::vector<std::string> names;
        for (const CLI::App* const each : below) names.push_back(each->get_name());
        walk.mistake = fmt::format("unknown command \"{}\" of {}{}", word, FullName(*walk.command),
                                   DidYouMean(word, names));
        return walk;
      }
      walk.command = next;
    } else {
      ++walk.arguments;
    }
  }
  return walk;
}

}  // namespace

std::string WriteReference(const CLI::App& app) {
  std::string out =
      "# Command line\n\nWritten by `sluice help --reference`. Data goes to standard output, all "
      "else to standard error: a table on a terminal, else JSON as\n"
      "[output.schema.json](output.schema.json) has it. Every command also takes "
      "`--help`.\n\n```\n";
  AppendTree(app, out);
  out += "```\n\n## Options of every command\n\nThey stand before or after the command.\n";
  AppendOptions(app, out);
  out +=
      "\n## Exit codes\n\n| Code | Meaning |\n|---|---|\n| 0 | done |\n| 1 | finished, and "
      "something in it failed |\n| 2 | the command line is wrong |\n| 65 | `send`: rows went to "
      "the errors table, or the body was refused |\n| 69 | the server cannot be reached, or has "
      "no room |\n| 70 | a bug in Sluice |\n| 75 | a conflict: try again |\n| 77 | not allowed "
      "|\n| 78 | project file or schema is wrong |\n| 124 | a time limit was reached |\n| 130, 143 "
      "| stopped by SIGINT, SIGTERM |\n";
  for (const CLI::App* const command : CommandsOf(app)) AppendCommand(*command, out);
  return out;
}

const CLI::App* FindCommand(const CLI::App& app, const std::vector<std::string>& words) {
  const CLI::App* command = &app;
  for (const std::string& word : words) {
    command = FindBelow(*command, word);
    if (command == nullptr) return nullptr;
  }
  return command;
}

std::string ExplainUsage(const CLI::App& app, const std::vector<std::string>& words) {
  Walk walk = Follow(app, words);
  if (!walk.mistake.empty()) return walk.mistake;
  if (const Commands below = CommandsOf(*walk.command); !below.empty()) {
    std::string names;
    for (const CLI::App* const each : below)
      names += (names.empty() ? "" : ", ") + each->get_name();
    return fmt::format("{} needs a command: {}", FullName(*walk.command), names);
  }
  return {};
}

std::vector<std::string> Complete(const CLI::App& app, const std::vector<std::string>& words,
                                  const NamesOf& names) {
  if (words.empty()) return {};
  const Walk walk = Follow(app, std::span(words).first(words.size() - 1));
  if (!walk.mistake.empty()) return {};
  std::vector<std::string> candidates;
  const CLI::Option* about = walk.waiting;
  if (about == nullptr && words.back().starts_with('-')) {
    candidates = AllOptionNames(*walk.command);
  } else if (about == nullptr) {
    for (const CLI::App* const each : CommandsOf(*walk.command)) {
      candidates.push_back(each->get_name());
    }
    const Options arguments = OptionsOf(*walk.command, true);
    if (walk.arguments < arguments.size()) about = arguments[walk.arguments];
  }
  if (about != nullptr) {
    candidates = ValuesOf(*about);
    if (candidates.empty()) {
      std::string thing = about->get_name(about->get_positional());
      thing.erase(0, thing.find_first_not_of('-'));
      candidates = names(thing);
    }
  }
  std::erase_if(candidates,
                [&](const std::string& each) { return !each.starts_with(words.back()); });
  std::ranges::sort(candidates);
  return candidates;
}

std::string_view CompletionScript(std::string_view shell) {
  return shell == "bash" ? kBash : shell == "zsh" ? kZsh : kFish;
}

}  // namespace sluice::cli::internal
