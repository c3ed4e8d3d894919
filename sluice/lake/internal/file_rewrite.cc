#include "sluice/lake/internal/file_rewrite.h"

#include <algorithm>
#include <set>

#include "sluice/lake/internal/table_change.h"

namespace sluice::lake::internal {

namespace {

// How many bytes of files are read and written where so many of a file's rows are copied: what is
// copied is about as large as before.
int64_t CopiedBytes(const DataFile& file, int64_t rows) {
  const int64_t of_file = std::max<int64_t>({1, rows, file.rows.value_or(0)});
  const double part = static_cast<double>(rows) / static_cast<double>(of_file);
  return static_cast<int64_t>(2 * part * static_cast<double>(file.size));
}

}  // namespace

int64_t BytesOf(const std::vector<DataFile>& files) {
  int64_t bytes = 0;
  for (const DataFile& file : files) bytes += file.size;
  return bytes;
}

bool RewritePace::MayBegin(int64_t bytes) {
  if (go_on_ && !go_on_()) return false;
  if (bytes_ > 0 && bytes_ + bytes > bytes_max_) return false;
  bytes_ += bytes;
  return true;
}

Status RewritePace::Copied(const DataFile& file, int64_t rows) {
  if (!pace_ || pace_(CopiedBytes(file, rows))) return {};
  stopped_ = true;
  return Unavailable("stopped");
}

FileRewrite::FileRewrite(DeltaTable& table, StatePtr state, const AppendOptions& write,
                         Options options)
    : table_(table),
      write_(write),
      options_(std::move(options)),
      log_(table.store(), table.root()),
      state_(std::move(state)) {}

FileRewrite::~FileRewrite() {
  for (Part& part : parts_) Discard(part);
}

void FileRewrite::Discard(Part& part) {
  for (const auto& files : part.to) files->Discard();
}

FileRewrite::Part& FileRewrite::Begin(std::vector<DataFile> from) {
  return parts_.emplace_back(Part{.from = std::move(from), .state = state_});
}

void FileRewrite::DropLast() {
  Discard(parts_.back());
  parts_.pop_back();
}

Status FileRewrite::GiveUpLast(const DataFile& file) {
  SLUICE_ASSIGN_OR_RETURN(state_, log_.Advance(state_));
  for (const DataFile& there : state_->files()) {
    if (there.path == file.path) return NotFound("file '{}' is not there", file.path);
  }
  report_.files_lost += static_cast<int64_t>(parts_.back().from.size());
  DropLast();
  return {};
}

// Throws away what was made of files that are no longer in the table as they were. kConflict:
// that is none.
Status FileRewrite::DropGone() {
  SLUICE_ASSIGN_OR_RETURN(state_, log_.Advance(state_));
  std::set<std::string> there;
  for (const DataFile& file : state_->files()) there.insert(FileKey(file));
  const auto gone = [&](const DataFile& file) { return !there.contains(FileKey(file)); };
  const auto lost = std::erase_if(parts_, [&](Part& part) {
    if (std::ranges::none_of(part.from, gone)) return false;
    report_.files_lost += static_cast<int64_t>(part.from.size());
    Discard(part);
    return true;
  });
  if (lost == 0) return Conflict("the table was changed by another writer");
  return {};
}

Status FileRewrite::Commit() {
  constexpr int kTries = 20;
  for (int tries = 0; !parts_.empty(); ++tries) {
    TableChange change{
        .operation = "OPTIMIZE", .parameters = options_.parameters, .data_change = false};
    int64_t bytes_removed = 0;
    int64_t bytes_added = 0;
    int64_t rows = 0;
    int64_t purged = 0;
    for (const Part& part : parts_) {
      for (const DataFile& file : part.from) {
        change.removed.push_back(file);
        bytes_removed += file.size;
        if (file.deletion_vector != nullptr) purged += file.deletion_vector->cardinality;
      }
      for (const auto& files : part.to) {
        for (const DataFile& file : files->files()) {
          DataFile& added = change.added.emplace_back(file);
          added.tags = part.tags;
          added.clustering_provider = options_.clustering_provider;
          bytes_added += file.size;
        }
        rows += files->rows();
      }
    }
    change.metrics = {{"numRemovedFiles", std::to_string(change.removed.size())},
                      {"numAddedFiles", std::to_string(change.added.size())},
                      {"numRemovedBytes", std::to_string(bytes_removed)},
                      {"numAddedBytes", std::to_string(bytes_added)}};
    auto committed = CommitChange(table_, state_, change, write_);
    if (!committed.ok() && committed.error().code() == ErrorCode::kConflict && tries < kTries) {
      SLUICE_RETURN_IF_ERROR(DropGone(), "{}", committed.error().message());
      continue;
    }
    if (!committed.ok() && committed.error().code() != ErrorCode::kConflict) {
      parts_.clear();  // A try may have landed: then the log names these files.
    }
    SLUICE_RETURN_IF_ERROR(committed);
    state_ = committed->state;
    report_.files_removed += static_cast<int64_t>(change.removed.size());
    report_.files_added += static_cast<int64_t>(change.added.size());
    report_.bytes_removed += bytes_removed;
    report_.bytes_added += bytes_added;
    report_.rows += rows;
    report_.rows_purged += purged;
    ++report_.commits;
    parts_.clear();
  }
  return {};
}

}  // namespace sluice::lake::internal
