#include "sluice/lake/cluster_files.h"

#include <arrow/api.h>
#include <simdjson.h>

#include <algorithm>
#include <array>
#include <map>
#include <set>
#include <span>

#include "sluice/base/work_line.h"
#include "sluice/lake/internal/cluster_mark.h"
#include "sluice/lake/internal/file_rewrite.h"
#include "sluice/lake/internal/read_plan.h"
#include "sluice/lake/internal/rewrite_memory.h"
#include "sluice/lake/internal/row_copy.h"
#include "sluice/lake/internal/sort_key.h"
#include "sluice/lake/internal/space_curve.h"
#include "sluice/lake/scan.h"
#include "sluice/lake/stored_files.h"

namespace sluice::lake {

namespace {

using internal::BytesOf;
using internal::ClusterMark;
using internal::FileRewrite;
using internal::SortKeys;
using internal::StatePtr;
using internal::TableState;

constexpr int64_t kSampleRows = 100'000;
constexpr int64_t kSampleRowsMin = 1'000;
constexpr int64_t kSampleBytes = 256;  // Of a row and column, until it is cut.
constexpr size_t kRanges = 1u << internal::kCurveBits;
constexpr int64_t kFilesOfChunk = 16;
constexpr int64_t kRangesMax = 256;  // Files that are open at once.
constexpr const char* kDomain = "delta.clustering";

// The columns that the table itself names; by what statistics call them.
std::vector<std::string> OwnColumns(const TableState& state, bool& nested) {
  const auto domain = state.domains().find(kDomain);
  if (domain == state.domains().end()) return {};
  std::vector<std::string> names;
  simdjson::dom::parser parser;
  simdjson::dom::array columns;
  const simdjson::padded_string text(domain->second.configuration);
  if (parser.parse(text)["clusteringColumns"].get(columns) != simdjson::SUCCESS) return {};
  for (const simdjson::dom::element element : columns) {
    // Some write a path of names, some one name.
    simdjson::dom::array path;
    std::string_view name;
    if (element.get(path) == simdjson::SUCCESS) {
      nested |= path.size() != 1;
      if (path.size() == 0 || path.at(0).get(name) != simdjson::SUCCESS) continue;
    } else if (element.get(name) != simdjson::SUCCESS) {
      continue;
    }
    for (const auto& field : state.schema()->fields()) {
      if (NameInLog(state, field->name()) == name) names.push_back(field->name());
    }
  }
  return names;
}

/// From values of some columns to a place on a curve: first to the rank of each among those of a
/// sample, so that each column is cut into as many pieces, however its values are spread.
class CurvePlaces {
 public:
  explicit CurvePlaces(Curve curve, size_t columns) : curve_(curve), sample_(columns) {}

  void Sample(const std::vector<SortKeys>& keys, int64_t row) {
    for (size_t i = 0; i < keys.size(); ++i) sample_[i].push_back(keys[i].At(row));
  }

  /// No more is sampled from here on. Returns the places at which `ranges` ranges of as many rows
  /// begin, but the first.
  std::vector<uint64_t> Cut(size_t ranges) {
    for (const auto& column : sample_) {
      std::vector<std::string> sorted = column;
      std::ranges::sort(sorted);
      auto& bounds = bounds_.emplace_back();
      for (size_t range = 1; range < kRanges && !sorted.empty(); ++range) {
        const std::string& bound = sorted[range * sorted.size() / kRanges];
        if (bounds.empty() || bounds.back() != bound) bounds.push_back(bound);
      }
    }
    std::vector<uint64_t> places;
    std::vector<std::string> point(sample_.size());
    for (size_t row = 0; !sample_.empty() && row < sample_.front().size(); ++row) {
      for (size_t i = 0; i < point.size(); ++i) point[i] = sample_[i][row];
      places.push_back(PlaceOf(point));
    }
    sample_.clear();
    std::ranges::sort(places);
    std::vector<uint64_t> cuts;
    for (size_t range = 1; range < ranges && !places.empty(); ++range) {
      const uint64_t cut = places[range * places.size() / ranges];
      if (cuts.empty() || cuts.back() != cut) cuts.push_back(cut);
    }
    return cuts;
  }

  uint64_t At(const std::vector<SortKeys>& keys, int64_t row) const {
    std::vector<std::string> point;
    for (const SortKeys& column : keys) point.push_back(column.At(row));
    return PlaceOf(point);
  }

 private:
  uint64_t PlaceOf(const std::vector<std::string>& point) const {
    std::array<uint32_t, internal::kCurveDimensionsMax> ranks{};
    for (size_t i = 0; i < point.size(); ++i) {
      const auto above = std::ranges::upper_bound(bounds_[i], point[i]);
      ranks[i] = static_cast<uint32_t>(above - bounds_[i].begin());
    }
    const std::span<const uint32_t> used(ranks.data(), point.size());
    return curve_ == Curve::kZOrder ? internal::ZOrderPlace(used) : internal::HilbertPlace(used);
  }

  const Curve curve_;
  std::vector<std::vector<std::string>> sample_;  // By column; rows stand at the same place.
  std::vector<std::vector<std::string>> bounds_;
};

/// Some files of a partition.
struct Chunk {
  std::vector<DataFile> files;
  int64_t bytes = 0;
  std::set<std::string> cubes;  // That they are of; an empty one for files that are of none.

  void Add(const DataFile& file, const std::string& cube) {
    files.push_back(file);
    bytes += file.size;
    cubes.insert(cube);
  }

  // Not a cube alone, nor one file that is small enough.
  bool IsWorthWriting(int64_t file_bytes) const {
    if (!cubes.contains("")) return cubes.size() > 1;
    return files.size() > 1 || bytes > file_bytes;
  }
};

/// One call. Not thread-safe.
class Clustering {
 public:
  Clustering(DeltaTable& table, const ClusterOptions& options)
      : table_(table),
        options_(options),
        places_(table.store(), table.root(), table.foreign()),
        pace_(options),
        memory_(options.memory) {}

  Result<CompactReport> Run() {
    const internal::TableLog log(table_.store(), table_.root());
    SLUICE_ASSIGN_OR_RETURN(StatePtr state, log.NewestSince(options_.since));
    SLUICE_RETURN_IF_ERROR(state->CheckWritable());
    SLUICE_RETURN_IF_ERROR(FindColumns(*state));
    std::vector<DataFile> files;
    if (options_.where) {
      files = SelectFiles(*state, *options_.where, options_.zone);
    } else {
      files.assign(state->files().begin(), state->files().end());
    }
    SLUICE_RETURN_IF_ERROR(CheckBounds(*state, files));
    mark_ = ClusterMark::By(columns_, options_.curve == Curve::kZOrder ? "zorder" : "hilbert");
    file_bytes_ = options_.file_bytes > 0 ? options_.file_bytes
                                          : std::min(options_.chunk_bytes / kFilesOfChunk,
                                                     internal::TargetFileBytes(*state));
    FileRewrite rewrite(table_, state, options_.write,
                        {.parameters = {{own_ ? "clusterBy" : "zOrderBy", mark_.columns}},
                         .clustering_provider = own_ ? "liquid" : ""});
    std::vector<std::vector<DataFile>> chunks = Chunks(files);
    CountSkipped(files, chunks, rewrite.report());
    for (std::vector<DataFile>& chunk : chunks) {
      if (!pace_.MayBegin(BytesOf(chunk))) {
        rewrite.report().finished = false;
        break;
      }
      SLUICE_RETURN_IF_ERROR(Write(std::move(chunk), rewrite));
      if (pace_.stopped()) break;
      SLUICE_RETURN_IF_ERROR(rewrite.Commit());
    }
    rewrite.report().snapshot = rewrite.state();
    return rewrite.report();
  }

 private:
  Status FindColumns(const TableState& state) {
    columns_ = options_.columns;
    bool nested = false;
    const auto own = OwnColumns(state, nested);
    if (columns_.empty()) {
      if (nested) return Unsupported("the table is clustered by columns inside of structs");
      columns_ = own;
    }
    own_ = !own.empty() && columns_ == own;
    if (columns_.empty()) {
      return Invalid("say by which columns: the table names none to cluster it by");
    }
    if (columns_.size() > internal::kCurveDimensionsMax) {
      return Invalid("{} columns to cluster by; at most {} are possible", columns_.size(),
                     internal::kCurveDimensionsMax);
    }
    for (const std::string& name : columns_) {
      if (state.schema()->GetFieldByName(name) == nullptr) {
        return Invalid("there is no column '{}'", name);
      }
      const auto& partition = state.partition_columns();
      if (std::ranges::find(partition, name) != partition.end()) {
        return Invalid("column '{}' partitions the table: its files are apart by it already", name);
      }
    }
    return {};
  }

  Status CheckBounds(const TableState& state, const std::vector<DataFile>& files) const {
    if (files.empty()) return {};
    const auto without = internal::ColumnsWithoutBounds(state, files);
    for (const std::string& name : columns_) {
      if (std::ranges::find(without, name) == without.end()) continue;
      return Invalid("column '{}' has no statistics, so that no file could be left out by it",
                     name);
    }
    return {};
  }

  // The cube of a file that is clustered as is wanted; empty for one that is not.
  std::string CubeOf(const DataFile& file) const {
    if (options_.full) return {};
    const auto mark = internal::MarkOf(file);
    return mark && mark->Satisfies(mark_) ? mark->cube : std::string();
  }

  bool IsDue(const Chunk& fresh) const {
    if (!options_.due || fresh.bytes >= options_.due->bytes_min) return true;
    return std::ranges::all_of(fresh.files, [this](const DataFile& file) {
      return file.modified_ms < options_.due->quiet_before_ms;
    });
  }

  // Files that are clustered with one another, each chunk of one partition: those that are not
  // clustered yet, and with them small cubes; so a row is written anew a few times only.
  std::vector<std::vector<DataFile>> Chunks(const std::vector<DataFile>& files) const {
    using Cubes = std::map<std::string, Chunk>;
    std::map<PartitionValues, Cubes> partitions;
    for (const DataFile& file : files) {
      std::string cube = CubeOf(file);
      partitions[file.partition_values][cube].Add(file, cube);
    }
    std::vector<std::vector<DataFile>> chunks;
    for (const auto& [values, cubes] : partitions) {
      const auto fresh = cubes.find("");
      if (fresh == cubes.end() || !IsDue(fresh->second)) continue;
      int64_t bytes_max = options_.chunk_bytes / 2;
      if (options_.due) bytes_max = std::min(bytes_max, 3 * fresh->second.bytes);
      std::vector<const Chunk*> taken;
      for (const auto& [cube, members] : cubes) {
        if (!cube.empty() && members.bytes < bytes_max) taken.push_back(&members);
      }
      std::ranges::stable_sort(taken, {}, [](const Chunk* cube) { return cube->bytes; });
      taken.insert(taken.begin(), &fresh->second);
      Chunk chunk;
      const auto close = [&] {
        if (chunk.IsWorthWriting(file_bytes_)) chunks.push_back(std::move(chunk.files));
        chunk = {};
      };
      for (const Chunk* const members : taken) {
        for (const DataFile& file : members->files) {
          if (chunk.bytes > 0 && chunk.bytes + file.size > options_.chunk_bytes) close();
          chunk.Add(file, *members->cubes.begin());
        }
      }
      close();
    }
    return chunks;
  }

  static void CountSkipped(const std::vector<DataFile>& files,
                           const std::vector<std::vector<DataFile>>& chunks,
                           CompactReport& report) {
    const auto count = [&report](const std::vector<DataFile>& some, int sign) {
      report.bytes_skipped += sign * BytesOf(some);
      report.files_skipped += sign * static_cast<int64_t>(some.size());
    };
    count(files, 1);
    for (const std::vector<DataFile>& chunk : chunks) count(chunk, -1);
  }

  Status Write(std::vector<DataFile> files, FileRewrite& rewrite) {
    const int64_t bytes = BytesOf(files);
    const auto ranges = static_cast<size_t>(
        std::clamp<int64_t>((bytes + file_bytes_ - 1) / file_bytes_, 1, kRangesMax));
    FileRewrite::Part& part = rewrite.Begin(std::move(files));
    ClusterMark mark = mark_;
    mark.cube = table_.random().Uuid();
    part.tags = internal::TagsOf(mark);
    DataFile at;
    const Status written = WriteRanges(ranges, part, at);
    if (pace_.stopped()) {
      rewrite.report().finished = false;
      rewrite.DropLast();
      return {};
    }
    if (!written.ok() && written.error().code() == ErrorCode::kNotFound) {
      return rewrite.GiveUpLast(at);  // Taken away by another writer, and by its vacuum.
    }
    return written;
  }

  // `at` becomes the file that is read.
  Status WriteRanges(size_t ranges, FileRewrite::Part& part, DataFile& at) {
    const TableState& state = *part.state;
    CurvePlaces places(options_.curve, columns_.size());
    SLUICE_RETURN_IF_ERROR(SampleRows(part.from, state, places, at));
    const std::vector<uint64_t> cuts = places.Cut(ranges);
    SLUICE_ASSIGN_OR_RETURN(
        const internal::RowCopy copy,
        internal::RowCopy::Of(table_, state, options_.zone, internal::ReadBytes(options_.memory)));
    AppendOptions write = internal::WithinMemory(options_.write, options_.memory, cuts.size() + 1);
    const int threads = write.threads;  // Of the line below.
    std::ranges::move(internal::ColumnsWithoutBounds(state, part.from),
                      std::back_inserter(write.parquet.private_columns));
    write.threads = 1;  // There is one for all files, below.
    // The cuts say where a file ends: what is in memory says little about its size.
    auto& to = part.to;
    for (size_t range = 0; range <= cuts.size(); ++range) {
      to.push_back(std::make_unique<internal::RowFiles>(
          table_, state,
          internal::RowFiles::Options{
              .write = write, .extra = copy.extra(), .file_bytes = options_.chunk_bytes}));
    }
    WorkLine<columnar::Batch> line(
        [&](const columnar::Batch& rows) { return Spread(*rows, places, cuts, part); }, threads);
    const auto take = [&](const columnar::Batch& rows) -> Status {
      const int64_t bytes = columnar::MemoryBytes(*rows);
      SLUICE_RETURN_IF_ERROR(line.Put(rows, static_cast<size_t>(bytes)));
      if (memory_.wanted()) TellMemory(bytes, part);
      return pace_.Copied(at, rows->num_rows());
    };
    for (const DataFile& file : part.from) {
      at = file;
      SLUICE_RETURN_IF_ERROR(copy.Read(file, take));
    }
    SLUICE_RETURN_IF_ERROR(line.Finish());
    for (const auto& range : to) SLUICE_RETURN_IF_ERROR(range->Finish());
    return {};
  }

  void TellMemory(int64_t batch, const FileRewrite::Part& part) const {
    int64_t waiting = 0;
    int64_t largest = 0;
    for (const auto& range : part.to) {
      waiting += range->waiting_bytes();
      largest = std::max(largest, range->waiting_bytes());
    }
    memory_.Tell(batch, waiting, largest);
  }

  // Writes each row to the files of its range.
  Status Spread(const arrow::RecordBatch& rows, const CurvePlaces& places,
                const std::vector<uint64_t>& cuts, FileRewrite::Part& part) const {
    SLUICE_ASSIGN_OR_RETURN(const auto keys, KeysOf(rows));
    std::vector<std::vector<int64_t>> chosen(part.to.size());
    for (int64_t row = 0; row < rows.num_rows(); ++row) {
      const auto above = std::ranges::upper_bound(cuts, places.At(keys, row));
      chosen[static_cast<size_t>(above - cuts.begin())].push_back(row);
    }
    for (size_t range = 0; range < chosen.size(); ++range) {
      if (chosen[range].empty()) continue;
      SLUICE_ASSIGN_OR_RETURN(const auto taken, columnar::Take(rows, chosen[range]));
      SLUICE_RETURN_IF_ERROR(part.to[range]->Write(taken));
    }
    return {};
  }

  Status SampleRows(const std::vector<DataFile>& files, const TableState& state,
                    CurvePlaces& places, DataFile& at) const {
    int64_t total = 0;
    for (const DataFile& file : files) total += file.rows.value_or(0);
    const int64_t step = total / SampleRowsMax() + 1;
    SLUICE_ASSIGN_OR_RETURN(
        internal::ReadPlan plan,
        internal::MakeReadPlan(state, {.columns = columns_, .zone = options_.zone}));
    plan.memory_bytes_max = internal::ReadBytes(options_.memory);
    int64_t next = 0;
    for (const DataFile& file : files) {
      at = file;
      SLUICE_ASSIGN_OR_RETURN(const auto reader,
                              internal::DataFileReader::Open(places_, file, plan));
      while (true) {
        SLUICE_ASSIGN_OR_RETURN(const columnar::Batch batch, reader->Next());
        if (batch == nullptr) break;
        SLUICE_ASSIGN_OR_RETURN(const auto keys, KeysOf(*batch));
        for (; next < batch->num_rows(); next += step) places.Sample(keys, next);
        next -= batch->num_rows();
      }
    }
    return {};
  }

  int64_t SampleRowsMax() const {
    const int64_t bytes = options_.memory.bytes_max;
    if (bytes <= 0) return kSampleRows;
    const int64_t fit = bytes / 8 / kSampleBytes / static_cast<int64_t>(columns_.size());
    return std::clamp(fit, kSampleRowsMin, kSampleRows);
  }

  Result<std::vector<SortKeys>> KeysOf(const arrow::RecordBatch& rows) const {
    std::vector<SortKeys> keys;
    for (const std::string& name : columns_) {
      SLUICE_ASSIGN_OR_RETURN(SortKeys column, SortKeys::Of(rows.GetColumnByName(name)),
                              "column '{}'", name);
      keys.push_back(std::move(column));
    }
    return keys;
  }

  DeltaTable& table_;
  const ClusterOptions& options_;
  const internal::FilePlaces places_;
  internal::RewritePace pace_;
  std::vector<std::string> columns_;
  bool own_ = false;  // Those that the table itself names.
  ClusterMark mark_;  // Of what is written, but for its cube.
  int64_t file_bytes_ = 0;
  const internal::MemoryTeller memory_;
};

}  // namespace

Result<CompactReport> ClusterFiles(DeltaTable& table, const ClusterOptions& options) {
  SLUICE_ASSIGN_OR_RETURN(auto report, Clustering(table, options).Run(), "table '{}'",
                          table.root());
  return report;
}

}  // namespace sluice::lake
