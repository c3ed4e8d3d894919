#include "sluice/lake/internal/file_bins.h"

#include <algorithm>
#include <cstddef>
#include <map>
#include <set>
#include <utility>

#include "sluice/lake/internal/cluster_mark.h"

namespace sluice::lake::internal {

namespace {

// A file is joined by others that have together so many times its bytes: rows are written anew
// about log3(full / first) times, which the disk pays, too, until old versions are vacuumed.
constexpr double kOthers = 2;
// Where nothing more comes.
constexpr double kLastOthers = 0.5;

double DeletedPart(const DataFile& file) {
  if (file.deletion_vector == nullptr) return 0;
  const auto deleted = static_cast<double>(file.deletion_vector->cardinality);
  return file.rows && *file.rows > 0 ? deleted / static_cast<double>(*file.rows) : 1;
}

int64_t BytesLeft(const DataFile& file) {
  return static_cast<int64_t>(static_cast<double>(file.size) * (1 - DeletedPart(file)));
}

bool IsPurged(const DataFile& file, const BinOptions& options) {
  return DeletedPart(file) > options.deleted_part_max;
}

/// The files of one partition that may be rewritten.
struct Candidates {
  std::vector<const DataFile*> files;
  bool quiet = true;
};

/// How many of the files, the smallest first, are worth joining now: as many as there are of which
/// the largest is met by `others` times its bytes in the others. 0: they wait.
size_t CountWorthJoining(const std::vector<const DataFile*>& files, size_t least, double others) {
  std::vector<int64_t> before = {0};  // Of the files before each.
  for (const DataFile* file : files) before.push_back(before.back() + BytesLeft(*file));
  for (size_t count = files.size(); count >= least; --count) {
    const auto largest = static_cast<double>(BytesLeft(*files[count - 1]));
    if (static_cast<double>(before[count - 1]) >= largest * others) return count;
  }
  return 0;
}

/// From so many bytes on a file is not small. With tiers any two small files fit into a full one:
/// else those that no other fits to would count as others for ever, and all smaller ones be
/// written anew with each that comes.
int64_t SmallBytes(const BinOptions& options) {
  return options.tiers ? options.file_bytes / 2 : options.file_bytes / 4 * 3;
}

}  // namespace

bool MayRewrite(const DataFile& file, const BinOptions& options) {
  // Together with others, the rows of a clustered file would be out of their order again.
  const bool small = options.small_files && BytesLeft(file) < SmallBytes(options) && !MarkOf(file);
  return small || IsPurged(file, options);
}

std::vector<FileBin> ChooseBins(const std::vector<DataFile>& files, const BinOptions& options) {
  std::map<PartitionValues, Candidates> candidates;
  for (const DataFile& file : files) {
    if (!MayRewrite(file, options)) continue;
    Candidates& partition = candidates[file.partition_values];
    partition.files.push_back(&file);
    if (options.tiers && file.modified_ms >= options.tiers->quiet_before_ms) {
      partition.quiet = false;
    }
  }
  std::vector<FileBin> bins;
  const auto close = [&](FileBin& bin) {
    const bool worth =
        bin.files.size() > 1 || (!bin.files.empty() && IsPurged(bin.files.front(), options));
    if (worth) bins.push_back(std::move(bin));
    bin = {};
  };
  for (const auto& [values, partition] : candidates) {
    std::set<const DataFile*> waiting;
    if (options.tiers) {
      std::vector<const DataFile*> by_size = partition.files;
      std::ranges::stable_sort(by_size, {}, [](const DataFile* file) { return BytesLeft(*file); });
      const auto least =
          static_cast<size_t>(partition.quiet ? 2 : std::max(2, options.tiers->files_min));
      const auto joined = static_cast<std::ptrdiff_t>(
          CountWorthJoining(by_size, least, partition.quiet ? kLastOthers : kOthers));
      waiting.insert(by_size.begin() + joined, by_size.end());
      std::erase_if(waiting, [&](const DataFile* file) { return IsPurged(*file, options); });
    }
    FileBin bin;
    for (const DataFile* file : partition.files) {
      if (waiting.contains(file)) continue;
      if (!bin.files.empty() && bin.bytes + BytesLeft(*file) > options.file_bytes) close(bin);
      bin.quiet = options.tiers && partition.quiet;
      bin.bytes += BytesLeft(*file);
      bin.files.push_back(*file);
    }
    close(bin);
  }
  std::ranges::stable_sort(bins, {}, [](const FileBin& bin) {
    return std::pair(!bin.quiet, bin.bytes / static_cast<int64_t>(bin.files.size()));
  });
  return bins;
}

}  // namespace sluice::lake::internal
