#include "sluice/lake/parquet_rows.h"

#include <arrow/api.h>
#include <gtest/gtest.h>

#include <numeric>

#include "sluice/columnar/parquet.h"
#include "sluice/store/memory_store.h"

namespace sluice::lake {
namespace {

using columnar::Batch;

class ParquetRowsTest : public testing::Test {
 protected:
  ParquetRowsTest() {
    std::vector<int64_t> numbers(kRows);
    std::iota(numbers.begin(), numbers.end(), 0);
    arrow::Int64Builder n;
    arrow::StringBuilder text;
    EXPECT_TRUE(n.AppendValues(numbers).ok());
    for (const int64_t number : numbers) EXPECT_TRUE(text.Append(std::to_string(number)).ok());
    const Batch rows = arrow::RecordBatch::Make(
        arrow::schema({arrow::field("n", arrow::int64()), arrow::field("text", arrow::utf8())}),
        kRows, {*n.Finish(), *text.Finish()});
    bytes_ = columnar::WriteParquet(rows->schema(), {rows}, {.row_group_rows_max = 100'000})->bytes;
    EXPECT_TRUE(store_.Put("t/part.parquet", bytes_).ok());
  }

  static constexpr int64_t kRows = 250'000;
  store::MemoryStore store_;
  std::string bytes_;
};

TEST_F(ParquetRowsTest, HandsOnAllRowsInTurn) {
  int64_t next = 0;
  const auto use = [&](const Batch& batch) -> Status {
    EXPECT_LE(batch->num_rows(), 64 << 10);
    EXPECT_EQ(batch->schema()->field_names(), std::vector<std::string>{"n"});
    const auto& n = static_cast<const arrow::Int64Array&>(*batch->column(0));
    for (int64_t row = 0; row < n.length(); ++row) EXPECT_EQ(n.Value(row), next++);
    return {};
  };
  const Status read = ReadParquetRows(store_, "t/part.parquet", {"x", "n"}, use);
  ASSERT_TRUE(read.ok()) << read.error().ToString();
  EXPECT_EQ(next, kRows);
}

TEST_F(ParquetRowsTest, EndsAtAnErrorAndNamesADamagedFile) {
  int calls = 0;
  const auto refuse = [&](const Batch&) -> Status { return ++calls, Invalid("no more"); };
  EXPECT_EQ(ReadParquetRows(store_, "t/part.parquet", {}, refuse).error().message(),
            "file 't/part.parquet': no more");
  EXPECT_EQ(calls, 1);
  EXPECT_EQ(ReadParquetRows(store_, "t/other.parquet", {}, refuse).error().code(),
            ErrorCode::kNotFound);
  bytes_[bytes_.size() / 2] ^= 1;
  ASSERT_TRUE(store_.Put("t/part.parquet", bytes_).ok());
  const auto take = [](const Batch&) { return Status(); };
  const Status damaged = ReadParquetRows(store_, "t/part.parquet", {}, take);
  ASSERT_FALSE(damaged.ok());
  EXPECT_EQ(damaged.error().code(), ErrorCode::kCorrupt);
  EXPECT_TRUE(damaged.error().message().starts_with("file 't/part.parquet': "));
}

}  // namespace
}  // namespace sluice::lake
