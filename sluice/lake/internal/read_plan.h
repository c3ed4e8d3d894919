#pragma once
/// \file
/// From what a scan asks for to what readers do.

#include "sluice/lake/internal/data_file_reader.h"
#include "sluice/lake/internal/table_state.h"
#include "sluice/lake/scan.h"

namespace sluice::lake::internal {

/// kInvalid: there is no such column. kUnsupported: row ids of a table that does not track rows.
Result<ReadPlan> MakeReadPlan(const TableState& state, const ScanOptions& options);

/// Adds the columns that the filter needs and the plan does not have yet. kInvalid: there is none
/// of that name.
Status AddFilterColumns(const TableState& state, const Expression& filter, ReadPlan& plan);

/// Adds the position of each row in its file as the last column, `_file_row`.
void AddPositions(ReadPlan& plan);

/// A plan that reads `columns` and then the position of each row. kInvalid: there is no such
/// column.
Result<ReadPlan> PositionsPlan(const TableState& state, const std::vector<std::string>& columns,
                               const std::string& zone);

}  // namespace sluice::lake::internal
