#pragma once
/// \file
/// Statistics that a checkpoint has as structs alone (`stats_parsed`), as the text that commits
/// have.

#include <arrow/type_fwd.h>

#include <cstdint>
#include <string>

namespace sluice::lake::internal {

/// Returns the statistics of one row; empty if it has none. What no text can say exactly (NaN,
/// years of more than four digits) is left out, as if it were not known.
std::string StatisticsText(const arrow::StructArray& parsed, int64_t row);

}  // namespace sluice::lake::internal
