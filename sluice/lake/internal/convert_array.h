#pragma once
/// \file
/// Columns as they stand in a data file, as the table has them.

#include <arrow/type_fwd.h>

#include <memory>
#include <string>

#include "sluice/base/error.h"
#include "sluice/lake/internal/table_features.h"

namespace sluice::lake::internal {

/// What of a data file matters to reading its values.
struct FileTraits {
  ColumnMapping mapping = ColumnMapping::kNone;
  /// Dates (and timestamps) before 1582-10-15 are in the Julian calendar, as Spark 2 wrote them.
  bool julian_days = false;
};

/// Returns the child of `parents` in the file that `wanted`, a field of the table's annotated
/// schema, is read from; -1 if the file does not have it. By id, by physical name, or by name, then
/// without regard to case.
int FindField(const arrow::FieldVector& parents, const arrow::Field& wanted, ColumnMapping mapping);

/// Returns which values of the array, that may be a slice, are valid; null if all are.
Result<std::shared_ptr<arrow::Buffer>> ValidityOf(const arrow::Array& array);

/// Brings an array of a file to the type of the table's annotated field `wanted`:
/// members of structs matched and filled up with null, encodings of other writers made one, types
/// widened. The result has `wanted`'s type without annotations. kCorrupt: the types have nothing to
/// do with each other, or a value does not fit.
Result<std::shared_ptr<arrow::Array>> ConvertArray(const std::shared_ptr<arrow::Array>& array,
                                                   const arrow::Field& wanted,
                                                   const FileTraits& traits);

}  // namespace sluice::lake::internal
