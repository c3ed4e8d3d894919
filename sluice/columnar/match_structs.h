#pragma once
/// \file
/// Structs that lack fields, or have them in another order → those of a wanted type.

#include <arrow/type_fwd.h>

#include <memory>

#include "sluice/base/error.h"
#include "sluice/columnar/batch.h"

namespace sluice::columnar {

/// Gives the structs in `rows`, also those in lists, the fields of the columns with the same names
/// in `schema`, in its order; those that they lack are null. Other columns stay as they are. Fields
/// that were there keep their metadata, which tells by which rule their values were made.
///
/// kCorrupt: a column differs in more than that, has a field that `schema` lacks, or lacks one that
/// may not be null.
Result<Batch> MatchStructs(const Batch& rows, const Schema& schema);

/// The same for one column.
Result<std::shared_ptr<arrow::Array>> MatchStructs(const std::shared_ptr<arrow::Array>& values,
                                                   const arrow::Field& wanted);

}  // namespace sluice::columnar
