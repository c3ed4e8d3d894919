#pragma once
/// \file
/// Which other engines can read and write tables with which features.

#include <string>
#include <vector>

#include "sluice/lake/alter_table.h"
#include "sluice/lake/internal/actions.h"

namespace sluice::lake::internal {

/// Returns the known engines that can do less with a table of protocol `after` than of `before`;
/// the table of them is in docs/reference/delta-support.md.
std::vector<LockedOut> FindLockedOut(const Protocol& before, const Protocol& after);

}  // namespace sluice::lake::internal
