#pragma once
/// \file
/// Reaches a field inside structs and lists of a column, and puts another in its place.

#include <arrow/api.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <vector>

#include "sluice/base/error.h"
#include "sluice/event/field.h"

namespace sluice::privacy::internal {

/// The rows of the batch that a leaf's values belong to; empty: value `i` is of row `i`.
using RowsOfValues = std::vector<int64_t>;

inline int64_t RowOf(const RowsOfValues& rows, int64_t value) {
  return rows.empty() ? value : rows[static_cast<size_t>(value)];
}

/// Makes another array of the same length of a leaf. `field` is the leaf's in the type of what is
/// around it.
using ReplaceLeaf = std::function<Result<std::shared_ptr<arrow::Array>>(
    const std::shared_ptr<arrow::Array>& leaf, const arrow::Field& field,
    const RowsOfValues& rows)>;

/// Returns `column` with the field that the rest of a path (event::FieldPath, without its first
/// index) leads to replaced. If that is a list and `whole` is false, its innermost values are.
Result<std::shared_ptr<arrow::Array>> ReplaceAt(const std::shared_ptr<arrow::Array>& column,
                                                const arrow::Field& field,
                                                std::span<const size_t> path, bool whole,
                                                const RowsOfValues& rows,
                                                const ReplaceLeaf& replace);

/// The same for the column's field: `replace` gets the leaf's.
std::shared_ptr<arrow::Field> ReplaceFieldAt(
    const std::shared_ptr<arrow::Field>& field, std::span<const size_t> path, bool whole,
    const std::function<std::shared_ptr<arrow::Field>(const std::shared_ptr<arrow::Field>&)>&
        replace);

}  // namespace sluice::privacy::internal
