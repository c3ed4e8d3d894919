#pragma once
/// \file
/// Which of a table's waiting rows go into its next commit.

#include <cstdint>
#include <deque>
#include <vector>

#include "sluice/base/error.h"
#include "sluice/columnar/batch.h"
#include "sluice/journal/journal.h"

namespace sluice::land::internal {

/// Waiting rows in the table's columns.
struct Chunk {
  journal::Offset base;
  columnar::Batch rows;
  int64_t bytes;      ///< Of the memory of all that it was made with, landed or not.
  int64_t rows_made;  ///< How many those were.
};

/// The rows of one commit.
struct RowsToLand {
  std::vector<columnar::Batch> batches;
  int64_t rows = 0;
  int64_t bytes = 0;  ///< Of memory.
};

/// Takes rows from `first` on, up to a hole in their offsets. More than `bytes_max` become several
/// commits of about the same size: this is the first of them. At least one row, if there is any.
RowsToLand ChooseRows(const std::deque<Chunk>& chunks, journal::Offset first, int64_t bytes_max);

/// Leaves out the rows behind the first `dates_max` event dates.
Status KeepDates(RowsToLand& chosen, int dates_max);

}  // namespace sluice::land::internal
