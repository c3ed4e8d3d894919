#include "sluice/catalog/version_history.h"

#include <fmt/format.h>

namespace sluice::catalog {

namespace {

constexpr uint64_t kFileBytesMax = 16ull << 20;

std::string Path(const std::string& folder, int32_t version) {
  return fmt::format("{}/{}.json", folder, version);
}

}  // namespace

Status KeepVersion(os::Disk& disk, const std::string& folder, const event::Contract& contract) {
  SLUICE_RETURN_IF_ERROR(disk.MakeFolders(folder), "version {}", contract.version);
  return os::ReplaceFile(disk, Path(folder, contract.version), event::ToJson(contract));
}

Result<std::vector<event::Contract>> ReadVersions(os::Disk& disk, const std::string& folder,
                                                  int32_t current) {
  std::vector<event::Contract> versions;
  for (int32_t version = 1; version < current; ++version) {
    const std::string path = Path(folder, version);
    SLUICE_ASSIGN_OR_RETURN(const bool exists, disk.Exists(path));
    if (!exists) continue;
    SLUICE_ASSIGN_OR_RETURN(const std::string json, os::ReadFile(disk, path, kFileBytesMax));
    SLUICE_ASSIGN_OR_RETURN(event::Contract contract, event::FromJson(json), "{}", path);
    versions.push_back(std::move(contract));
  }
  return versions;
}

}  // namespace sluice::catalog
