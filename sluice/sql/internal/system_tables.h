#pragma once
/// \file
/// Tables of the program about itself.

#include <optional>
#include <string_view>
#include <vector>

#include "sluice/duck/engine.h"
#include "sluice/land/lander.h"
#include "sluice/sql/internal/reader.h"
#include "sluice/sql/query_log.h"

namespace sluice::sql::internal {

/// Their names, in the schema `system`.
const std::vector<std::string_view>& SystemTables();

/// Returns the rows of `system.topics`, `tables`, `columns`, `files`, `ledger`, `queries` or
/// `maintenance` as of now that `reader` may see; nothing for other names.
Result<std::optional<duck::Relation>> FindSystemTable(std::string_view name, land::Lander& lander,
                                                      const QueryLog& log, std::string_view tenant,
                                                      const Reader& reader);

}  // namespace sluice::sql::internal
