#pragma once
/// \file
/// What a file's tags say of the order of its rows, under the names that Spark reads and writes,
/// too.

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "sluice/lake/file_list.h"

namespace sluice::lake::internal {

struct ClusterMark {
  std::string cube;     ///< Files that were clustered with one another have the same.
  std::string columns;  ///< JSON list of names, as the table called them then.
  std::string curve;    ///< `hilbert`, `zorder`; empty: it does not say.

  /// A mark without a cube.
  static ClusterMark By(const std::vector<std::string>& columns, std::string curve);

  /// Whether files with this mark need not be clustered as `wanted` says.
  bool Satisfies(const ClusterMark& wanted) const;
};

/// Absent: the file is not clustered, as far as its tags tell.
std::optional<ClusterMark> MarkOf(const DataFile& file);

/// Returns the tags that say so.
std::shared_ptr<const PartitionValues> TagsOf(const ClusterMark& mark);

}  // namespace sluice::lake::internal
