#include "sluice/land/internal/rows_to_land.h"

#include <arrow/api.h>
#include <gtest/gtest.h>

#include <random>

namespace sluice::land::internal {
namespace {

columnar::Batch Numbers(int64_t from, int64_t count) {
  arrow::Int64Builder values;
  for (int64_t i = 0; i < count; ++i) EXPECT_TRUE(values.Append(from + i).ok());
  return arrow::RecordBatch::Make(arrow::schema({arrow::field("n", arrow::int64())}), count,
                                  {*values.Finish()});
}

Chunk MakeChunk(journal::Offset base, int64_t rows, int64_t bytes) {
  return {.base = base, .rows = Numbers(base, rows), .bytes = bytes, .rows_made = rows};
}

/// What landing does: takes rows commit by commit. Returns the bytes of each.
std::vector<int64_t> Commits(std::deque<Chunk> chunks, int64_t bytes_max) {
  std::vector<int64_t> commits;
  journal::Offset next = chunks.front().base;
  while (!chunks.empty()) {
    const RowsToLand chosen = ChooseRows(chunks, next, bytes_max);
    EXPECT_GT(chosen.rows, 0) << "landing must never stand still";
    if (chosen.rows == 0) break;
    for (const columnar::Batch& batch : chosen.batches) {
      const auto& values = static_cast<const arrow::Int64Array&>(*batch->column(0));
      for (int64_t i = 0; i < values.length(); ++i) EXPECT_EQ(values.Value(i), next++);
    }
    commits.push_back(chosen.bytes);
    while (!chunks.empty()) {
      Chunk& first = chunks.front();
      const int64_t landed = std::min(next - first.base, first.rows->num_rows());
      first.rows = first.rows->Slice(landed);
      first.base += landed;
      if (first.rows->num_rows() > 0) break;
      chunks.pop_front();
    }
  }
  return commits;
}

TEST(ChooseRowsTest, WhatFitsIsOneCommit) {
  const std::deque<Chunk> chunks = {MakeChunk(5, 7, 700), MakeChunk(12, 3, 301)};
  EXPECT_EQ(Commits(chunks, 1'001), (std::vector<int64_t>{1'001}));
}

TEST(ChooseRowsTest, WhatDoesNotFitBecomesCommitsOfTheSameSize) {
  EXPECT_EQ(Commits({MakeChunk(0, 1'000, 10'000)}, 9'000), (std::vector<int64_t>{5'000, 5'000}));
  EXPECT_EQ(Commits({MakeChunk(0, 600, 6'000), MakeChunk(600, 300, 3'000)}, 3'000),
            (std::vector<int64_t>{3'000, 3'000, 3'000}));
}

TEST(ChooseRowsTest, ARowThatIsTooLargeLandsAlone) {
  EXPECT_EQ(Commits({MakeChunk(0, 2, 2'000)}, 10).size(), 2u);
}

TEST(ChooseRowsTest, StopsAtAHole) {
  const std::deque<Chunk> chunks = {MakeChunk(0, 5, 50), MakeChunk(7, 5, 50)};
  EXPECT_EQ(ChooseRows(chunks, 0, 1'000).rows, 5);
}

TEST(ChooseRowsTest, AllRowsInOrderWithinTheLimitWhateverTheyAre) {
  const uint32_t seed = std::random_device()();
  SCOPED_TRACE(testing::Message() << "seed " << seed);
  std::mt19937 random(seed);
  for (int round = 0; round < 300; ++round) {
    std::deque<Chunk> chunks;
    journal::Offset next = random() % 100;
    int64_t row_bytes_max = 0;
    for (size_t i = 0, count = 1 + random() % 6; i < count; ++i) {
      const int64_t rows = 1 + random() % 50;
      const int64_t bytes = rows * (1 + random() % 100) + random() % 7;
      chunks.push_back(MakeChunk(next, rows, bytes));
      next += rows;
      row_bytes_max = std::max(row_bytes_max, bytes / rows + 1);
    }
    const int64_t bytes_max = 1 + random() % 3'000;
    for (const int64_t bytes : Commits(chunks, bytes_max)) {
      EXPECT_LE(bytes, bytes_max + row_bytes_max);
    }
  }
}

}  // namespace
}  // namespace sluice::land::internal
