#pragma once
/// \file
/// Rows of older contracts → the structs of the present one.

#include "sluice/base/error.h"
#include "sluice/columnar/batch.h"

namespace sluice::land::internal {

/// Gives the structs in `rows`, also those in lists, the fields of the columns with the same names
/// in `schema`, in its order; those that they lack are null. Other columns stay as they are. Fields
/// that were there keep their metadata, which tells by which rule their values were made.
///
/// kCorrupt: a column differs in more than that, or has a field that `schema` lacks.
Result<columnar::Batch> MatchStructs(const columnar::Batch& rows, const columnar::Schema& schema);

}  // namespace sluice::land::internal
