#pragma once
/// \file
/// From the actions of commits to the files that hold their changes.

#include <memory>
#include <optional>
#include <vector>

#include "sluice/lake/delta_table.h"
#include "sluice/lake/internal/commit_times.h"
#include "sluice/lake/internal/data_file_reader.h"
#include "sluice/lake/internal/table_state.h"

namespace sluice::lake::internal {

/// One file to read for its changes.
struct ChangePiece {
  DataFile file;
  WantedRows rows;
};

struct CommitChanges {
  int64_t commit_ms = 0;
  std::vector<ChangePiece> pieces;
};

/// The commits of a table from one version to another. Not thread-safe.
class ChangeLog {
 public:
  /// kInvalid: `to` is before `from`. kNotFound: a version is not, or no longer, there.
  /// kUnsupported: the feed was off at `from`. `table` must outlive it.
  static Result<ChangeLog> Open(const DeltaTable& table, Version from, std::optional<Version> to);

  Version from() const { return from_; }
  Version to() const { return last_->version(); }
  /// The table at the last version.
  const StatePtr& last() const { return last_; }

  /// Returns what changed in one of the versions. kUnsupported: the feed was off there, or the log
  /// does not tell enough of a removed file.
  Result<CommitChanges> Read(Version version);

 private:
  ChangeLog(const DeltaTable& table, Version from, StatePtr last, CommitTimes times)
      : table_(&table), from_(from), last_(std::move(last)), times_(std::move(times)) {}

  const DeltaTable* table_;
  Version from_;
  StatePtr last_;
  CommitTimes times_;
};

}  // namespace sluice::lake::internal
