#include "sluice/cli/internal/backup_commands.h"

#include <fmt/format.h>

#include <cstdio>
#include <filesystem>
#include <optional>
#include <string_view>
#include <utility>

#include "sluice/backup/contents.h"
#include "sluice/backup/make.h"
#include "sluice/backup/restore.h"
#include "sluice/cli/command_line.h"
#include "sluice/cli/internal/json_line.h"
#include "sluice/lake/timestamps.h"
#include "sluice/os/folder_place.h"
#include "sluice/server/config.h"
#include "sluice/server/version.h"
#include "sluice/store/folder_store.h"
#include "sluice/store/store_set.h"

namespace sluice::cli::internal {

namespace {

using backup::Contents;
using backup::Installation;
using backup::KeysInBackup;

std::string Absolute(const std::string& path) {
  return std::filesystem::absolute(path).lexically_normal().string();
}

Installation InstallationOf(const server::Config& config) {
  std::string data = Absolute(config.DataPath());
  const bool data_stays = os::IsMountOrLink(data);
  return {.project = config.project,
          .folder = config.folder,
          .data = std::move(data),
          .key_file = config.KeysPath() + "/sluice.keys",
          .tokens_file = config.TokensPath(),
          .tables_at = config.bucket,
          .data_stays = data_stays};
}

std::string TimeText(os::Timestamp time) {
  return lake::TimestampText(time.time_since_epoch().count());
}

std::string JsonOf(const std::vector<backup::StoredTable>& tables) {
  std::string list;
  for (const backup::StoredTable& table : tables) {
    JsonLine line;
    line.Text("topic", table.topic)
        .Text("path", table.path)
        .Number("version", table.version)
        .Number("landed_offset", table.landed)
        .Number("next_offset", table.next);
    if (!list.empty()) list += ',';
    list += line.Finish();
  }
  return "[" + list + "]";
}

/// `done`: what was done with the backup, `made`.
void Print(const Global& global, std::string_view done, const std::string& folder,
           const Contents& contents) {
  if (global.output == "json" || global.output == "ndjson") {
    JsonLine line;
    line.Text("backup", folder)
        .Text("done", done)
        .Text("made", TimeText(contents.made))
        .Text("program", contents.program)
        .Text("project", contents.project)
        .Text("journal", contents.journal)
        .Text("keys", backup::ToString(contents.keys))
        .Text("tables_at", contents.tables_at)
        .Number("files", static_cast<int64_t>(contents.files.size()))
        .Number("bytes", static_cast<int64_t>(contents.Bytes()))
        .Raw("tables", JsonOf(contents.tables));
    std::puts(line.Finish().c_str());
    return;
  }
  std::string text =
      fmt::format("{}: '{}', made {} of project {}\n  {} files, {} bytes; journal {}; keys: {}\n",
                  done, folder, TimeText(contents.made), contents.project, contents.files.size(),
                  contents.Bytes(), contents.journal, backup::ToString(contents.keys));
  for (const backup::StoredTable& table : contents.tables) {
    text += fmt::format("  {}: version {}, {} events, {} of them in the journal alone\n",
                        table.topic.empty() ? table.path : table.topic, table.version, table.next,
                        table.next - table.landed - 1);
  }
  if (!contents.tables_at.empty()) {
    text +=
        fmt::format("  the tables themselves are not in it; they are at {}\n", contents.tables_at);
  }
  std::fputs(text.c_str(), stdout);
}

void Advise(const Global& global, const std::string& text) {
  if (!global.quiet) std::fprintf(stderr, "%s\n", text.c_str());
}

/// The settings that will hold: those of the project that is there, else those of the backup's.
Result<server::Config> ConfigFor(os::Disk& disk, const Global& global, const std::string& source) {
  auto config = server::LoadConfig(disk, global.folder, global.overrides);
  if (config.ok() || config.error().code() != ErrorCode::kNotFound) return config;
  config = server::LoadConfig(disk, source + "/project", global.overrides);
  if (config.ok()) config->folder = global.folder;
  return config;
}

/// Where tables are: of this disk, or of a bucket.
Result<Contents> Make(const server::Config& config, const BackupArguments& arguments) {
  os::SystemDisk disk;
  os::SystemClock clock;
  os::SystemRandom random;
  store::StoreSet stores(disk, random);
  const Installation installation = InstallationOf(config);
  const std::string tables =
      config.bucket.empty() ? installation.data + "/tables" : config.bucket + "/tables";
  SLUICE_ASSIGN_OR_RETURN(const store::Place place, stores.Folder(tables));
  std::optional<store::FolderStore> inner;
  if (!place.path.empty()) inner.emplace(*place.store, place.path);
  store::ObjectStore& store = inner ? *inner : *place.store;
  return backup::Make(installation, Absolute(arguments.folder),
                      {.clear_keys = arguments.keys, .program = std::string(server::kVersion)},
                      disk, store, clock, random);
}

}  // namespace

int MakeBackup(const Global& global, const BackupArguments& arguments) {
  os::SystemDisk disk;
  const auto config = server::LoadConfig(disk, global.folder, global.overrides);
  if (!config.ok()) return Fail(config.error());
  const auto made = Make(*config, arguments);
  if (!made.ok()) return Fail(made.error());
  Print(global, "made", arguments.folder, *made);
  if (made->keys == KeysInBackup::kLeftOut) {
    Advise(global, fmt::format("the key file '{}' is not in the backup, because it is not sealed; "
                               "keep a copy of it apart, or see `sluice help backup`",
                               config->KeysPath() + "/sluice.keys"));
  }
  return kDone;
}

int RestoreBackup(const Global& global, const BackupArguments& arguments) {
  os::SystemDisk disk;
  const std::string source = Absolute(arguments.folder);
  const auto contents = backup::ReadContents(disk, source);
  if (!contents.ok()) return Fail(contents.error());
  if (const Status checked = backup::CheckFiles(disk, source, *contents); !checked.ok()) {
    return Fail(checked.error());
  }
  if (arguments.check) {
    Print(global, "checked", arguments.folder, *contents);
    return kDone;
  }
  const auto config = ConfigFor(disk, global, source);
  if (!config.ok()) return Fail(config.error());
  const Installation installation = InstallationOf(*config);
  if (const Status restored = backup::Restore(disk, source, *contents, installation);
      !restored.ok()) {
    return Fail(restored.error());
  }
  Print(global, "restored", arguments.folder, *contents);
  const auto has_keys = disk.Exists(installation.key_file);
  if (has_keys.ok() && !*has_keys) {
    Advise(global, fmt::format("the keys are not in the backup: put the key file at '{}' before "
                               "the server starts",
                               installation.key_file));
  }
  if (!contents->tables_at.empty()) {
    Advise(global, fmt::format("tables are at {}: start no second server over them while the "
                               "first one may still run",
                               contents->tables_at));
  }
  return kDone;
}

}  // namespace sluice::cli::internal
