#pragma once
/// \file
/// Which rows of a file: by position, as runs of neighbours.

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "sluice/base/error.h"

namespace sluice::columnar {

/// A set of row positions, ascending. Its bytes take about two a run, so that many sets travel with
/// the names of their files.
///
/// Not thread-safe, but for reading.
class RowRuns {
 public:
  struct Run {
    int64_t first = 0;
    int64_t count = 0;
    bool operator==(const Run&) const = default;
  };

  /// Adds rows behind all that are there; those that touch the last run lengthen it.
  void Add(int64_t first, int64_t count);
  const std::vector<Run>& runs() const { return runs_; }
  bool empty() const { return runs_.empty(); }
  int64_t rows() const;

  /// Returns the rows of 0 to `end` - 1 that are not in this set.
  RowRuns Others(int64_t end) const;

  std::string Encode() const;
  /// Reads what Encode() wrote. kCorrupt: the bytes are something else.
  static Result<RowRuns> Decode(std::string_view bytes);

 private:
  std::vector<Run> runs_;
};

}  // namespace sluice::columnar
