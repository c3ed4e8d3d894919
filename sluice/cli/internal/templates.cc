#include "sluice/cli/internal/templates.h"

#include <fmt/format.h>

#include <string>

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

}  // namespace

std::span<const TemplateFile> FindTemplate(std::string_view name) {
  if (name == "first") return kFirst;
  if (name == "demo") return kDemoTemplate;
  return {};
}

Status WriteTemplate(std::span<const TemplateFile> files, const std::string& folder,
                     std::string_view serve) {
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
    if (file.name == "sluice.yaml") text += serve;
    SLUICE_RETURN_IF_ERROR(os::ReplaceFile(disk, path, text));
  }
  return {};
}

}  // namespace sluice::cli::internal
