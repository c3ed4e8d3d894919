#pragma once
/// \file
/// When commits were made.

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "sluice/lake/delta_table.h"

namespace sluice::lake::internal {

/// Returns the commitInfo of a commit's text as JSON; empty if there is none. Commits begin with it
/// where it matters; elsewhere it is somewhere in the file.
std::string FindCommitInfo(std::string_view text);

/// Times of the commits that a log still has. Not thread-safe.
class CommitTimes {
 public:
  /// Lists the log. kNotFound: it has no commits. `table` must outlive the result.
  static Result<CommitTimes> List(const DeltaTable& table);

  /// Ascending, without gaps up to the newest.
  const std::vector<Version>& versions() const { return versions_; }
  /// Returns the time of a listed commit: its in-commit timestamp, else that of its file.
  Result<int64_t> At(Version version);
  /// Returns a listed commit's commitInfo as JSON; empty if it has none.
  Result<std::string> ReadInfo(Version version);

 private:
  explicit CommitTimes(const DeltaTable& table) : table_(&table) {}

  const DeltaTable* table_;
  std::vector<Version> versions_;
  std::map<Version, int64_t> file_ms_;  // Made to grow.
  std::map<Version, std::string> infos_;
  bool in_commit_ = false;
  Version in_commit_from_ = 0;
};

}  // namespace sluice::lake::internal
