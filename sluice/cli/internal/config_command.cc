// `sluice config`.

#include <algorithm>
#include <cstdio>

#include "sluice/base/json.h"
#include "sluice/cli/command_line.h"
#include "sluice/cli/internal/client.h"
#include "sluice/cli/internal/commands.h"
#include "sluice/os/disk.h"
#include "sluice/server/project_schema.h"
#include "sluice/server/settings.h"

namespace sluice::cli::internal {

int ShowConfig(const Global& global, const ConfigArguments& arguments) {
  os::SystemDisk disk;
  const auto settings = server::LoadSettings(disk, global.folder, global.overrides);
  if (!settings.ok()) {
    Fail(settings.error());
    return kConfiguration;
  }
  std::string json = "{\"columns\":[{\"name\":\"key\"},{\"name\":\"value\"}";
  if (arguments.origin) json += ",{\"name\":\"origin\"}";
  json += "],\"rows\":[";
  bool first = true;
  for (const server::Setting& setting : *settings) {
    if (setting.origin == "default" && !arguments.resolved) continue;
    json += first ? "\n[" : ",\n[";
    first = false;
    AppendJsonString(json, setting.key);
    json += ',';
    AppendJsonString(json, setting.value);
    if (arguments.origin) {
      json += ',';
      AppendJsonString(json, setting.origin);
    }
    json += ']';
  }
  json += "]}\n";
  PrintAnswer(global, json);
  return kDone;
}

int ShowConfigSchema() {
  std::fputs(std::string(server::ProjectSchema()).c_str(), stdout);
  return kDone;
}

}  // namespace sluice::cli::internal
