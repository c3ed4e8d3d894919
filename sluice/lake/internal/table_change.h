#pragma once
/// \file
/// A commit that takes rows or files away, and what other writers may have done meanwhile.

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "sluice/columnar/row_runs.h"
#include "sluice/lake/delta_table.h"
#include "sluice/lake/expression.h"
#include "sluice/lake/internal/deletion_vector.h"
#include "sluice/lake/internal/row_rules.h"
#include "sluice/lake/internal/table_log.h"
#include "sluice/lake/internal/table_state.h"

namespace sluice::lake::internal {

/// A file of which a change deletes rows by a vector.
struct MarkedFile {
  DataFile file;     ///< As in the state that the change was made for.
  RowSet rows;       ///< That it deletes; none of them is deleted in that state.
  int64_t physical;  ///< Rows of the file, deleted ones too.
};

/// Rows of a file that a change leaves as they are, and without which it would have done something
/// else.
struct ReliedOn {
  DataFile file;  ///< As in the state that the change was made for.
  columnar::RowRuns rows;
  int64_t physical;  ///< Rows of the file, deleted ones too.
};

/// What a change made of one state of a table. Its files are written; vectors are not.
struct TableChange {
  std::string operation;
  std::map<std::string, std::string> parameters = {};
  std::map<std::string, std::string> metrics = {};
  /// Whether the rows of the table change: not in compactions.
  bool data_change = true;
  std::vector<DataFile> removed = {};
  std::vector<MarkedFile> marked = {};
  std::vector<DataFile> added = {};
  std::vector<ChangeFile> changes = {};
  std::vector<ReliedOn> relied_on = {};
  /// Which rows of the table decided: other writers' new rows that are among them end the try.
  enum class Read : uint8_t { kNothing, kMatching, kEverything };
  Read read = Read::kNothing;
  bool relies_on_all = false;  ///< Any row of the table is one of those in `relied_on`.
  std::optional<Expression> condition = {};  ///< With kMatching.
  /// Whether the change would have done something else for rows of a file that another writer has
  /// added, if they had been there. Null: it would have, whatever they are.
  std::function<Result<bool>(const DataFile&)> reaches = {};
  std::string zone = "UTC";       ///< As in ScanOptions.
  std::string overtaken_by = {};  ///< As in ChangeOptions.
  std::map<std::string, Identity> identities = {};
  /// An application whose version is raised, whatever it is by then.
  struct Raise {
    std::string app_id;
    int64_t by = 0;
  };
  std::optional<Raise> raise = {};
};

/// Commits the change on top of `state`, or of what other writers made of it, if the outcome is the
/// same as if it had been made after theirs: files that it takes away must still be there; rows
/// that others have deleted of a marked file are deleted too, unless both mean the same row; rows
/// that it relied on must not be deleted or changed, but may be moved by commits that change none.
///
/// kConflict: naming what is in the way; the change may be made again of the newest state. Others
/// as DeltaTable::Append(). Vectors that were written for tries in vain stay, unnamed.
Result<Committed> CommitChange(const DeltaTable& table, const StatePtr& state,
                               const TableChange& change, const AppendOptions& options);

}  // namespace sluice::lake::internal
