#include <algorithm>
#include <cstdio>
#include <string>
#include <string_view>
#include <vector>

#include "sluice/cli/command_line.h"
#include "sluice/cli/internal/commands.h"
#include "sluice/cli/internal/reference.h"

namespace sluice::cli::internal {
namespace {

/// A row of a table of docs/reference/errors.md: `| SL1002 | cell | cell |`.
std::vector<std::string> Cells(std::string_view line) {
  std::vector<std::string> cells;
  while (line.starts_with('|')) {
    line.remove_prefix(1);
    const size_t end = line.find('|');
    if (end == std::string_view::npos) break;
    std::string_view cell = line.substr(0, end);
    while (cell.starts_with(' ')) cell.remove_prefix(1);
    while (cell.ends_with(' ')) cell.remove_suffix(1);
    cells.emplace_back(cell);
    line.remove_prefix(end);
  }
  return cells;
}

/// Calls `visit` for each line.
template <typename Visit>
void EachLine(std::string_view text, Visit visit) {
  while (!text.empty()) {
    const size_t end = text.find('\n');
    visit(text.substr(0, end));
    text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
  }
}

}  // namespace

int Explain(const std::string& code) {
  bool found = false;
  bool in_section = false;
  size_t meaning = 1;  // The column of the table that says what a code means.
  EachLine(kErrorReference, [&](std::string_view line) {
    if (line.starts_with("| Code |")) {
      const std::vector<std::string> names = Cells(line);
      const auto at = std::ranges::find(names, "Meaning");
      meaning = at == names.end() ? 1 : static_cast<size_t>(at - names.begin());
    } else if (line.starts_with("| SL")) {
      const std::vector<std::string> cells = Cells(line);
      const std::string& says = cells.at(std::min(meaning, cells.size() - 1));
      if (code.empty()) {
        std::printf("%s  %s\n", cells[0].c_str(), says.c_str());
      } else if (cells[0] == code) {
        found = true;
        std::printf("%s: %s\n", code.c_str(), says.c_str());
        if (meaning == 2) std::printf("HTTP status %s\n", cells[1].c_str());
        for (size_t i = meaning + 1; i < cells.size(); ++i) {
          if (!cells[i].empty()) std::printf("what to do: %s\n", cells[i].c_str());
        }
      }
    } else if (line.starts_with("## ")) {
      in_section = !code.empty() && line.substr(3).starts_with(code);
      found |= in_section;
    } else if (in_section) {
      std::printf("%.*s\n", static_cast<int>(line.size()), line.data());
    }
  });
  if (found || code.empty()) return kDone;
  std::fprintf(stderr, "error: there is no code %s; `sluice explain` lists them\n", code.c_str());
  return kUsage;
}

}  // namespace sluice::cli::internal
