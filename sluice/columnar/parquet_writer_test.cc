#include "sluice/columnar/parquet_writer.h"

#include <arrow/api.h>
#include <arrow/io/memory.h>
#include <gtest/gtest.h>
#include <parquet/column_page.h>
#include <parquet/column_reader.h>
#include <parquet/file_reader.h>
#include <parquet/metadata.h>

#include "sluice/columnar/arrow_bridge.h"

namespace sluice::columnar {
namespace {

Batch Rows(int64_t first, int64_t count, int64_t nulls_from, int64_t kinds) {
  arrow::Int64Builder numbers;
  arrow::StringBuilder texts;
  arrow::DoubleBuilder reals;
  for (int64_t row = first; row < first + count; ++row) {
    EXPECT_TRUE((row >= nulls_from ? numbers.AppendNull() : numbers.Append(row)).ok());
    EXPECT_TRUE(texts.Append("kind " + std::to_string(1000 + row % kinds)).ok());
    EXPECT_TRUE(reals.Append(static_cast<double>(row) / 4).ok());
  }
  return arrow::RecordBatch::Make(
      arrow::schema({arrow::field("number", arrow::int64()), arrow::field("text", arrow::utf8()),
                     arrow::field("real", arrow::float64())}),
      count,
      {numbers.Finish().ValueOrDie(), texts.Finish().ValueOrDie(), reals.Finish().ValueOrDie()});
}

ByteSink Into(std::string& bytes) {
  return [&bytes](std::string_view more) {
    bytes += more;
    return Status();
  };
}

std::shared_ptr<arrow::Table> Read(const std::string& bytes) {
  const auto batches = ReadParquet(bytes);
  EXPECT_TRUE(batches.ok()) << (batches.ok() ? "" : batches.error().message());
  return arrow::Table::FromRecordBatches(*batches).ValueOrDie()->CombineChunks().ValueOrDie();
}

std::shared_ptr<parquet::FileMetaData> Metadata(const std::string& bytes) {
  return parquet::ReadMetaData(
      std::make_shared<arrow::io::BufferReader>(arrow::Buffer::FromString(bytes)));
}

TEST(ParquetWriterTest, WritesGroupsOfMixedEncodingsWithTheirBounds) {
  // The first group repeats its texts, the last does not, and has nulls that the first has not.
  const std::vector<Batch> batches = {Rows(0, 1500, 1 << 20, 10), Rows(1500, 600, 1600, 2),
                                      Rows(2100, 900, 0, 900)};
  std::string bytes;
  const auto writer =
      ParquetWriter::Open(batches[0]->schema(), {.row_group_rows_max = 1000}, Into(bytes));
  ASSERT_TRUE(writer.ok());
  for (const Batch& batch : batches) ASSERT_TRUE((*writer)->Write(batch).ok());
  EXPECT_EQ((*writer)->rows(), 3000);
  // What is encoded is given away at once.
  EXPECT_GT(bytes.size(), 0U);
  EXPECT_EQ((*writer)->encoded_bytes(), static_cast<int64_t>(bytes.size()));
  const auto file = (*writer)->Finish();
  ASSERT_TRUE(file.ok()) << file.error().message();
  EXPECT_EQ(file->rows, 3000);
  const auto expected =
      arrow::Table::FromRecordBatches(batches).ValueOrDie()->CombineChunks().ValueOrDie();
  EXPECT_EQ(file->size, static_cast<int64_t>(bytes.size()));
  EXPECT_TRUE(Read(bytes)->Equals(*expected));
  EXPECT_EQ(file->columns.at("number").null_count, 500 + 900);
  EXPECT_EQ(file->columns.at("number").minimum->ToString(), "0");
  EXPECT_EQ(file->columns.at("number").maximum->ToString(), "1599");
  EXPECT_EQ(file->columns.at("text").minimum->ToString(), "kind 1000");
  EXPECT_EQ(file->columns.at("text").maximum->ToString(), "kind 1899");
  EXPECT_EQ(file->columns.at("real").maximum->ToString(), "749.75");
}

TEST(ParquetWriterTest, GroupsHaveNoMoreBytesThanTheyMay) {
  const Batch batch = Rows(0, 1000, 1 << 20, 1000);
  const int64_t bytes = MemoryBytes(*batch);
  std::string file;
  const auto writer =
      ParquetWriter::Open(batch->schema(), {.row_group_bytes_max = 2 * bytes}, Into(file));
  ASSERT_TRUE(writer.ok());
  int64_t most = 0;
  for (int i = 0; i < 10; ++i) {
    ASSERT_TRUE((*writer)->Write(batch).ok());
    most = std::max(most, (*writer)->waiting_bytes());
  }
  EXPECT_EQ(most, bytes) << "two are a group, which is written";
  ASSERT_TRUE((*writer)->Finish().ok());
  EXPECT_EQ(Metadata(file)->num_row_groups(), 5);
  EXPECT_EQ(Read(file)->num_rows(), 10'000);
}

TEST(ParquetWriterTest, PagesOfLargeRowsHaveNotManyOfThem) {
  arrow::StringBuilder texts;
  for (int row = 0; row < 256; ++row) {
    ASSERT_TRUE(texts.Append(std::to_string(row) + std::string(128 << 10, 'x')).ok());
  }
  const auto schema = arrow::schema({arrow::field("text", arrow::utf8())});
  std::string file;
  const auto writer = ParquetWriter::Open(schema, {}, Into(file));
  ASSERT_TRUE(writer.ok());
  ASSERT_TRUE((*writer)->Write(arrow::RecordBatch::Make(schema, 256, {*texts.Finish()})).ok());
  ASSERT_TRUE((*writer)->Finish().ok());
  const auto reader = parquet::ParquetFileReader::Open(
      std::make_shared<arrow::io::BufferReader>(arrow::Buffer::FromString(file)));
  const auto pages = reader->RowGroup(0)->GetColumnPageReader(0);
  int32_t largest = 0;
  while (const auto page = pages->NextPage()) largest = std::max(largest, page->size());
  EXPECT_GT(largest, 128 << 10);
  EXPECT_LT(largest, 256 << 10);
}

TEST(ParquetWriterTest, OneGroupIsTheFileThatIsWrittenAtOnce) {
  const Batch batch = Rows(0, 500, 1 << 20, 7);
  std::string bytes;
  const auto writer = ParquetWriter::Open(batch->schema(), {}, Into(bytes));
  ASSERT_TRUE(writer.ok());
  ASSERT_TRUE((*writer)->Write(batch->Slice(0, 200)).ok());
  ASSERT_TRUE((*writer)->Write(batch->Slice(200)).ok());
  const auto file = (*writer)->Finish();
  const auto whole = WriteParquet(batch->schema(), {batch});
  ASSERT_TRUE(file.ok() && whole.ok());
  EXPECT_EQ(bytes, whole->bytes);
  EXPECT_EQ(file->size, whole->size);
}

TEST(ParquetWriterTest, ErrorsOfTheSinkAreItsOwn) {
  const Batch batch = Rows(0, 3000, 1 << 20, 7);
  int calls = 0;
  const auto write = [&](int calls_max) -> Status {
    calls = 0;
    SLUICE_ASSIGN_OR_RETURN(
        const auto writer,
        ParquetWriter::Open(
            batch->schema(), {.row_group_rows_max = 1000}, [&](std::string_view) -> Status {
              return ++calls > calls_max ? Status(Unavailable("no room")) : Status();
            }));
    SLUICE_RETURN_IF_ERROR(writer->Write(batch));
    return writer->Finish().status();
  };
  ASSERT_TRUE(write(1 << 20).ok());
  const int all = calls;
  ASSERT_GT(all, 10);
  for (int works = 0; works < all; ++works) {
    const Status written = write(works);
    ASSERT_FALSE(written.ok()) << works;
    EXPECT_EQ(written.error().ToString(), "no room (unavailable)") << works;
    EXPECT_EQ(calls, works + 1);  // It is not asked again.
  }
}

TEST(ParquetWriterTest, NoRowsAreAFileToo) {
  const Batch batch = Rows(0, 1, 1, 1);
  std::string bytes;
  const auto writer = ParquetWriter::Open(batch->schema(), {}, Into(bytes));
  ASSERT_TRUE(writer.ok());
  const auto file = (*writer)->Finish();
  ASSERT_TRUE(file.ok()) << file.error().message();
  EXPECT_EQ(file->rows, 0);
  EXPECT_EQ(file->columns.at("text").null_count, 0);
}

}  // namespace
}  // namespace sluice::columnar
