#include "sluice/cli/internal/templates.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <string>
#include <utility>

#include "sluice/base/json.h"
#include "sluice/os/disk.h"

namespace sluice::cli::internal {
namespace {

constexpr TemplateFile kFirst[] = {
    {"sluice.yaml",
     "version: 1\nproject: sluice\nstorage: {path: data}\nserve: {http: 127.0.0.1:7117}\n"},
    {"schemas/user_event.capnp",
     "@0x9a41c6de07b35f18;\n"
     "using Sl = import \"sluice.capnp\";\n"
     "struct UserEvent $Sl.event(\"shop.user-events\") {\n"
     "  eventId   @0 :Text $Sl.id;\n"
     "  userId    @1 :Int64;\n"
     "  page      @2 :Text;\n"
     "  timestamp @3 :Text $Sl.eventTime;\n"
     "}\n"},
};

/// The text of a project file, with another name of the project.
std::string WithName(std::string text, const std::string& name) {
  constexpr std::string_view kKey = "\nproject: ";
  const size_t begin = text.find(kKey);
  if (begin == std::string::npos) return text;
  const bool plain = std::ranges::all_of(
      name, [](unsigned char c) { return std::isalnum(c) != 0 || c == '_' || c == '-'; });
  std::string value = name;
  if (!plain || name.empty() || name == "null") {
    value.clear();
    AppendJsonString(value, name);  // Which YAML takes.
  }
  const size_t value_begin = begin + kKey.size();
  return text.replace(value_begin, text.find('\n', value_begin) - value_begin, value);
}

}  // namespace

std::span<const TemplateFile> FindTemplate(std::string_view name) {
  if (name == "first") return kFirst;
  if (name == "demo") return kDemoTemplate;
  return {};
}

Status WriteTemplate(std::span<const TemplateFile> files, const std::string& folder,
                     const TemplateValues& values) {
  os::SystemDisk disk;
  std::string there;
  for (const TemplateFile& file : files) {
    SLUICE_ASSIGN_OR_RETURN(const bool exists,
                            disk.Exists(fmt::format("{}/{}", folder, file.name)));
    if (exists) there += fmt::format("{}{}", there.empty() ? "" : ", ", file.name);
  }
  if (!there.empty()) {
    return Conflict("'{}' has {} already, so nothing was written; choose another folder", folder,
                    there);
  }
  for (const TemplateFile& file : files) {
    const std::string path = fmt::format("{}/{}", folder, file.name);
    SLUICE_RETURN_IF_ERROR(disk.MakeFolders(path.substr(0, path.rfind('/'))));
    std::string text(file.text);
    if (file.name == "sluice.yaml") text = WithName(std::move(text), values.project) + values.serve;
    SLUICE_RETURN_IF_ERROR(os::ReplaceFile(disk, path, text));
  }
  return {};
}

}  // namespace sluice::cli::internal
