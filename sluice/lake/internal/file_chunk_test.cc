#include "sluice/lake/internal/file_chunk.h"

#include <arrow/api.h>
#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "sluice/lake/delta_table.h"

namespace sluice::lake::internal {
namespace {

DataFile File(std::string path, int64_t rows = 10) {
  return {.path = std::move(path),
          .partition_values = {},
          .size = 7 * rows,
          .modified_ms = 5,
          .stats = fmt::format(R"({{"numRecords":{}}})", rows),
          .rows = rows};
}

FilePiece Piece(const std::vector<DataFile>& files) {
  FileChunkBuilder builder;
  for (const DataFile& file : files) builder.Add(file);
  auto chunk = builder.Finish();
  SLUICE_CHECK(chunk.ok());
  return {.chunk = std::move(*chunk), .live = files.size()};
}

std::vector<std::string> Paths(const FileList& files) {
  std::vector<std::string> paths;
  for (const DataFile& file : files) paths.push_back(file.path);
  return paths;
}

TEST(FileChunkTest, GivesBackWhatAFileHas) {
  DataFile full = File("a");
  full.partition_values = {{"day", "1"}, {"none", std::nullopt}};
  full.deletion_vector = std::make_shared<const DeletionVector>(
      DeletionVector{.storage = "i", .data = "x", .size = 1, .cardinality = 3});
  full.base_row_id = 0;
  full.row_commit_version = 4;
  full.tags = std::make_shared<const PartitionValues>(PartitionValues{{"k", "v"}});
  DataFile bare{.path = "b", .partition_values = {}, .stats = "", .rows = {}};
  DataFile other = File("c");
  other.partition_values = {{"day", "2"}, {"none", "3"}};
  const FilePiece piece = Piece({bare, full, other, full});
  const FileChunk& chunk = *piece.chunk;
  for (const auto& [i, expected] : {std::pair(0, bare), {1, full}, {2, other}, {3, full}}) {
    const DataFile file = chunk.Get(static_cast<size_t>(i));
    EXPECT_EQ(file.path, expected.path);
    EXPECT_EQ(file.partition_values, expected.partition_values);
    EXPECT_EQ(file.size, expected.size);
    EXPECT_EQ(file.modified_ms, expected.modified_ms);
    EXPECT_EQ(file.stats, expected.stats);
    EXPECT_EQ(file.rows, expected.rows);
    EXPECT_EQ(file.deletion_vector, expected.deletion_vector);
    EXPECT_EQ(file.base_row_id, expected.base_row_id);
    EXPECT_EQ(file.row_commit_version, expected.row_commit_version);
    EXPECT_EQ(file.tags, expected.tags);
  }
  EXPECT_TRUE(chunk.has_partition_values());
  EXPECT_TRUE(chunk.has_rare_parts());
  EXPECT_TRUE(chunk.all_stats()->IsNull(0));
}

TEST(FileChunkTest, ListsTheFilesThatAreLeft) {
  auto pieces = std::make_shared<FilePieces>();
  const FilePiece piece = Piece({File("a", 1), File("b", 2), File("c", 3), File("d", 4)});
  const auto without = Without(piece, [](const FileChunk& chunk, size_t i) {
    return chunk.path(i) == "a" || chunk.path(i) == "d";
  });
  ASSERT_TRUE(without.ok());
  // Half is gone, so what is left has a chunk of its own; and the one before is as it was.
  EXPECT_EQ(without->chunk->size(), 2U);
  EXPECT_EQ(piece.chunk->size(), 4U);
  const auto one = Without(piece, [](const FileChunk&, size_t i) { return i == 1; });
  ASSERT_TRUE(one.ok());
  EXPECT_EQ(one->chunk, piece.chunk);
  pieces->pieces = {*one, *without, piece};
  pieces->size = 9;
  const FileList files(pieces);
  const std::vector<std::string> expected = {"a", "c", "d", "b", "c", "a", "b", "c", "d"};
  EXPECT_EQ(Paths(files), expected);
  for (size_t i = 0; i < expected.size(); ++i) EXPECT_EQ(files[i].path, expected[i]);
  EXPECT_EQ(files.rows(), 8 + 5 + 10);
  EXPECT_EQ(files.bytes(), 7 * 23);
  EXPECT_EQ(std::ranges::count_if(files, [](const DataFile& file) { return file.path == "c"; }), 3);
  const auto none = Without(piece, [](const FileChunk&, size_t) { return true; });
  ASSERT_TRUE(none.ok());
  EXPECT_EQ(none->live, 0U);
  EXPECT_TRUE(FileList().empty());
  EXPECT_TRUE(Paths(FileList()).empty());
  EXPECT_EQ(FileList().rows(), 0);
}

TEST(FileChunkTest, SmallCommitsLeaveFewPieces) {
  FilePieces files;
  std::vector<std::string> expected;
  for (int i = 0; i < 5000; ++i) {
    expected.push_back(fmt::format("f{}", i));
    ASSERT_TRUE(AppendPiece(files, Piece({File(expected.back())})).ok());
    EXPECT_EQ(files.size, expected.size());
  }
  EXPECT_LE(files.pieces.size(), 16U);
  EXPECT_EQ(Paths(FileList(std::make_shared<const FilePieces>(files))), expected);
}

TEST(FileChunkTest, ALargePieceIsSharedAndNotCopied) {
  std::vector<DataFile> many;
  for (int i = 0; i < 5000; ++i) many.push_back(File(fmt::format("f{}", i)));
  FilePieces files;
  ASSERT_TRUE(AppendPiece(files, Piece(many)).ok());
  const FileChunk* const large = files.pieces[0].chunk.get();
  for (int i = 0; i < 100; ++i) {
    ASSERT_TRUE(AppendPiece(files, Piece({File(fmt::format("g{}", i))})).ok());
  }
  EXPECT_EQ(files.pieces[0].chunk.get(), large);
}

TEST(FileChunkTest, UnknownRowsOfOneFileMakeAllUnknown) {
  auto pieces = std::make_shared<FilePieces>();
  DataFile unknown = File("b");
  unknown.rows.reset();
  ASSERT_TRUE(AppendPiece(*pieces, Piece({File("a"), unknown})).ok());
  EXPECT_EQ(FileList(pieces).rows(), std::nullopt);
}

}  // namespace
}  // namespace sluice::lake::internal
