#pragma once
/// \file
/// Rows on their way from one file of a table to another, as they are.

#include <arrow/type_fwd.h>

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "sluice/lake/internal/data_file_reader.h"
#include "sluice/lake/internal/table_state.h"

namespace sluice::lake::internal {

/// Reads rows as RowFiles takes them: all columns of the table, then the row id and version of each
/// where the table tracks rows.
///
/// Immutable. Thread-safe.
class RowCopy {
 public:
  /// kCorrupt: a table that tracks rows does not say where it keeps their ids. `table` must outlive
  /// the copy. `memory_bytes_max`: as in ReadPlan.
  static Result<RowCopy> Of(const DeltaTable& table, const TableState& state,
                            const std::string& zone, int64_t memory_bytes_max = 0);

  /// The columns behind those of the table, under their names in files.
  const std::vector<std::shared_ptr<arrow::Field>>& extra() const { return extra_; }
  /// With the position of each row as another, last, column.
  ReadPlan WithPositions() const;

  /// Gives all rows of a file that are not deleted to `use`, whose error ends it.
  Status Read(const DataFile& file,
              const std::function<Status(const columnar::Batch& rows)>& use) const;

 private:
  explicit RowCopy(const DeltaTable& table);

  FilePlaces places_;
  ReadPlan plan_;
  std::vector<std::shared_ptr<arrow::Field>> extra_;
};

/// Returns the columns that have no bounds in the statistics of any of the files, though they have
/// values: somebody may want them to have none.
std::vector<std::string> ColumnsWithoutBounds(const TableState& state,
                                              const std::vector<DataFile>& files);

}  // namespace sluice::lake::internal
