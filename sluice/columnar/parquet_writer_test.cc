#include "sluice/columnar/parquet_writer.h"

#include <arrow/api.h>
#include <gtest/gtest.h>

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

std::shared_ptr<arrow::Table> Read(const std::string& bytes) {
  const auto batches = ReadParquet(bytes);
  EXPECT_TRUE(batches.ok()) << (batches.ok() ? "" : batches.error().message());
  return arrow::Table::FromRecordBatches(*batches).ValueOrDie()->CombineChunks().ValueOrDie();
}

TEST(ParquetWriterTest, WritesGroupsOfMixedEncodingsWithTheirBounds) {
  // The first group repeats its texts, the last does not, and has nulls that the first has not.
  const std::vector<Batch> batches = {Rows(0, 1500, 1 << 20, 10), Rows(1500, 600, 1600, 2),
                                      Rows(2100, 900, 0, 900)};
  const auto writer =
      ParquetWriter::Open(batches[0]->schema(), {.row_group_rows_max = 1000}, 1 << 16);
  ASSERT_TRUE(writer.ok());
  for (const Batch& batch : batches) ASSERT_TRUE((*writer)->Write(batch).ok());
  EXPECT_EQ((*writer)->rows(), 3000);
  const auto file = (*writer)->Finish();
  ASSERT_TRUE(file.ok()) << file.error().message();
  EXPECT_EQ(file->rows, 3000);
  const auto expected =
      arrow::Table::FromRecordBatches(batches).ValueOrDie()->CombineChunks().ValueOrDie();
  EXPECT_TRUE(Read(file->bytes)->Equals(*expected));
  EXPECT_EQ(file->columns.at("number").null_count, 500 + 900);
  EXPECT_EQ(file->columns.at("number").minimum->ToString(), "0");
  EXPECT_EQ(file->columns.at("number").maximum->ToString(), "1599");
  EXPECT_EQ(file->columns.at("text").minimum->ToString(), "kind 1000");
  EXPECT_EQ(file->columns.at("text").maximum->ToString(), "kind 1899");
  EXPECT_EQ(file->columns.at("real").maximum->ToString(), "749.75");
}

TEST(ParquetWriterTest, OneGroupIsTheFileThatIsWrittenAtOnce) {
  const Batch batch = Rows(0, 500, 1 << 20, 7);
  const auto writer = ParquetWriter::Open(batch->schema());
  ASSERT_TRUE(writer.ok());
  ASSERT_TRUE((*writer)->Write(batch->Slice(0, 200)).ok());
  ASSERT_TRUE((*writer)->Write(batch->Slice(200)).ok());
  const auto file = (*writer)->Finish();
  const auto whole = WriteParquet(batch->schema(), {batch});
  ASSERT_TRUE(file.ok() && whole.ok());
  EXPECT_EQ(file->bytes, whole->bytes);
}

TEST(ParquetWriterTest, NoRowsAreAFileToo) {
  const Batch batch = Rows(0, 1, 1, 1);
  const auto writer = ParquetWriter::Open(batch->schema());
  ASSERT_TRUE(writer.ok());
  const auto file = (*writer)->Finish();
  ASSERT_TRUE(file.ok()) << file.error().message();
  EXPECT_EQ(file->rows, 0);
  EXPECT_EQ(file->columns.at("text").null_count, 0);
}

}  // namespace
}  // namespace sluice::columnar
