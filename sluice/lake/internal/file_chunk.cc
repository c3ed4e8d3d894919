#include "sluice/lake/internal/file_chunk.h"

#include <arrow/api.h>

#include "sluice/base/check.h"
#include "sluice/columnar/arrow_bridge.h"

namespace sluice::lake::internal {

namespace {

constexpr size_t kFilesMax = 64 * 1024;
constexpr int64_t kTextBytesMax = 64 << 20;
// Chunks are put together up to here: a file is copied a few times at most, and a table of many
// small commits has a piece a thousand files.
constexpr size_t kMergedFilesMax = 1024;

void AddLive(const FilePiece& piece, FileChunkBuilder& builder) {
  for (size_t i = 0; i < piece.chunk->size(); ++i) {
    if (piece.Has(i)) builder.Add(*piece.chunk, i);
  }
}

std::string_view TextAt(const arrow::StringArray& texts, size_t i) {
  const auto row = static_cast<int64_t>(i);
  return texts.IsNull(row) ? std::string_view() : texts.GetView(row);
}

}  // namespace

std::string_view FileChunk::path(size_t i) const { return TextAt(*paths_, i); }
std::string_view FileChunk::stats(size_t i) const { return TextAt(*stats_, i); }

const RareParts& FileChunk::NoRareParts() {
  static const RareParts none;
  return none;
}

DataFile FileChunk::Get(size_t i) const {
  const RareParts& more = rare(i);
  return {.path = std::string(path(i)),
          .partition_values = partition_values(i),
          .size = sizes_[i],
          .modified_ms = modified_ms_[i],
          .stats = std::string(stats(i)),
          .rows = rows(i),
          .deletion_vector = more.deletion_vector,
          .base_row_id = more.base_row_id,
          .row_commit_version = more.row_commit_version,
          .tags = more.tags,
          .clustering_provider = more.clustering_provider};
}

struct FileChunkBuilder::Texts {
  arrow::StringBuilder paths;
  arrow::StringBuilder stats;
  arrow::Status status;

  void Add(std::string_view path, std::string_view file_stats) {
    if (status.ok()) status = paths.Append(path);
    if (status.ok()) status = file_stats.empty() ? stats.AppendNull() : stats.Append(file_stats);
  }
};

FileChunkBuilder::FileChunkBuilder() : texts_(std::make_unique<Texts>()), chunk_(new FileChunk()) {}

FileChunkBuilder::~FileChunkBuilder() = default;

void FileChunkBuilder::Add(const DataFile& file) {
  texts_->Add(file.path, file.stats);
  AddFacts({.size = file.size, .modified_ms = file.modified_ms, .rows = file.rows},
           file.partition_values,
           {.deletion_vector = file.deletion_vector,
            .base_row_id = file.base_row_id,
            .row_commit_version = file.row_commit_version,
            .tags = file.tags,
            .clustering_provider = file.clustering_provider});
}

void FileChunkBuilder::Add(const FileChunk& chunk, size_t i) {
  texts_->Add(chunk.path(i), chunk.stats(i));
  AddFacts({.size = chunk.bytes(i), .modified_ms = chunk.modified_ms(i), .rows = chunk.rows(i)},
           chunk.partition_values(i), chunk.rare(i));
}

void FileChunkBuilder::AddFacts(const FileFacts& facts, const PartitionValues& values,
                                RareParts rare) {
  FileChunk& chunk = *chunk_;
  const size_t i = chunk.sizes_.size();
  chunk.sizes_.push_back(facts.size);
  chunk.modified_ms_.push_back(facts.modified_ms);
  chunk.rows_.push_back(facts.rows.value_or(FileChunk::kNoRows));

  // Most files have the values of the one before.
  uint32_t position = chunk.value_of_.empty() ? 0 : chunk.value_of_.back();
  if (chunk.values_.empty() || values != chunk.values_[position]) {
    const auto [known, is_new] =
        positions_.try_emplace(values, static_cast<uint32_t>(chunk.values_.size()));
    if (is_new) chunk.values_.push_back(values);
    position = known->second;
  }
  if (chunk.value_of_.empty() && position != 0) chunk.value_of_.resize(i, 0);
  if (!chunk.value_of_.empty() || position != 0) chunk.value_of_.push_back(position);

  if (chunk.rare_.empty() && rare.empty()) return;
  chunk.rare_.resize(i);
  chunk.rare_.push_back(std::move(rare));
}

bool FileChunkBuilder::full() const {
  return size() >= kFilesMax ||
         texts_->paths.value_data_length() + texts_->stats.value_data_length() >= kTextBytesMax;
}

Result<FileChunkPtr> FileChunkBuilder::Finish() {
  SLUICE_RETURN_IF_ERROR(columnar::FromArrow(texts_->status));
  std::shared_ptr<arrow::StringArray> paths;
  std::shared_ptr<arrow::StringArray> stats;
  SLUICE_RETURN_IF_ERROR(columnar::FromArrow(texts_->paths.Finish(&paths)));
  SLUICE_RETURN_IF_ERROR(columnar::FromArrow(texts_->stats.Finish(&stats)));
  return Finish(std::move(paths), std::move(stats));
}

FileChunkPtr FileChunkBuilder::Finish(std::shared_ptr<arrow::StringArray> paths,
                                      std::shared_ptr<arrow::StringArray> stats) {
  FileChunk& chunk = *chunk_;
  SLUICE_CHECK(paths->length() == static_cast<int64_t>(size()));
  SLUICE_CHECK(stats->length() == static_cast<int64_t>(size()));
  chunk.paths_ = std::move(paths);
  chunk.stats_ = std::move(stats);
  chunk.sizes_.shrink_to_fit();
  chunk.modified_ms_.shrink_to_fit();
  chunk.rows_.shrink_to_fit();
  chunk.value_of_.shrink_to_fit();
  chunk.rare_.shrink_to_fit();
  if (chunk.values_.empty()) chunk.values_.emplace_back();
  FileChunkPtr done = std::move(chunk_);
  texts_ = std::make_unique<Texts>();
  positions_.clear();
  chunk_.reset(new FileChunk());
  return done;
}

Result<FileChunkPtr> Pack(const FilePiece& piece) {
  if (piece.gone == nullptr) return piece.chunk;
  FileChunkBuilder builder;
  AddLive(piece, builder);
  return builder.Finish();
}

Result<FilePiece> Without(const FilePiece& piece,
                          const std::function<bool(const FileChunk& chunk, size_t i)>& is_gone) {
  const FileChunk& chunk = *piece.chunk;
  std::shared_ptr<std::vector<bool>> gone;
  size_t live = piece.live;
  for (size_t i = 0; i < chunk.size(); ++i) {
    if (!piece.Has(i) || !is_gone(chunk, i)) continue;
    if (gone == nullptr) {
      gone = piece.gone == nullptr ? std::make_shared<std::vector<bool>>(chunk.size())
                                   : std::make_shared<std::vector<bool>>(*piece.gone);
    }
    (*gone)[i] = true;
    --live;
  }
  if (gone == nullptr) return piece;
  FilePiece left{.chunk = piece.chunk, .gone = std::move(gone), .live = live};
  if (live == 0 || live * 2 > chunk.size()) return left;
  // Most of it would be kept for nothing.
  SLUICE_ASSIGN_OR_RETURN(left.chunk, Pack(left));
  left.gone = nullptr;
  return left;
}

Status AppendPiece(FilePieces& files, FilePiece piece) {
  if (piece.live == 0) return {};
  files.size += piece.live;
  size_t together = piece.live;
  size_t first = files.pieces.size();
  // Only what is no larger is copied, so each file is copied as often as its piece doubles.
  while (first > 0 && files.pieces[first - 1].live <= together &&
         together + files.pieces[first - 1].live <= kMergedFilesMax) {
    together += files.pieces[--first].live;
  }
  if (first < files.pieces.size()) {
    FileChunkBuilder builder;
    for (size_t i = first; i < files.pieces.size(); ++i) AddLive(files.pieces[i], builder);
    AddLive(piece, builder);
    SLUICE_ASSIGN_OR_RETURN(piece.chunk, builder.Finish());
    piece.gone = nullptr;
    piece.live = together;
    files.pieces.resize(first);
  }
  files.pieces.push_back(std::move(piece));
  return {};
}

}  // namespace sluice::lake::internal
