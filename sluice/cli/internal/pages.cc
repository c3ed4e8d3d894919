#include "sluice/cli/internal/pages.h"

#include <fmt/format.h>

#include <algorithm>
#include <vector>

#include "sluice/base/diagnostic.h"

namespace sluice::cli::internal {
namespace {

std::string_view TitleOf(std::string_view text) {
  if (text.starts_with("# ")) text.remove_prefix(2);
  return text.substr(0, text.find('\n'));
}

// `[text](target)` becomes `text`; images are left out. Code stays as it is.
void AppendLine(std::string_view line, std::string& out) {
  bool in_code = false;
  for (size_t i = 0; i < line.size(); ++i) {
    if (line[i] == '`') in_code = !in_code;
    const size_t end = in_code || line[i] != '[' ? line.npos : line.find("](", i);
    const size_t behind = end == line.npos ? line.npos : line.find(')', end);
    if (behind == line.npos) {
      out += line[i];
      continue;
    }
    if (out.ends_with('!')) {
      out.pop_back();
    } else {
      out.append(line.substr(i + 1, end - i - 1));
    }
    i = behind;
  }
  out += '\n';
}

}  // namespace

std::string ListPages() {
  size_t width = 0;
  for (const Page& page : kPages) width = std::max(width, page.name.size());
  std::string out;
  for (const Page& page : kPages) {
    out += fmt::format("{:{}}  {}\n", page.name, width, TitleOf(page.text));
  }
  return out;
}

std::string ClosestPage(const std::string& name) {
  std::vector<std::string_view> names;
  for (const Page& page : kPages) {
    names.push_back(name.find('/') == name.npos ? page.name.substr(page.name.find('/') + 1)
                                                : page.name);
  }
  const auto meant = Closest(name, names);
  if (!meant) return "";
  const auto found = std::ranges::find(names, *meant);
  return std::string(kPages[static_cast<size_t>(found - names.begin())].name);
}

std::string PageText(std::string_view name) {
  const auto found = std::ranges::find_if(kPages, [&](const Page& page) {
    return page.name == name || page.name.substr(page.name.find('/') + 1) == name;
  });
  if (found == kPages.end()) return "";
  std::string out;
  bool in_block = false;
  std::string_view text = found->text;
  while (!text.empty()) {
    const size_t end = text.find('\n');
    const std::string_view line = text.substr(0, end);
    text.remove_prefix(end == text.npos ? text.size() : end + 1);
    if (line.starts_with("```")) {
      in_block = !in_block;
    } else if (in_block) {
      out.append("    ").append(line) += '\n';
    } else {
      AppendLine(line, out);
    }
  }
  return out;
}

}  // namespace sluice::cli::internal
