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
#include "sluice/lake/internal/row_files.h"
#include "sluice/lake/internal/row_rules.h"
#include "sluice/lake/internal/table_change.h"
#include "sluice/lake/row_changes.h"

namespace sluice::lake::internal {

/// One change of one state of a table, from its first look at rows to its commit.
///
/// Not thread-safe.
class RowChange {
 public:
  /// kUnsupported: the table cannot be changed, or not in this way. What is given must outlive the
  /// change.
  static Result<std::unique_ptr<RowChange>> Begin(DeltaTable& table, StatePtr state,
                                                  const ChangeOptions& options,
                                                  std::string operation);
  ~RowChange();

  const TableState& state() const { return *state_; }
  const StatePtr& snapshot() const { return state_; }
  const RowRules& rules() const { return rules_; }
  TableChange& change() { return change_; }
  ChangeReport& report() { return report_; }

  /// Returns the files that may have rows for the condition, all without one, and notes that the
  /// change is for those rows: others' new ones that meet it are in the way.
  std::vector<DataFile> Candidates(const std::optional<Expression>& condition);

  /// Rows of one file.
  struct Found {
    RowSet rows;
    int64_t physical = 0;  ///< Rows of the file, deleted ones too.
    int64_t live = 0;      ///< Those that are not deleted.
  };
  /// Returns the rows for which `condition` is true, all that are not deleted without one.
  Result<Found> FindRows(const DataFile& file, const std::optional<Expression>& condition);

  /// Returns the file's numbers, without any of its rows.
  Result<Found> NoRows(const DataFile& file) const;
  /// Adds the row at a position. kCorrupt: the file has more rows than it should.
  static Status Mark(const DataFile& file, int64_t position, Found& found);

  /// A plan that reads `columns` and then the position of each row.
  Result<ReadPlan> PositionsPlan(const std::vector<std::string>& columns) const;
  Result<std::unique_ptr<DataFileReader>> OpenFile(const DataFile& file,
                                                   const ReadPlan& plan) const;

  /// Takes rows out of their file. `use`, if given, gets them before: all columns of the table,
  /// then the row id and version of each where the table tracks rows.
  using Use = std::function<Status(const columnar::Batch& rows)>;
  Status TakeOut(const DataFile& file, Found found, const Use& use);

  /// Counts rows that are deleted, for ChangeOptions::count_deleted.
  Status Count(const DataFile& file, const Found& found);

  /// Writes rows that TakeOut() gave, changed: they keep their row ids.
  Status WriteChanged(const columnar::Batch& rows, const columnar::Batch& before);
  /// Writes rows that are new: with the columns of the table alone.
  Status WriteNew(const columnar::Batch& rows);
  /// Writes to the change feed, where the table has one. `rows` may have more columns than the
  /// table.
  Status NoteChange(const columnar::Batch& rows, std::string_view change_type);
  bool has_change_feed() const { return change_files_ != nullptr; }
  /// Whether rows leave files by vectors.
  bool marks() const { return marks_; }

  /// Commits, unless nothing has changed. After an error all that was written is gone.
  Result<ChangeReport> Commit();

 private:
  RowChange(DeltaTable& table, StatePtr state, const ChangeOptions& options);
  Status Prepare(std::string operation);
  /// `ids`: of the rows, where the table tracks them; null: they are new.
  Status Write(const columnar::Batch& rows, std::shared_ptr<arrow::Array> ids);
  std::map<std::string, std::string> Metrics() const;

  DeltaTable& table_;
  const StatePtr state_;
  const ChangeOptions& options_;
  const FilePlaces places_;
  RowRules rules_;
  bool marks_ = false;
  bool tracks_rows_ = false;
  ReadPlan rows_plan_;  // All columns, row ids, the position.
  TableChange change_;
  ChangeReport report_;
  std::unique_ptr<RowFiles> files_;
  std::unique_ptr<RowFiles> change_files_;  // Null: the table has no change feed.
  bool committed_ = false;
};

/// Makes a change again while other writers are in its way. `make` fills the change in.
Result<ChangeReport> MakeChange(DeltaTable& table, const ChangeOptions& options,
                                const std::string& operation,
                                const std::function<Status(RowChange&)>& make);

}  // namespace sluice::lake::internal
