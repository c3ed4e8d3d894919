#pragma once
/// \file
/// The objects that make up a table, for whoever copies it.

#include <vector>

#include "sluice/base/error.h"
#include "sluice/lake/delta_table.h"
#include "sluice/store/object_store.h"

namespace sluice::lake {

/// Returns the objects that a copy of the table must have to be at the snapshot's version, with the
/// versions before it as far as they are still there; paths as in the table's store.
///
/// Later commits are left out, and so is the hint `_last_checkpoint`, which may name one. Data
/// files are all that lie in the folder: some may belong to later commits, and are nobody's in the
/// copy.
/// kNotFound: a file of the snapshot is gone. kUnsupported: one lies outside of the folder.
Result<std::vector<store::ObjectInfo>> ObjectsUpTo(const DeltaTable& table,
                                                   const Snapshot& snapshot);

}  // namespace sluice::lake
