#include "sluice/lake/internal/file_bins.h"

#include <algorithm>
#include <map>

namespace sluice::lake::internal {

namespace {

double DeletedPart(const DataFile& file) {
  if (file.deletion_vector == nullptr) return 0;
  const auto deleted = static_cast<double>(file.deletion_vector->cardinality);
  return file.rows && *file.rows > 0 ? deleted / static_cast<double>(*file.rows) : 1;
}

int64_t BytesLeft(const DataFile& file) {
  return static_cast<int64_t>(static_cast<double>(file.size) * (1 - DeletedPart(file)));
}

}  // namespace

std::vector<FileBin> ChooseBins(const std::vector<DataFile>& files, const BinOptions& options) {
  std::map<PartitionValues, FileBin> open;
  std::vector<FileBin> bins;
  const auto close = [&](FileBin& bin) {
    const bool worth =
        bin.files.size() > 1 ||
        (!bin.files.empty() && DeletedPart(bin.files.front()) > options.deleted_part_max);
    if (worth) bins.push_back(std::move(bin));
    bin = {};
  };
  for (const DataFile& file : files) {
    const bool purged = DeletedPart(file) > options.deleted_part_max;
    const bool small = options.small_files && BytesLeft(file) < options.file_bytes / 4 * 3;
    if (!purged && !small) continue;
    FileBin& bin = open[file.partition_values];
    if (!bin.files.empty() && bin.bytes + BytesLeft(file) > options.file_bytes) close(bin);
    bin.bytes += BytesLeft(file);
    bin.files.push_back(file);
  }
  for (auto& [partition, bin] : open) close(bin);
  std::ranges::stable_sort(bins, {}, [](const FileBin& bin) {
    return bin.bytes / static_cast<int64_t>(bin.files.size());
  });
  return bins;
}

}  // namespace sluice::lake::internal
