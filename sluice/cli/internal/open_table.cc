#include "sluice/cli/internal/open_table.h"

#include <filesystem>
#include <system_error>

#include "sluice/lake/history.h"
#include "sluice/lake/timestamps.h"

namespace sluice::cli::internal {

namespace {

/// The same for all ways to spell a folder of this machine; as it is for other addresses.
std::string PlaceOf(const std::string& address) {
  if (address.find("://") != std::string::npos) return address;
  std::error_code failed;
  auto place = std::filesystem::weakly_canonical(address, failed);
  if (!place.has_filename()) place = place.parent_path();
  return failed ? address : place.string();
}

/// Where the project of a table keeps the time that it trusts; empty: it is of none.
std::string TrustedTimeOf(os::Disk& disk, const Global& global, const std::string& address) {
  constexpr std::string_view kFile = "/control/clock";
  const std::string place = PlaceOf(address);
  if (const auto config = server::LoadConfig(disk, global.folder, global.overrides); config.ok()) {
    if (place.starts_with(PlaceOf(config->TablesAddress()) + "/")) {
      return config->DataPath() + std::string(kFile);
    }
  }
  for (std::filesystem::path folder = place; folder.has_relative_path();
       folder = folder.parent_path()) {
    if (folder.filename() != "tables") continue;
    std::string file = folder.parent_path().string() + std::string(kFile);
    if (const auto exists = disk.Exists(file); exists.ok() && *exists) return file;
  }
  return {};
}

}  // namespace

std::string AddressOf(const Global& global, const std::string& address) {
  const size_t dot = address.find('.');
  const bool named = dot != std::string::npos && dot > 0 && dot + 1 < address.size() &&
                     address.find_first_of("/\\:.", dot + 1) == std::string::npos &&
                     address.find_first_of("/\\:") == std::string::npos;
  os::SystemDisk disk;
  const auto is_there = [&disk](const std::string& path) {
    const auto exists = disk.Exists(path);
    return exists.ok() && *exists;
  };
  if (!named || is_there(address)) return address;
  const auto config = server::LoadConfig(disk, global.folder, global.overrides);
  if (!config.ok()) return address;
  const std::string landed = config->TablesAddress() + "/default/" + address.substr(0, dot) + "/" +
                             address.substr(dot + 1);
  // A folder that is not there is told by the name that was given.
  const bool there = !config->bucket.empty() || is_there(landed + "/_delta_log");
  return there ? landed : address;
}

Result<std::unique_ptr<OpenedTable>> OpenTable(const Global& global, const std::string& address) {
  auto opened = std::make_unique<OpenedTable>();
  SLUICE_ASSIGN_OR_RETURN(const store::Place place, opened->stores.Folder(address));
  store::StoreSet& stores = opened->stores;
  const lake::ForeignFiles foreign =
      [&stores](const std::string& elsewhere) -> Result<lake::ForeignFile> {
    SLUICE_ASSIGN_OR_RETURN(store::Place found, stores.Object(elsewhere));
    return lake::ForeignFile{found.store, std::move(found.path)};
  };
  const std::string trusted = TrustedTimeOf(opened->disk, global, address);
  if (!trusted.empty()) SLUICE_RETURN_IF_ERROR(opened->expiry.Open(opened->disk, trusted));
  const bool jumped = opened->expiry.Jump() != std::chrono::microseconds(0);
  opened->table =
      std::make_unique<lake::DeltaTable>(*place.store, place.path, opened->clock, opened->random,
                                         foreign, jumped ? &opened->expiry : nullptr);
  return opened;
}

Result<std::shared_ptr<const lake::Snapshot>> LoadAsAsked(const lake::DeltaTable& table,
                                                          std::optional<int64_t> version,
                                                          const std::string& timestamp) {
  if (version) return table.LoadAt(*version);
  if (timestamp.empty()) return table.Load();
  const auto at_us = lake::ParseTimestampText(timestamp);
  if (!at_us) {
    return Invalid("--timestamp '{}': expected one such as 2026-01-31T12:00:00Z", timestamp);
  }
  int64_t at_ms = *at_us / 1000;
  if (at_ms * 1000 > *at_us) --at_ms;
  SLUICE_ASSIGN_OR_RETURN(const lake::Version then, lake::VersionAt(table, at_ms));
  return table.LoadAt(then);
}

}  // namespace sluice::cli::internal
