#include "sluice/columnar/internal/column_chunk.h"

#include <arrow/api.h>
#include <arrow/io/memory.h>
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <parquet/bloom_filter.h>
#include <parquet/bloom_filter_reader.h>
#include <parquet/file_reader.h>
#include <parquet/metadata.h>
#include <parquet/page_index.h>
#include <parquet/statistics.h>

#include <algorithm>
#include <optional>
#include <random>
#include <string>
#include <string_view>
#include <vector>

#include "sluice/columnar/parquet.h"

namespace sluice::columnar {
namespace {

/// Batches of one column, of these sizes; `make` gives the value of a row.
template <typename Builder, typename Make>
std::vector<Batch> Column(const std::vector<int64_t>& sizes, const Make& make) {
  std::vector<Batch> batches;
  std::shared_ptr<arrow::Schema> schema;
  int64_t row = 0;
  for (const int64_t size : sizes) {
    Builder builder;
    for (int64_t end = row + size; row < end; ++row) {
      const auto value = make(row);
      EXPECT_TRUE((value ? builder.Append(*value) : builder.AppendNull()).ok());
    }
    auto array = builder.Finish().ValueOrDie();
    if (schema == nullptr) schema = arrow::schema({arrow::field("x", array->type())});
    batches.push_back(arrow::RecordBatch::Make(schema, size, {std::move(array)}));
  }
  return batches;
}

ParquetFile Written(const std::vector<Batch>& batches, const ParquetOptions& options = {}) {
  auto file = WriteParquet(batches.front()->schema(), batches, options);
  EXPECT_TRUE(file.ok()) << (file.ok() ? "" : file.error().ToString());
  const auto read = ReadParquet(file->bytes);
  EXPECT_TRUE(read.ok()) << (read.ok() ? "" : read.error().ToString());
  const auto expected = *Concatenate(batches);
  if (expected->num_rows() > 0) {
    EXPECT_TRUE((*Concatenate(*read))->column(0)->Equals(*expected->column(0)));
  }
  return std::move(*file);
}

std::unique_ptr<parquet::ParquetFileReader> Reader(const ParquetFile& file) {
  return parquet::ParquetFileReader::Open(
      std::make_shared<arrow::io::BufferReader>(arrow::Buffer::FromString(file.bytes)));
}

TEST(ColumnChunkTest, IntegersOfEveryWidthComeBack) {
  std::mt19937_64 random(7);
  for (int width = 0; width <= 64; ++width) {
    const auto make = [&](int64_t) {
      return std::optional(width == 0 ? 5 : static_cast<int64_t>(random() >> (64 - width)));
    };
    Written(Column<arrow::Int64Builder>({100, 1, 28, 700}, make));
  }
  for (const int64_t rows : {1, 2, 32, 33, 34, 128, 129, 130, 257}) {
    Written(
        Column<arrow::Int64Builder>({rows}, [](int64_t row) { return std::optional(row * 7); }));
  }
  Written(Column<arrow::Int64Builder>({1000}, [](int64_t row) {
    return std::optional(row % 3 == 0 ? INT64_MIN : row % 3 == 1 ? INT64_MAX : 0);
  }));
}

TEST(ColumnChunkTest, IntegersWithNullsComeBackInManyPages) {
  const auto batches = Column<arrow::Int64Builder>({30'000, 12, 30'000}, [](int64_t row) {
    return row % 11 == 3 || row / 100 == 250 ? std::nullopt : std::optional(row - 40'000);
  });
  const ParquetFile file = Written({batches[0]->Slice(17), batches[1], batches[2]});
  EXPECT_EQ(file.columns.at("x").minimum->ToString(), "-39983");
  EXPECT_EQ(file.columns.at("x").maximum->ToString(), "20011");
  const auto reader = Reader(file);
  const auto group = reader->GetPageIndexReader()->RowGroup(0);
  const auto offsets = group->GetOffsetIndex(0);
  const auto bounds =
      std::dynamic_pointer_cast<parquet::Int64ColumnIndex>(group->GetColumnIndex(0));
  ASSERT_EQ(offsets->page_locations().size(), 3U);
  EXPECT_EQ(offsets->page_locations()[1].first_row_index, 20'000);
  EXPECT_EQ(bounds->max_values()[0], 20'016 - 40'000);
  EXPECT_EQ(bounds->min_values()[1], 20'017 - 40'000);
}

TEST(ColumnChunkTest, TextsOfAllLengthsComeBackWithTheirBounds) {
  std::mt19937_64 random(11);
  const auto digits = [&](int64_t row) -> std::optional<std::string> {
    std::string text(static_cast<size_t>(random() % 40), ' ');
    for (char& letter : text) letter = "0123456789abcdef"[random() % 16];
    return text + std::to_string(row);
  };
  for (const bool nulls : {false, true}) {
    std::vector<std::string> all;
    const auto batches = Column<arrow::StringBuilder>({20'000, 1, 999, 13'000}, [&](int64_t row) {
      auto text = digits(row);
      if (nulls && row % 5 == 0) text.reset();
      if (text) all.push_back(*text);
      return text;
    });
    const ParquetFile file = Written(batches);
    EXPECT_EQ(file.columns.at("x").minimum->ToString(), *std::ranges::min_element(all));
    EXPECT_EQ(file.columns.at("x").maximum->ToString(), *std::ranges::max_element(all));
    const auto reader = Reader(file);
    const auto chunk = reader->metadata()->RowGroup(0)->ColumnChunk(0);
    EXPECT_EQ(chunk->statistics()->null_count(), nulls ? 6800 : 0);
    Written({batches[0]->Slice(5, 700), batches[3]->Slice(12'000)}, {.random_columns = {"x"}});
  }
}

// What is not in it nobody looks for: a receipt would say that there is no such event.
TEST(ColumnChunkTest, EveryValueIsInTheBloomFilter) {
  for (const int64_t rows : {1, 7, 1023, 1024, 1025, 3000}) {
    for (const bool nulls : {false, true}) {
      const auto value = [&](int64_t row) {
        return nulls && row % 3 == 1 ? std::nullopt : std::optional(fmt::format("id {}", row));
      };
      const ParquetFile file = Written(Column<arrow::BinaryBuilder>({rows}, value),
                                       {.random_columns = {"x"}, .bloom_filter_columns = {"x"}});
      const auto reader = Reader(file);
      const auto filter = reader->GetBloomFilterReader().RowGroup(0)->GetColumnBloomFilter(0);
      ASSERT_NE(filter, nullptr);
      for (int64_t row = 0; row < rows; ++row) {
        const auto text = value(row);
        if (!text) continue;
        ASSERT_TRUE(filter->FindHash(filter->Hash(std::string_view(*text))))
            << row << " of " << rows;
      }
    }
  }
}

TEST(ColumnChunkTest, PagesHaveNoMoreRowsThanTheyMay) {
  for (const bool nulls : {false, true}) {
    const auto texts = Column<arrow::StringBuilder>({30'000, 40'000}, [&](int64_t row) {
      return nulls && row % 2 == 0 ? std::nullopt : std::optional(std::string(row % 3 == 0, 'x'));
    });
    const ParquetFile file = Written(texts, {.random_columns = {"x"}});
    const auto reader = Reader(file);
    const auto index = reader->GetPageIndexReader()->RowGroup(0)->GetOffsetIndex(0);
    ASSERT_EQ(index->page_locations().size(), 4U) << nulls;
    for (size_t page = 0; page < 4; ++page) {
      EXPECT_EQ(index->page_locations()[page].first_row_index, static_cast<int64_t>(page) * 20'000);
    }
  }
}

TEST(ColumnChunkTest, BoundsAreThoseOfBytes) {
  const std::vector<std::string> texts = {
      "b", std::string("a\0", 2), "a", "\xc3\xa4", "abcdefgh", "abcdefghi"};
  const ParquetFile file = Written(Column<arrow::StringBuilder>(
      {6}, [&](int64_t row) { return std::optional(texts[static_cast<size_t>(row)]); }));
  EXPECT_EQ(file.columns.at("x").minimum->ToString(), "a");
  EXPECT_EQ(file.columns.at("x").maximum->ToString(), "\xc3\xa4");
}

TEST(ColumnChunkTest, PagesOfADictionaryHaveTheBoundsOfTheirOwnRows) {
  const auto batches = Column<arrow::StringBuilder>({50'000}, [](int64_t row) {
    // Runs, then values in turn, then nulls between.
    if (row >= 40'000 && row % 2 == 0) return std::optional<std::string>();
    const int64_t value = row < 20'000 ? row / 5000 : row < 40'000 ? 4 + row % 9 : 50 + row % 3;
    return std::optional("value " + std::to_string(100 + value));
  });
  const ParquetFile file = Written(batches);
  const auto reader = Reader(file);
  EXPECT_TRUE(reader->metadata()->RowGroup(0)->ColumnChunk(0)->has_dictionary_page());
  const auto bounds = std::dynamic_pointer_cast<parquet::ByteArrayColumnIndex>(
      reader->GetPageIndexReader()->RowGroup(0)->GetColumnIndex(0));
  ASSERT_EQ(bounds->max_values().size(), 3U);
  EXPECT_EQ(std::string_view(bounds->max_values()[0]), "value 103");
  EXPECT_EQ(std::string_view(bounds->min_values()[1]), "value 104");
  EXPECT_EQ(std::string_view(bounds->min_values()[2]), "value 150");
  for (const int values : {1, 2, 3, 255, 256, 257}) {
    Written(Column<arrow::StringBuilder>(
        {3001}, [&](int64_t row) { return std::optional(std::to_string(row % values)); }));
  }
}

TEST(ColumnChunkTest, ColumnsOfNullsComeBack) {
  const ParquetFile file = Written(Column<arrow::StringBuilder>(
      {30'000, 5}, [](int64_t) { return std::optional<std::string>(); }));
  EXPECT_EQ(file.columns.at("x").null_count, 30'005);
  EXPECT_EQ(file.columns.at("x").minimum, nullptr);
  Written(Column<arrow::DoubleBuilder>({300}, [](int64_t) { return std::optional<double>(); }));
}

TEST(ColumnChunkTest, PagesWithoutAnyValueComeBack) {
  const std::vector<int64_t> sizes = {50'000, 20'000, 30'000};
  const auto is_null = [](int64_t row) { return row < 45'000 || row >= 80'000; };
  const auto integers = Column<arrow::Int64Builder>(
      sizes, [&](int64_t row) { return is_null(row) ? std::nullopt : std::optional(row); });
  const ParquetFile file = Written(integers);
  EXPECT_EQ(file.columns.at("x").minimum->ToString(), "45000");
  const auto reader = Reader(file);
  const auto index = reader->GetPageIndexReader()->RowGroup(0)->GetColumnIndex(0);
  ASSERT_NE(index, nullptr);
  EXPECT_EQ(index->null_pages(), (std::vector<bool>{true, true, false, false, true}));
  for (const int64_t values : {7, 100'000}) {
    const auto texts = Column<arrow::StringBuilder>(sizes, [&](int64_t row) {
      return is_null(row) ? std::nullopt : std::optional("text " + std::to_string(row % values));
    });
    EXPECT_EQ(Written(texts).columns.at("x").null_count, 65'000);
  }
}

TEST(ColumnChunkTest, WhatTheLibraryEncodesComesBackFromSmallChunks) {
  const std::vector<int64_t> sizes(50, 1000);
  Written(Column<arrow::DoubleBuilder>(sizes, [](int64_t row) {
    return row % 9 == 0 ? std::nullopt : std::optional(static_cast<double>(row % 100) / 4);
  }));
  Written(Column<arrow::BooleanBuilder>(sizes, [](int64_t row) {
    return row % 9 == 0 ? std::nullopt : std::optional(row % 3 == 0);
  }));
  Written(Column<arrow::Int32Builder>(
      sizes, [](int64_t row) { return std::optional(static_cast<int32_t>(row)); }));
  Written(Column<arrow::BinaryBuilder>(sizes, [](int64_t row) {
    return row % 9 == 0 ? std::nullopt : std::optional("bytes " + std::to_string(row % 10));
  }));
}

// Random digits are stored in half their bytes either way; what comes again must be found.
TEST(ColumnChunkTest, PagesAreAsSmallAsZstandardMakesThem) {
  std::mt19937_64 random(3);
  const auto size_of = [](const ParquetFile& file) {
    const auto reader = Reader(file);
    const auto chunk = reader->metadata()->RowGroup(0)->ColumnChunk(0);
    return static_cast<double>(chunk->total_compressed_size()) /
           static_cast<double>(chunk->total_uncompressed_size());
  };
  const auto digits = Column<arrow::StringBuilder>({40'000}, [&](int64_t) {
    return std::optional(fmt::format("{:016x}{:016x}", random(), random()));
  });
  EXPECT_LT(size_of(Written(digits)), 0.52);
  const auto urls = Column<arrow::StringBuilder>({40'000}, [&](int64_t row) {
    return std::optional(fmt::format("https://shop.example/articles/by-number/{:06}", row));
  });
  EXPECT_LT(size_of(Written(urls)), 0.2);
  const auto noise = Column<arrow::Int64Builder>(
      {40'000}, [&](int64_t) { return std::optional(static_cast<int64_t>(random())); });
  EXPECT_LT(size_of(Written(noise)), 1.001);
}

}  // namespace
}  // namespace sluice::columnar
