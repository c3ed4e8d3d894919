#pragma once
/// \file
/// Which files of a table become one.

#include <cstdint>
#include <optional>
#include <vector>

#include "sluice/lake/compact_files.h"
#include "sluice/lake/delta_table.h"

namespace sluice::lake::internal {

struct BinOptions {
  int64_t file_bytes = 0;  ///< Of a full file.
  double deleted_part_max = 1;
  bool small_files = true;  ///< False: only files with too many deleted rows.
  std::optional<CompactOptions::Tiers> tiers = {};
};

/// Files of one partition that are written anew together, in the order of the log.
struct FileBin {
  std::vector<DataFile> files;
  int64_t bytes = 0;   ///< About as many as the new file has.
  bool quiet = false;  ///< By CompactOptions::Tiers.
};

/// Whether ChooseBins() would take the file, if others were there to join it.
bool MayRewrite(const DataFile& file, const BinOptions& options);

/// Takes the files that are smaller than three quarters of a full one (than half of one, with
/// tiers), and those with too many deleted rows. What would become the same single file again is
/// left out. The bins of quiet partitions come first, and of those the ones with the smallest
/// files.
std::vector<FileBin> ChooseBins(const std::vector<DataFile>& files, const BinOptions& options);

}  // namespace sluice::lake::internal
