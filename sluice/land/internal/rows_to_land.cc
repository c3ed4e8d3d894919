#include "sluice/land/internal/rows_to_land.h"

#include <arrow/api.h>

#include <algorithm>

#include "sluice/land/table_schema.h"

namespace sluice::land::internal {

namespace {

int64_t DivideUp(int64_t number, int64_t by) { return (number + by - 1) / by; }

int64_t BytesOf(const Chunk& chunk, int64_t rows) {
  return DivideUp(chunk.bytes * rows, chunk.rows_made);
}

}  // namespace

RowsToLand ChooseRows(const std::deque<Chunk>& chunks, journal::Offset first, int64_t bytes_max) {
  std::vector<const Chunk*> whole;
  int64_t bytes = 0;
  for (journal::Offset next = first; const Chunk& chunk : chunks) {
    if (chunk.base != next) break;
    next += chunk.rows->num_rows();
    bytes += BytesOf(chunk, chunk.rows->num_rows());
    whole.push_back(&chunk);
  }
  const int64_t commits = std::max<int64_t>(1, DivideUp(bytes, std::max<int64_t>(1, bytes_max)));
  const int64_t share = DivideUp(bytes, commits);
  RowsToLand chosen;
  for (const Chunk* chunk : whole) {
    const int64_t left = share - chosen.bytes;
    if (left <= 0) break;
    // Rounded up, so that the commits do not become one more for a row that did not fit.
    const int64_t fitting = std::max<int64_t>(1, DivideUp(left * chunk->rows_made, chunk->bytes));
    const int64_t rows = std::min(chunk->rows->num_rows(), fitting);
    chosen.batches.push_back(columnar::FirstRows(chunk->rows, static_cast<uint64_t>(rows)));
    chosen.rows += rows;
    chosen.bytes += BytesOf(*chunk, rows);
  }
  return chosen;
}

Status KeepDates(RowsToLand& chosen, int dates_max) {
  SLUICE_ASSIGN_OR_RETURN(const int64_t fitting, RowsWithinDates(chosen.batches, dates_max));
  if (fitting == chosen.rows) return {};
  chosen.rows = fitting;
  int64_t left = fitting;
  size_t kept = 0;
  for (; kept < chosen.batches.size() && left > 0; ++kept) {
    columnar::Batch& batch = chosen.batches[kept];
    batch = columnar::FirstRows(batch, static_cast<uint64_t>(left));
    left -= batch->num_rows();
  }
  chosen.batches.resize(kept);
  return {};
}

}  // namespace sluice::land::internal
