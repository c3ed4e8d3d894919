#pragma once
/// \file
/// The table that a statement changes.

#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "sluice/columnar/batch.h"
#include "sluice/lake/delta_table.h"
#include "sluice/lake/row_changes.h"

namespace sluice::sql::internal {

struct TargetTable {
  std::string schema;  ///< Empty: a table outside.
  std::string name;    ///< Or its address.
  std::shared_ptr<lake::DeltaTable> table;
  lake::ChangeOptions options;
  /// As ChangeReader::Fit.
  std::function<Result<columnar::Batch>(const columnar::Batch& values, bool new_rows)> fit;

  /// What people call it.
  std::string Label() const { return schema.empty() ? name : schema + "." + name; }
};

}  // namespace sluice::sql::internal
