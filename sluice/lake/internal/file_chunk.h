#pragma once
/// \file
/// Files of a table as columns: what a FileList is made of.

#include <arrow/type_fwd.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "sluice/base/error.h"
#include "sluice/lake/file_list.h"

namespace sluice::lake::internal {

/// What few tables have of a file.
struct RareParts {
  std::shared_ptr<const DeletionVector> deletion_vector = {};
  std::optional<int64_t> base_row_id = {};
  std::optional<Version> row_commit_version = {};
  std::shared_ptr<const PartitionValues> tags = {};
  std::string clustering_provider = {};

  bool empty() const {
    return deletion_vector == nullptr && !base_row_id && !row_commit_version && tags == nullptr &&
           clustering_provider.empty();
  }
};

/// Thousands of files of a table. Paths and statistics may be the very columns of a checkpoint.
///
/// Immutable. Thread-safe.
class FileChunk {
 public:
  size_t size() const { return sizes_.size(); }
  std::string_view path(size_t i) const;
  std::string_view stats(size_t i) const;
  int64_t bytes(size_t i) const { return sizes_[i]; }
  int64_t modified_ms(size_t i) const { return modified_ms_[i]; }
  std::optional<int64_t> rows(size_t i) const {
    return rows_[i] == kNoRows ? std::nullopt : std::optional(rows_[i]);
  }
  const PartitionValues& partition_values(size_t i) const {
    return values_[value_of_.empty() ? 0 : value_of_[i]];
  }
  const RareParts& rare(size_t i) const { return rare_.empty() ? NoRareParts() : rare_[i]; }
  DataFile Get(size_t i) const;

  /// The texts of all files, without nulls among the paths; null statistics stand for none.
  const std::shared_ptr<arrow::StringArray>& paths() const { return paths_; }
  const std::shared_ptr<arrow::StringArray>& all_stats() const { return stats_; }
  const std::vector<int64_t>& sizes() const { return sizes_; }
  const std::vector<int64_t>& all_modified_ms() const { return modified_ms_; }
  /// Whether any file has partition values, or any of the rare parts.
  bool has_partition_values() const { return values_.size() > 1 || !values_[0].empty(); }
  bool has_rare_parts() const { return !rare_.empty(); }

 private:
  friend class FileChunkBuilder;
  static constexpr int64_t kNoRows = -1;
  FileChunk() = default;
  static const RareParts& NoRareParts();

  std::shared_ptr<arrow::StringArray> paths_;
  std::shared_ptr<arrow::StringArray> stats_;
  std::vector<int64_t> sizes_;
  std::vector<int64_t> modified_ms_;
  std::vector<int64_t> rows_;
  std::vector<PartitionValues> values_;  // Each that occurs, once; never empty.
  std::vector<uint32_t> value_of_;       // Where it stands in `values_`; empty: all have the first.
  std::vector<RareParts> rare_;          // Empty: no file has any.
};

using FileChunkPtr = std::shared_ptr<const FileChunk>;

/// What a chunk has of a file beside its texts.
struct FileFacts {
  int64_t size = 0;
  int64_t modified_ms = 0;
  std::optional<int64_t> rows = {};
};

/// Not thread-safe.
class FileChunkBuilder {
 public:
  FileChunkBuilder();
  ~FileChunkBuilder();

  void Add(const DataFile& file);
  void Add(const FileChunk& chunk, size_t i);
  /// Adds a file whose texts come with Finish().
  void AddFacts(const FileFacts& facts, const PartitionValues& values, RareParts rare);

  size_t size() const { return chunk_->sizes_.size(); }
  /// Whether what comes next should be another chunk's.
  bool full() const;

  /// Only memory can fail it.
  Result<FileChunkPtr> Finish();
  /// With the texts of all files that AddFacts() was called for, which are not copied.
  FileChunkPtr Finish(std::shared_ptr<arrow::StringArray> paths,
                      std::shared_ptr<arrow::StringArray> stats);

 private:
  struct Texts;
  std::unique_ptr<Texts> texts_;
  std::map<PartitionValues, uint32_t> positions_;
  std::shared_ptr<FileChunk> chunk_;
};

/// A chunk, of which some files may no longer be part of the table.
struct FilePiece {
  FileChunkPtr chunk;
  std::shared_ptr<const std::vector<bool>> gone = {};  ///< Null: none is.
  size_t live = 0;

  bool Has(size_t i) const { return gone == nullptr || !(*gone)[i]; }
};

struct FilePieces {
  std::vector<FilePiece> pieces;  ///< None without a live file.
  size_t size = 0;                ///< Live files of all.
};

/// Calls `visit(chunk, i)` with each live file, in their order.
template <typename Visit>
void VisitFiles(const FilePieces& files, Visit visit) {
  for (const FilePiece& piece : files.pieces) {
    for (size_t i = 0; i < piece.chunk->size(); ++i) {
      if (piece.Has(i)) visit(*piece.chunk, i);
    }
  }
}

/// Returns the chunk of the piece's live files alone: its own if all are.
Result<FileChunkPtr> Pack(const FilePiece& piece);

/// Leaves out the files of a piece that `is_gone(chunk, i)`; may leave none.
Result<FilePiece> Without(const FilePiece& piece,
                          const std::function<bool(const FileChunk& chunk, size_t i)>& is_gone);

/// Puts a piece behind the others, together with small ones before it: so many small commits leave
/// few pieces.
Status AppendPiece(FilePieces& files, FilePiece piece);

}  // namespace sluice::lake::internal
