#include "sluice/lake/convert_parquet.h"

#include <arrow/api.h>
#include <arrow/json/from_string.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>

#include "sluice/columnar/parquet.h"
#include "sluice/lake/internal/sorted_rows.h"
#include "sluice/lake/scan.h"
#include "sluice/os/clock.h"
#include "sluice/os/random.h"
#include "sluice/store/faulty_store.h"
#include "sluice/store/memory_store.h"

namespace sluice::lake {
namespace {

class ConvertParquetTest : public ::testing::Test {
 protected:
  /// Puts a file of one column and its values into the folder.
  void Put(const std::string& name, const std::string& column,
           const std::shared_ptr<arrow::DataType>& type, const std::string& json) {
    const auto values = *arrow::json::ArrayFromJSONString(type, json);
    const auto batch = arrow::RecordBatch::Make(arrow::schema({arrow::field(column, type)}),
                                                values->length(), {values});
    const auto file = columnar::WriteParquet(batch->schema(), {batch}, {.row_group_rows_max = 2});
    ASSERT_TRUE(file.ok()) << file.error().message();
    ASSERT_TRUE(store_.Put("lake/t/" + name, file->bytes).ok());
  }

  ConvertReport Convert(const ConvertOptions& options = {}) {
    auto report = ConvertParquet(table_, options);
    EXPECT_TRUE(report.ok()) << report.error().message();
    return report.ok() ? *report : ConvertReport();
  }

  os::SimulatedClock clock_{os::Timestamp(std::chrono::seconds(1'700'000'000))};
  store::MemoryStore memory_{&clock_};
  store::FaultyStore store_{memory_};
  os::SimulatedRandom random_{7};
  DeltaTable table_{store_, "lake/t", clock_, random_};
};

TEST_F(ConvertParquetTest, FilesAreATableWithTheStatisticsOfTheirFooters) {
  Put("a b%.parquet", "n", arrow::int64(), "[5, null, 3, 9]");
  Put("b.parquet", "n", arrow::int64(), "[null]");
  ASSERT_TRUE(store_.Put("lake/t/_SUCCESS", "").ok());
  ASSERT_TRUE(store_.Put("lake/t2/other", "not of this table").ok());
  const ConvertReport report = Convert();
  EXPECT_EQ(report.snapshot->version(), 0);
  EXPECT_EQ(report.files, 2);
  EXPECT_EQ(report.rows, 5);
  EXPECT_EQ(report.files_left_out, 1);
  ASSERT_EQ(report.snapshot->files().size(), 2u);
  EXPECT_EQ(report.snapshot->files()[0].path, "a%20b%25.parquet");
  EXPECT_EQ(report.snapshot->files()[0].stats,
            R"({"numRecords":4,"minValues":{"n":3},"maxValues":{"n":9},"nullCount":{"n":1}})");
  EXPECT_EQ(report.snapshot->files()[1].stats,
            R"({"numRecords":1,"minValues":{},"maxValues":{},"nullCount":{"n":1}})");
  EXPECT_EQ(SortedRows(table_, /*row_ids=*/false).size(), 5u);
}

// NaN is in no bound of a footer, but greater than all else for who asks.
TEST_F(ConvertParquetTest, FloatingPointNumbersHaveNoBounds) {
  Put("a.parquet", "n", arrow::float64(), "[1.5, NaN]");
  EXPECT_EQ(Convert().snapshot->files()[0].stats,
            R"({"numRecords":2,"minValues":{},"maxValues":{},"nullCount":{"n":0}})");
}

TEST_F(ConvertParquetTest, ManyFilesAreReadAtTheSameTime) {
  constexpr int kFiles = 2500;
  for (int i = 0; i < kFiles; ++i) {
    Put(fmt::format("n={}/{}.parquet", i % 7, i), "id",
        i % 2 == 0 ? arrow::int32() : arrow::int64(), fmt::format("[{}]", i));
  }
  const ConvertReport report =
      Convert({.partitioned_by = {{{.name = "n", .type = arrow::int32()}}}});
  EXPECT_EQ(report.files, kFiles);
  EXPECT_EQ(report.widened, std::vector<std::string>{"id"});
  EXPECT_FALSE(report.locked_out.empty());
  ASSERT_EQ(SortedRows(table_, false).size(), static_cast<size_t>(kFiles));
  EXPECT_EQ(SelectFiles(*report.snapshot, *Expression::Parse("id = 77")).size(), 1u);
  EXPECT_EQ(SelectFiles(*report.snapshot, *Expression::Parse("n = 6")).size(), kFiles / 7u);
}

TEST_F(ConvertParquetTest, ADryRunWritesNothing) {
  Put("a.parquet", "n", arrow::int64(), "[1]");
  bool wrote = false;
  store_.Observe([&](store::StoreCall call, std::string_view) {
    wrote |= call == store::StoreCall::kPut || call == store::StoreCall::kPutIfAbsent;
  });
  const ConvertReport report = Convert({.dry_run = true});
  EXPECT_FALSE(wrote);
  EXPECT_EQ(report.snapshot, nullptr);
  EXPECT_NE(report.schema_json.find(R"("name":"n","type":"long")"), std::string::npos);
}

TEST_F(ConvertParquetTest, WhoMakesTheTableMeanwhileWins) {
  Put("a.parquet", "n", arrow::int64(), "[1]");
  bool made = false;
  store_.Observe([&](store::StoreCall call, std::string_view) {
    if (call != store::StoreCall::kPutIfAbsent || std::exchange(made, true)) return;
    DeltaTable theirs(memory_, "lake/t", clock_, random_);
    ASSERT_TRUE(theirs.Create(arrow::schema({arrow::field("x", arrow::int64())})).ok());
  });
  const auto refused = ConvertParquet(table_);
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().code(), ErrorCode::kConflict) << refused.error().message();
  EXPECT_EQ((*table_.Load())->schema()->field(0)->name(), "x");
}

TEST_F(ConvertParquetTest, MistakesNameTheFileAndTheColumn) {
  Put("a.parquet", "n", arrow::int64(), "[1]");
  Put("b.parquet", "n", arrow::utf8(), R"(["1"])");
  auto refused = ConvertParquet(table_);
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().ToString(),
            "folder 'lake/t': file 'b.parquet': column 'n' is string, but in file 'a.parquet' it "
            "is long (invalid)");
  ASSERT_TRUE(store_.Delete("lake/t/b.parquet").ok());
  Put("x=1/c.parquet", "n", arrow::int64(), "[1]");
  refused = ConvertParquet(table_);
  ASSERT_FALSE(refused.ok());
  EXPECT_NE(refused.error().message().find("'x=1/c.parquet' lies in 1 folders"), std::string::npos)
      << refused.error().message();
  EXPECT_EQ(table_.Load().error().code(), ErrorCode::kNotFound);
}

}  // namespace
}  // namespace sluice::lake
