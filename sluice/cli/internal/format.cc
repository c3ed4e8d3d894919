#include "sluice/cli/internal/format.h"

#include <algorithm>
#include <cstdio>
#include <utility>
#include <vector>

#include "sluice/cli/command_line.h"
#include "sluice/cli/internal/commands.h"
#include "sluice/os/disk.h"

namespace sluice::cli::internal {
namespace {

constexpr uint64_t kFileBytesMax = 1 << 20;

/// Calls `visit` with each line, without its end.
template <typename Visit>
void EachLine(std::string_view text, Visit visit) {
  while (!text.empty()) {
    const size_t end = std::min(text.find('\n'), text.size());
    std::string_view line = text.substr(0, end);
    while (!line.empty() && (line.back() == ' ' || line.back() == '\t' || line.back() == '\r')) {
      line.remove_suffix(1);
    }
    visit(line);
    text.remove_prefix(std::min(end + 1, text.size()));
  }
}

/// Puts lines together: no empty one at the edges, nowhere two.
class Lines {
 public:
  void Add(std::string_view line) {
    if (line.empty()) {
      empty_ = !out_.empty();
      return;
    }
    if (std::exchange(empty_, false)) out_ += '\n';
    out_ += line;
    out_ += '\n';
  }
  std::string Take() { return std::move(out_); }

 private:
  std::string out_;
  bool empty_ = false;
};

/// What a line of a schema does to the brackets, and how its code ends.
struct Code {
  int opened = 0;        ///< More than it closes; may be negative.
  int closed_first = 0;  ///< Brackets that it closes before anything else.
  char last = '\0';      ///< Last character that is no blank and no comment.
};

Code Scan(std::string_view line) {
  Code code;
  bool text = false;
  bool only_closing = true;
  for (size_t i = 0; i < line.size(); ++i) {
    const char c = line[i];
    if (text) {
      if (c == '\\') ++i;
      if (c == '"') text = false;
      continue;
    }
    if (c == '#') break;
    if (c == ' ' || c == '\t') continue;
    code.last = c;
    if (c == '"') text = true;
    const bool closes = c == '}' || c == ')' || c == ']';
    if (c == '{' || c == '(' || c == '[') ++code.opened;
    if (closes) --code.opened;
    if (closes && only_closing) ++code.closed_first;
    only_closing = only_closing && closes;
  }
  return code;
}

Result<std::vector<std::string>> FilesOf(os::Disk& disk, const std::string& folder) {
  std::vector<std::string> files;
  const std::string prefix = folder == "." ? "" : folder + "/";
  SLUICE_ASSIGN_OR_RETURN(const bool project, disk.Exists(prefix + "sluice.yaml"));
  if (project) files.push_back(prefix + "sluice.yaml");
  SLUICE_ASSIGN_OR_RETURN(const bool schemas, disk.Exists(prefix + "schemas"));
  if (!schemas) return files;
  SLUICE_ASSIGN_OR_RETURN(const auto names, disk.List(prefix + "schemas"));
  for (const std::string& name : names) {
    if (name.ends_with(".capnp")) files.push_back(prefix + "schemas/" + name);
  }
  return files;
}

}  // namespace

std::string FormatSchema(std::string_view text) {
  Lines lines;
  int depth = 0;
  bool goes_on = false;
  EachLine(text, [&](std::string_view line) {
    while (line.starts_with(' ') || line.starts_with('\t')) line.remove_prefix(1);
    if (line.empty()) return lines.Add(line);
    const Code code = Scan(line);
    const int indent = 2 * std::max(0, depth - code.closed_first) +
                       (goes_on && code.closed_first == 0 && code.last != '\0' ? 4 : 0);
    lines.Add(std::string(static_cast<size_t>(indent), ' ') + std::string(line));
    depth = std::max(0, depth + code.opened);
    if (code.last != '\0') {
      goes_on = code.last != ';' && code.last != '{' && code.last != '}' && code.last != '(' &&
                code.last != '[' && code.last != ',';
    }
  });
  return lines.Take();
}

std::string FormatYaml(std::string_view text) {
  Lines lines;
  EachLine(text, [&](std::string_view line) { lines.Add(line); });
  return lines.Take();
}

int Format(const Global& global, const FormatArguments& arguments) {
  os::SystemDisk disk;
  std::vector<std::string> files = arguments.files;
  if (files.empty()) {
    auto found = FilesOf(disk, global.folder);
    if (!found.ok()) return Fail(found.error());
    files = std::move(*found);
    if (files.empty()) {
      return Fail(NotFound("there is no sluice.yaml and no schema in '{}'", global.folder));
    }
  }
  int changed = 0;
  for (const std::string& file : files) {
    auto text = os::ReadFile(disk, file, kFileBytesMax);
    if (!text.ok()) return Fail(text.error());
    const bool schema = file.ends_with(".capnp");
    if (!schema && !file.ends_with(".yaml")) {
      Fail(Invalid("'{}' is no .capnp and no .yaml file", file));
      return kUsage;
    }
    const std::string plain = schema ? FormatSchema(*text) : FormatYaml(*text);
    if (plain == *text) continue;
    ++changed;
    std::printf("%s\n", file.c_str());
    if (arguments.check) continue;
    if (const Status written = os::ReplaceFile(disk, file, plain); !written.ok()) {
      return Fail(written.error());
    }
  }
  if (!global.quiet) {
    std::fprintf(stderr, "%d of %zu files %s\n", changed, files.size(),
                 arguments.check ? "would change" : "changed");
  }
  return arguments.check && changed > 0 ? kFailed : kDone;
}

}  // namespace sluice::cli::internal
