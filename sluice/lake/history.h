#pragma once
/// \file
/// The commits of a table: who did what when, and which version held at a moment.

#include <cstdint>
#include <string>
#include <vector>

#include "sluice/base/error.h"
#include "sluice/lake/delta_table.h"

namespace sluice::lake {

/// One commit.
struct CommitRecord {
  Version version = 0;
  /// Milliseconds since 1970: the in-commit timestamp where the table has such, else when the
  /// commit's file was written, moved forward where that does not increase.
  int64_t timestamp_ms = 0;
  std::string operation;  ///< Such as `WRITE`; empty if the writer did not say.
  std::string info;       ///< The whole commitInfo, JSON; empty if there is none.
};

/// Returns the newest commits that the log still has, newest first, at most `commits_max`.
/// kNotFound: there is no table.
Result<std::vector<CommitRecord>> ReadHistory(const DeltaTable& table, size_t commits_max);

/// Returns the newest version that was there at `timestamp_ms`. kNotFound: the log does not reach
/// back so far, with the time of its oldest commit.
Result<Version> VersionAt(const DeltaTable& table, int64_t timestamp_ms);

}  // namespace sluice::lake
