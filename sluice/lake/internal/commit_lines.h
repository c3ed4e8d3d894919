#pragma once
/// \file
/// What features of a table add to each commit.

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "sluice/lake/delta_table.h"
#include "sluice/lake/internal/row_rules.h"
#include "sluice/lake/internal/table_state.h"
#include "sluice/store/object_store.h"

namespace sluice::lake::internal {

/// What commits, and what they take away, are dated by: milliseconds since 1970.
int64_t StampMs(const DeltaTable& table);
/// By which files and what the log remembers become old, likewise.
int64_t ExpiryMs(const DeltaTable& table);
/// The same of when the object was written.
int64_t ModifiedMs(const store::ObjectInfo& object);

/// Returns the in-commit timestamp of the commit after `state`: later than all before. Nothing
/// where the table has none. kCorrupt: the commit of `state` should have one, but has not.
Result<std::optional<int64_t>> NextCommitTime(const TableState& state, int64_t now_ms);

/// Where the table tracks rows: gives `files` the ids behind the table's high water mark, and
/// appends the line that moves it. kInvalid: a file does not know its rows. kCorrupt: the mark
/// cannot be read.
Status AssignRowIds(std::string& lines, const TableState& state, std::vector<DataFile>& files);

/// Appends the metadata with new high water marks, if identity columns have moved.
Status AppendIdentities(std::string& lines, const TableState& state,
                        const std::map<std::string, Identity>& identities);

}  // namespace sluice::lake::internal
