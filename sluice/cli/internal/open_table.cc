#include "sluice/cli/internal/open_table.h"

#include "sluice/lake/history.h"
#include "sluice/lake/timestamps.h"

namespace sluice::cli::internal {

Result<std::unique_ptr<OpenedTable>> OpenTable(const std::string& address) {
  auto opened = std::make_unique<OpenedTable>();
  SLUICE_ASSIGN_OR_RETURN(const store::Place place, opened->stores.Folder(address));
  store::StoreSet& stores = opened->stores;
  const lake::ForeignFiles foreign =
      [&stores](const std::string& elsewhere) -> Result<lake::ForeignFile> {
    SLUICE_ASSIGN_OR_RETURN(store::Place found, stores.Object(elsewhere));
    return lake::ForeignFile{found.store, std::move(found.path)};
  };
  opened->table = std::make_unique<lake::DeltaTable>(*place.store, place.path, opened->clock,
                                                     opened->random, foreign);
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
