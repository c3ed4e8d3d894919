#pragma once
/// \file
/// Rows on their way out of files and into others: what one thread does for a change of rows.

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "sluice/lake/internal/data_file_reader.h"
#include "sluice/lake/internal/row_files.h"
#include "sluice/lake/internal/table_change.h"
#include "sluice/lake/row_changes.h"

namespace sluice::lake::internal {

/// Rows of one file.
struct FoundRows {
  RowSet rows;
  int64_t physical = 0;  ///< Rows of the file, deleted ones too.
  int64_t live = 0;      ///< Those that are not deleted.
};

/// What all movers of a change have in common. Not changed while they move rows, but for `stopped`.
struct RowMoves {
  RowMoves(const DeltaTable& of, StatePtr at, const ChangeOptions& with)
      : table(of),
        state(std::move(at)),
        options(with),
        places(of.store(), of.root(), of.foreign()) {}

  const DeltaTable& table;
  const StatePtr state;
  const ChangeOptions& options;
  const FilePlaces places;
  bool marks = false;        ///< Rows leave files by vectors.
  bool tracks_rows = false;  ///< Rows have ids that they keep.
  ReadPlan plan;             ///< All columns, row ids, the position.
  RowFiles::Options files;
  std::optional<RowFiles::Options> change_files;  ///< Where the table has a change feed.
  std::atomic<bool> stopped = false;  ///< Another mover failed: what is moved is in vain.
};

/// Takes rows out of some of the files of a change, and writes others, to files of its own.
///
/// Not thread-safe.
class RowMover {
 public:
  /// `moves` must outlive the mover. `threads`: with more than one, many rows are encoded by one of
  /// its own. `share`: the part of the rows of a group, and of the memory for open files, that is
  /// this mover's; 2 is the half.
  RowMover(const RowMoves& moves, int threads, int share);
  RowMover(const RowMover&) = delete;
  RowMover& operator=(const RowMover&) = delete;

  /// Takes rows out of their file. `use`, if given, gets them before: all columns of the table,
  /// then the row id and version of each where the table tracks rows.
  using Use = std::function<Status(const columnar::Batch& rows)>;
  Status TakeOut(const DataFile& file, FoundRows found, const Use& use);

  /// Writes rows that TakeOut() gave, changed: they keep their row ids.
  Status WriteChanged(const columnar::Batch& rows, const columnar::Batch& before);
  /// Writes rows that are new: with the columns of the table alone.
  Status WriteNew(const columnar::Batch& rows);
  /// Writes to the change feed, where the table has one. `rows` may have more columns than the
  /// table.
  Status NoteChange(const columnar::Batch& rows, std::string_view change_type);

  /// The rows that were moved, deleted and so on, and the files that lost some.
  ChangeReport& report() { return report_; }
  /// Ends the files that are open. More may be written behind it.
  Status Finish();
  /// Hands what was done to the change and its report, once; behind Finish().
  void AddTo(TableChange& change, ChangeReport& report);
  /// Deletes what was written, as far as it can.
  void Discard();

 private:
  /// Counts rows that are deleted, for ChangeOptions::count_deleted.
  Status Count(const DataFile& file, const FoundRows& found);
  /// `ids`: of the rows, where the table tracks them; null: they are new.
  Status Write(const columnar::Batch& rows, std::shared_ptr<arrow::Array> ids);

  const RowMoves& moves_;
  RowFiles files_;
  std::optional<RowFiles> change_files_;
  std::vector<DataFile> removed_;
  std::vector<MarkedFile> marked_;
  int64_t counted_ = 0;
  ChangeReport report_;  // The counts alone.
};

}  // namespace sluice::lake::internal
