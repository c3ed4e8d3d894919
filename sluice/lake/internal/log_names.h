#pragma once
/// \file
/// Names in `_delta_log`.

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "sluice/lake/delta_table.h"

namespace sluice::lake::internal {

/// Returns the folder of a table's log, with its final '/'; `root` as in DeltaTable.
std::string LogFolder(std::string_view root);

/// Returns `00000000000000000007` for 7: what all names of a version begin with.
std::string VersionName(Version version);
std::string CommitName(Version version);
std::string CheckpointName(Version version);
std::string CompactedName(Version first, Version last);

/// The files of one complete checkpoint.
struct CheckpointFiles {
  /// At one version the later kind is preferred.
  enum class Kind { kParts, kClassic, kV2Json, kV2Parquet };
  Version version = -1;
  Kind kind = Kind::kClassic;
  std::vector<std::string> names;
};

/// A file that stands for all commits of some versions.
struct CompactedCommits {
  Version first = -1;
  Version last = -1;
  std::string name;
};

/// What a listing of `_delta_log` holds. Names that we do not know are left out: future kinds
/// appear.
struct LogListing {
  std::map<Version, std::string> commits;
  std::vector<CompactedCommits> compacted;
  std::vector<CheckpointFiles> checkpoints;  ///< Complete ones, best first: newest, then by kind.
};

/// `names` are relative to the folder.
LogListing ClassifyLog(const std::vector<std::string>& names);

}  // namespace sluice::lake::internal
