#pragma once
/// \file
/// States of tables as relations that queries read.

#include <memory>
#include <optional>
#include <string>

#include "sluice/duck/engine.h"
#include "sluice/lake/delta_table.h"

namespace sluice::sql {

namespace internal {
class FileIndexes;
}  // namespace internal

/// Sets the relation's files: those of the snapshot. The relation's schema must be there. `indexes`
/// keeps what is read for that; null: nothing does.
Status AddFiles(const lake::DeltaTable& table,
                const std::shared_ptr<const lake::Snapshot>& snapshot,
                internal::FileIndexes* indexes, duck::Relation& relation);

/// As AddFiles(), for a table to change: with a column that says which of the snapshot's files each
/// row stands in (duck::kFileColumn).
Status AddFilesToChange(const lake::DeltaTable& table,
                        const std::shared_ptr<const lake::Snapshot>& snapshot,
                        internal::FileIndexes* indexes, duck::Relation& relation);

/// Returns the changes of a table from one version to another, as lake::ChangeFeed has them.
Result<duck::Relation> ChangesRelation(const lake::DeltaTable& table, lake::Version from,
                                       std::optional<lake::Version> to);

}  // namespace sluice::sql
