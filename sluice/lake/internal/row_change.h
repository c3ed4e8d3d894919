#pragma once
/// \file
/// What all changes of rows have in common: finding rows, taking them out of their files, writing
/// others, and the commit.

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "sluice/lake/internal/data_file_reader.h"
#include "sluice/lake/internal/row_mover.h"
#include "sluice/lake/internal/row_rules.h"
#include "sluice/lake/internal/table_change.h"
#include "sluice/lake/row_changes.h"

namespace sluice::lake::internal {

/// One change of one state of a table, from its first look at rows to its commit.
///
/// Not thread-safe, but for what is const.
class RowChange {
 public:
  /// kUnsupported: the table cannot be changed, or not in this way. What is given must outlive the
  /// change.
  static Result<std::unique_ptr<RowChange>> Begin(DeltaTable& table, StatePtr state,
                                                  const ChangeOptions& options,
                                                  std::string operation);
  ~RowChange();

  const TableState& state() const { return *moves_.state; }
  const StatePtr& snapshot() const { return moves_.state; }
  const RowRules& rules() const { return rules_; }
  TableChange& change() { return change_; }

  /// Returns the files that may have rows for the condition, all without one, and notes that the
  /// change is for those rows: others' new ones that meet it are in the way.
  std::vector<DataFile> Candidates(const std::optional<Expression>& condition);

  using Found = FoundRows;
  /// Returns the rows for which `condition` is true, all that are not deleted without one.
  Result<Found> FindRows(const DataFile& file, const std::optional<Expression>& condition) const;

  /// Returns the file's numbers, without any of its rows.
  Result<Found> NoRows(const DataFile& file) const;
  /// Adds the row at a position. kCorrupt: the file has more rows than it should.
  static Status Mark(const DataFile& file, int64_t position, Found& found);

  /// A plan that reads `columns` and then the position of each row.
  Result<ReadPlan> PositionsPlan(const std::vector<std::string>& columns) const;
  Result<std::unique_ptr<DataFileReader>> OpenFile(const DataFile& file,
                                                   const ReadPlan& plan) const;

  /// Calls `move` with the index of each file and who takes rows out of it. Where rows are copied,
  /// large files are shared out among as many threads as the options and the machine have, and what
  /// one mover writes are files of their own; each calls it in the order of its files. Returns the
  /// first error, behind which no other file is begun.
  using Move = std::function<Status(RowMover& mover, size_t file)>;
  Status MoveRows(const std::vector<DataFile>& files, const Move& move);
  /// For rows that are in no file yet. Written to the files of the last mover, and behind them.
  RowMover& mover();

  bool has_change_feed() const { return moves_.change_files.has_value(); }
  /// Whether rows leave files by vectors.
  bool marks() const { return moves_.marks; }

  /// Commits, unless nothing has changed. After an error all that was written is gone.
  Result<ChangeReport> Commit();

 private:
  RowChange(DeltaTable& table, StatePtr state, const ChangeOptions& options);
  Status Prepare(std::string operation);
  /// Where the files of each mover end.
  std::vector<size_t> ShareOut(const std::vector<DataFile>& files) const;
  std::map<std::string, std::string> Metrics() const;

  DeltaTable& table_;
  const ChangeOptions& options_;
  RowMoves moves_;
  RowRules rules_;
  TableChange change_;
  ChangeReport report_;
  std::vector<std::unique_ptr<RowMover>> movers_;  // In the order of their files.
  std::unique_ptr<RowMover> last_;                 // Of the last files, and of new rows.
  bool committed_ = false;
};

/// Makes a change again while other writers are in its way. `make` fills the change in.
Result<ChangeReport> MakeChange(DeltaTable& table, const ChangeOptions& options,
                                const std::string& operation,
                                const std::function<Status(RowChange&)>& make);

}  // namespace sluice::lake::internal
