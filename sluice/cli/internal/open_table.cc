#include "sluice/cli/internal/open_table.h"

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

}  // namespace sluice::cli::internal
