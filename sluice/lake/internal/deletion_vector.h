#pragma once
/// \file
/// Deletion vectors: from what the log says to one bit a row.

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "sluice/base/error.h"
#include "sluice/columnar/row_runs.h"
#include "sluice/lake/delta_table.h"
#include "sluice/lake/internal/file_places.h"

namespace sluice::lake::internal {

/// Rows of one file, by their position in it.
///
/// Not thread-safe, but for reading.
class RowSet {
 public:
  /// Room for rows 0 to `rows` - 1.
  explicit RowSet(int64_t rows) : rows_(rows), words_(static_cast<size_t>((rows + 63) / 64)) {}

  int64_t rows() const { return rows_; }
  int64_t count() const;
  bool Contains(int64_t row) const {
    return (words_[static_cast<size_t>(row / 64)] >> (row % 64) & 1) != 0;
  }
  void Insert(int64_t row) { words_[static_cast<size_t>(row / 64)] |= uint64_t{1} << (row % 64); }
  /// Bit `row % 64` of word `row / 64`.
  const std::vector<uint64_t>& words() const { return words_; }

  /// Returns them as runs.
  columnar::RowRuns Runs() const;

  /// Returns the rows that are in `this`, but not in `other`, of the same size.
  RowSet Without(const RowSet& other) const;
  /// Adds the rows of `other`, of the same size.
  void InsertAll(const RowSet& other);
  /// Whether some row is in both; they are of the same size.
  bool Meets(const RowSet& other) const;

 private:
  int64_t rows_;
  std::vector<uint64_t> words_;
};

/// Decodes the text form of bytes that ZeroMQ calls Z85. kCorrupt: it is none.
Result<std::string> DecodeZ85(std::string_view text);

/// Decodes a bitmap with either of its two magic numbers: portable 64-bit Roaring, and the older
/// native one. kCorrupt: the bytes are none, or name a row that is not below `rows`.
Result<RowSet> DecodeBitmap(std::string_view bytes, int64_t rows);

/// Returns the address of the file a vector lies in, as an action's path would have it. Needs a
/// vector that is not inline. kCorrupt: the descriptor makes no sense.
Result<std::string> DeletionVectorPath(const DeletionVector& vector);

/// Reads a vector for a file of `rows` rows. kCorrupt: size, checksum or cardinality differ from
/// what the log, or the file, says.
Result<RowSet> ReadDeletionVector(const FilePlaces& places, const DeletionVector& vector,
                                  int64_t rows);

}  // namespace sluice::lake::internal
