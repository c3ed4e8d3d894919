#pragma once
/// \file
/// A statement that changes rows, evaluated over one state of its table.

#include <memory>
#include <stop_token>

#include "sluice/base/diagnostic.h"
#include "sluice/lake/edit_rows.h"
#include "sluice/sql/internal/target_table.h"
#include "sluice/worker/pool.h"

namespace sluice::sql::internal {

class FileIndexes;

/// Borrows what it is made of.
struct ChangeOnce {
  lake::EditKind kind;
  const TargetTable& target;
  duck::RelationLookup relations;  ///< Of other tables.
  FileIndexes* indexes;

  /// Runs the statement in a worker, where the table is `snapshot`, and tells `edits`. Errors as
  /// worker::Pool::Run(), and those of the edits; `found` gets the code.
  Status Run(worker::Pool& pool, const worker::Tenant& workers, const worker::Query& query,
             const std::shared_ptr<const lake::Snapshot>& snapshot, lake::RowEdits& edits,
             std::stop_token stop, Diagnostic& found) const;
};

/// The one row of a change's answer.
Result<columnar::Batch> AnswerOf(const lake::ChangeReport& report);

}  // namespace sluice::sql::internal
