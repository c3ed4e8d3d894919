#include "sluice/lake/compact_files.h"

#include <arrow/api.h>

#include <algorithm>
#include <limits>

#include "sluice/lake/internal/data_file_reader.h"
#include "sluice/lake/internal/file_bins.h"
#include "sluice/lake/internal/file_rewrite.h"
#include "sluice/lake/internal/rewrite_memory.h"
#include "sluice/lake/internal/row_copy.h"
#include "sluice/lake/scan.h"

namespace sluice::lake {

namespace {

using internal::FileBin;
using internal::FileRewrite;
using internal::StatePtr;

/// One call. Not thread-safe.
class Compaction {
 public:
  Compaction(DeltaTable& table, const CompactOptions& options)
      : table_(table), options_(options), pace_(options), memory_(options.memory) {}

  Result<CompactReport> Run() {
    const internal::TableLog log(table_.store(), table_.root());
    SLUICE_ASSIGN_OR_RETURN(const StatePtr state, log.NewestSince(options_.since));
    SLUICE_RETURN_IF_ERROR(state->CheckWritable());
    file_bytes_ = options_.file_bytes > 0 ? options_.file_bytes : internal::TargetFileBytes(*state);
    const internal::BinOptions bin_options{.file_bytes = file_bytes_,
                                           .deleted_part_max = options_.deleted_part_max,
                                           .small_files = options_.small_files,
                                           .tiers = options_.tiers};
    std::vector<DataFile> files;
    if (options_.where) {
      files = SelectFiles(*state, *options_.where, options_.zone);
      std::erase_if(files, [&](const auto& file) { return !MayRewrite(file, bin_options); });
    } else {
      for (DataFile file : state->files()) {
        if (MayRewrite(file, bin_options)) files.push_back(std::move(file));
      }
    }
    FileRewrite rewrite(table_, state, options_.write, {});
    SLUICE_RETURN_IF_ERROR(Rewrite(internal::ChooseBins(files, bin_options), rewrite));
    rewrite.report().snapshot = rewrite.state();
    return rewrite.report();
  }

 private:
  Status Rewrite(std::vector<FileBin> bins, FileRewrite& rewrite) {
    int64_t waiting = 0;
    for (FileBin& bin : bins) {
      const int64_t bytes = internal::BytesOf(bin.files);
      if (!pace_.MayBegin(bytes)) {
        rewrite.report().finished = false;
        break;
      }
      waiting += bytes;
      SLUICE_RETURN_IF_ERROR(Write(std::move(bin), rewrite));
      if (pace_.stopped()) break;
      if (waiting < options_.commit_bytes_max) continue;
      SLUICE_RETURN_IF_ERROR(rewrite.Commit());
      waiting = 0;
    }
    return rewrite.Commit();
  }

  Status Write(FileBin bin, FileRewrite& rewrite) {
    // A bin is one file. The writer would end it earlier, since it counts what it has not encoded
    // yet as it is in memory; then no file were ever large enough not to be chosen again.
    const bool one_file = bin.bytes <= file_bytes_;
    FileRewrite::Part& part = rewrite.Begin(std::move(bin.files));
    SLUICE_ASSIGN_OR_RETURN(const internal::RowCopy copy,
                            internal::RowCopy::Of(table_, *part.state, options_.zone,
                                                  internal::ReadBytes(options_.memory)));
    AppendOptions write = internal::WithinMemory(options_.write, options_.memory, 1);
    for (std::string& name : internal::ColumnsWithoutBounds(*part.state, part.from)) {
      write.parquet.private_columns.push_back(name);
    }
    internal::RowFiles& out = *part.to.emplace_back(std::make_unique<internal::RowFiles>(
        table_, *part.state,
        internal::RowFiles::Options{
            .write = std::move(write),
            .extra = copy.extra(),
            .file_bytes = one_file ? std::numeric_limits<int64_t>::max() : file_bytes_}));
    for (const DataFile& file : part.from) {
      const auto copied = copy.Read(file, [&](const columnar::Batch& rows) -> Status {
        SLUICE_RETURN_IF_ERROR(out.Write(rows));
        if (memory_.wanted()) {
          const int64_t waiting = out.waiting_bytes();
          memory_.Tell(columnar::MemoryBytes(*rows), waiting, waiting);
        }
        return pace_.Copied(file, rows->num_rows());
      });
      if (pace_.stopped()) {
        rewrite.report().finished = false;
        rewrite.DropLast();
        return {};
      }
      if (!copied.ok() && copied.error().code() == ErrorCode::kNotFound) {
        // Taken away by another writer, and by its vacuum.
        return rewrite.GiveUpLast(DataFile(file));
      }
      SLUICE_RETURN_IF_ERROR(copied);
    }
    return out.Finish();
  }

  DeltaTable& table_;
  const CompactOptions& options_;
  internal::RewritePace pace_;
  int64_t file_bytes_ = 0;  // Of a full file.
  const internal::MemoryTeller memory_;
};

}  // namespace

Result<CompactReport> CompactFiles(DeltaTable& table, const CompactOptions& options) {
  SLUICE_ASSIGN_OR_RETURN(auto report, Compaction(table, options).Run(), "table '{}'",
                          table.root());
  return report;
}

}  // namespace sluice::lake
