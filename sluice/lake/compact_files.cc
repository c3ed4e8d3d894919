#include "sluice/lake/compact_files.h"

#include <arrow/api.h>

#include <algorithm>
#include <set>

#include "sluice/lake/internal/data_file_reader.h"
#include "sluice/lake/internal/file_bins.h"
#include "sluice/lake/internal/row_copy.h"
#include "sluice/lake/internal/row_files.h"
#include "sluice/lake/internal/table_change.h"
#include "sluice/lake/scan.h"

namespace sluice::lake {

namespace {

using internal::FileBin;
using internal::StatePtr;
using internal::TableChange;
using internal::TableLog;

/// A bin, and what its rows were written to.
struct WrittenBin {
  FileBin bin;
  StatePtr state;  // That it was made of.
  std::unique_ptr<internal::RowFiles> files;
  int64_t purged = 0;
};

/// One call. Not thread-safe.
class Compaction {
 public:
  Compaction(DeltaTable& table, const CompactOptions& options)
      : table_(table), options_(options), log_(table.store(), table.root()) {}

  Result<CompactReport> Run() {
    SLUICE_ASSIGN_OR_RETURN(state_, log_.NewestSince(options_.since));
    SLUICE_RETURN_IF_ERROR(state_->CheckWritable());
    const internal::BinOptions bin_options{.file_bytes = options_.file_bytes > 0
                                                             ? options_.file_bytes
                                                             : internal::TargetFileBytes(*state_),
                                           .deleted_part_max = options_.deleted_part_max,
                                           .small_files = options_.small_files,
                                           .tiers = options_.tiers};
    std::vector<DataFile> files;
    if (options_.where) {
      files = SelectFiles(*state_, *options_.where, options_.zone);
      std::erase_if(files, [&](const auto& file) { return !MayRewrite(file, bin_options); });
    } else {
      for (DataFile file : state_->files()) {
        if (MayRewrite(file, bin_options)) files.push_back(std::move(file));
      }
    }
    const Status done = Rewrite(internal::ChooseBins(files, bin_options));
    if (!done.ok()) {
      for (WrittenBin& bin : written_) bin.files->Discard();
      return done.error();
    }
    report_.snapshot = state_;
    return report_;
  }

 private:
  Status Rewrite(std::vector<FileBin> bins) {
    int64_t total = 0;
    int64_t waiting = 0;
    for (FileBin& bin : bins) {
      int64_t bytes = 0;
      for (const DataFile& file : bin.files) bytes += file.size;
      const bool goes_on = !options_.go_on || options_.go_on();
      if (!goes_on || (total > 0 && total + bytes > options_.bytes_max)) {
        report_.finished = false;
        break;
      }
      total += bytes;
      waiting += bytes;
      SLUICE_RETURN_IF_ERROR(Write(std::move(bin)));
      if (stopped_) break;
      if (waiting < options_.commit_bytes_max) continue;
      SLUICE_RETURN_IF_ERROR(Commit());
      waiting = 0;
    }
    return Commit();
  }

  Status Write(FileBin bin) {
    SLUICE_ASSIGN_OR_RETURN(const internal::RowCopy copy,
                            internal::RowCopy::Of(table_, *state_, options_.zone));
    AppendOptions write = options_.write;
    for (std::string& name : internal::ColumnsWithoutBounds(*state_, bin.files)) {
      write.parquet.private_columns.push_back(name);
    }
    auto files = std::make_unique<internal::RowFiles>(
        table_, *state_,
        internal::RowFiles::Options{
            .write = std::move(write), .extra = copy.extra(), .file_bytes = options_.file_bytes});
    internal::RowFiles& out = *files;
    written_.push_back({.bin = std::move(bin), .state = state_, .files = std::move(files)});
    for (const DataFile& file : written_.back().bin.files) {
      if (file.deletion_vector != nullptr) {
        written_.back().purged += file.deletion_vector->cardinality;
      }
      const auto copied = copy.Read(file, [&](const columnar::Batch& rows) -> Status {
        SLUICE_RETURN_IF_ERROR(out.Write(rows));
        return KeepPace(file, rows->num_rows());
      });
      if (stopped_) {
        DropLast();
        return {};
      }
      if (!copied.ok() && copied.error().code() == ErrorCode::kNotFound) {
        // Taken away by another writer, and by its vacuum.
        return GiveUp(file);
      }
      SLUICE_RETURN_IF_ERROR(copied);
    }
    return out.Finish();
  }

  Status KeepPace(const DataFile& file, int64_t rows) {
    if (!options_.pace) return {};
    // Read, and written: what is copied is about as large as before.
    const int64_t of_file = std::max(rows, file.rows.value_or(0));
    const double part =
        static_cast<double>(rows) / static_cast<double>(std::max<int64_t>(1, of_file));
    if (options_.pace(static_cast<int64_t>(2 * part * static_cast<double>(file.size)))) return {};
    stopped_ = true;
    report_.finished = false;
    return Unavailable("stopped");
  }

  void DropLast() {
    written_.back().files->Discard();
    written_.pop_back();
  }

  // Throws the last bin away, since one of its files is gone. kNotFound: the log still names it.
  Status GiveUp(const DataFile& file) {
    SLUICE_ASSIGN_OR_RETURN(state_, log_.Advance(state_));
    for (const DataFile& there : state_->files()) {
      if (there.path == file.path) return NotFound("file '{}' is not there", file.path);
    }
    report_.files_lost += static_cast<int64_t>(written_.back().bin.files.size());
    DropLast();
    return {};
  }

  // Throws away what was made of files that are no longer in the table as they were. kConflict:
  // that is none.
  Status DropGone() {
    SLUICE_ASSIGN_OR_RETURN(state_, log_.Advance(state_));
    std::set<std::string> there;
    for (const DataFile& file : state_->files()) {
      there.insert(internal::FileKey(file));
    }
    const auto gone = [&](const DataFile& file) {
      return !there.contains(internal::FileKey(file));
    };
    const auto lost = std::erase_if(written_, [&](WrittenBin& written) {
      if (std::ranges::none_of(written.bin.files, gone)) return false;
      report_.files_lost += static_cast<int64_t>(written.bin.files.size());
      written.files->Discard();
      return true;
    });
    if (lost == 0) return Conflict("the table was changed by another writer");
    return {};
  }

  Status Commit() {
    constexpr int kTries = 20;
    for (int tries = 0; !written_.empty(); ++tries) {
      TableChange change{.operation = "OPTIMIZE", .data_change = false};
      int64_t bytes_removed = 0;
      int64_t bytes_added = 0;
      for (const WrittenBin& written : written_) {
        for (const DataFile& file : written.bin.files) {
          change.removed.push_back(file);
          bytes_removed += file.size;
        }
        for (const DataFile& file : written.files->files()) {
          change.added.push_back(file);
          bytes_added += file.size;
        }
      }
      change.metrics = {{"numRemovedFiles", std::to_string(change.removed.size())},
                        {"numAddedFiles", std::to_string(change.added.size())},
                        {"numRemovedBytes", std::to_string(bytes_removed)},
                        {"numAddedBytes", std::to_string(bytes_added)}};
      auto committed = internal::CommitChange(table_, state_, change, options_.write);
      if (!committed.ok() && committed.error().code() == ErrorCode::kConflict && tries < kTries) {
        SLUICE_RETURN_IF_ERROR(DropGone(), "{}", committed.error().message());
        continue;
      }
      if (!committed.ok() && committed.error().code() != ErrorCode::kConflict) {
        written_.clear();  // A try may have landed: then the log names these files.
      }
      SLUICE_RETURN_IF_ERROR(committed);
      state_ = committed->state;
      report_.files_removed += static_cast<int64_t>(change.removed.size());
      report_.files_added += static_cast<int64_t>(change.added.size());
      report_.bytes_removed += bytes_removed;
      report_.bytes_added += bytes_added;
      for (const WrittenBin& written : written_) {
        report_.rows += written.files->rows();
        report_.rows_purged += written.purged;
      }
      ++report_.commits;
      written_.clear();
    }
    return {};
  }

  DeltaTable& table_;
  const CompactOptions& options_;
  const TableLog log_;
  StatePtr state_;
  std::vector<WrittenBin> written_;
  bool stopped_ = false;  // By `pace`.
  CompactReport report_;
};

}  // namespace

Result<CompactReport> CompactFiles(DeltaTable& table, const CompactOptions& options) {
  auto report = Compaction(table, options).Run();
  if (!report.ok()) {
    return std::move(report).error().Wrap(fmt::format("table '{}'", table.root()));
  }
  return report;
}

}  // namespace sluice::lake
