#pragma once
/// \file
/// Whether the rows of a file are what its statistics say.

#include <string>
#include <vector>

#include "sluice/columnar/batch.h"
#include "sluice/lake/delta_table.h"
#include "sluice/lake/internal/bounds.h"
#include "sluice/lake/internal/table_features.h"

namespace sluice::lake::internal {

/// Takes a file's rows batch by batch. Not thread-safe.
class StatisticsCheck {
 public:
  /// `schema` is annotated. What is given must outlive the check.
  StatisticsCheck(const arrow::Schema& schema, ColumnMapping mapping, const DataFile& file);

  /// Takes rows with all columns of the table.
  void Add(const arrow::RecordBatch& batch);
  /// Returns what is not as the statistics say, by column; values are not told.
  std::vector<std::string> Finish() const;

 private:
  struct Column {
    std::string name;
    ColumnBounds bounds;
    int64_t nulls = 0;
    bool below = false;
    bool above = false;
  };
  bool exact_ = true;  // Null counts are those of the rows that are left.
  std::vector<Column> columns_;
};

}  // namespace sluice::lake::internal
