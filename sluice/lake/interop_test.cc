// The half in C++ of tests/interop/deltalake_reads.py, which runs each test here in its turn.

#include <arrow/api.h>
#include <arrow/json/from_string.h>
#include <gtest/gtest.h>

#include <cstdlib>

#include "sluice/lake/delta_table.h"
#include "sluice/store/local_store.h"

namespace sluice::lake {
namespace {

class InteropTest : public testing::Test {
 protected:
  void SetUp() override {
    const char* folder = std::getenv("SLUICE_INTEROP_FOLDER");
    if (folder == nullptr) GTEST_SKIP() << "SLUICE_INTEROP_FOLDER is not set";
    store_.emplace(disk_, folder);
    table_.emplace(*store_, "table", clock_, random_);
  }

  os::SystemDisk disk_;
  os::SystemClock clock_;
  os::SystemRandom random_;
  std::optional<store::LocalStore> store_;
  std::optional<DeltaTable> table_;
};

columnar::Schema Schema() {
  return arrow::schema(
      {arrow::field("id", arrow::fixed_size_binary(4)), arrow::field("flag", arrow::boolean()),
       arrow::field("i8", arrow::int8()), arrow::field("u16", arrow::uint16()),
       arrow::field("u64", arrow::uint64()), arrow::field("i64", arrow::int64()),
       arrow::field("real", arrow::float64()), arrow::field("single", arrow::float32()),
       arrow::field("price", arrow::decimal128(10, 2)), arrow::field("name", arrow::utf8()),
       arrow::field("at", arrow::timestamp(arrow::TimeUnit::MICRO, "UTC")),
       arrow::field("day", arrow::date32()), arrow::field("list", arrow::list(arrow::int32())),
       arrow::field("country", arrow::utf8()), arrow::field("event_date", arrow::date32())});
}

NewFile File(std::optional<std::string> country, int64_t first) {
  const auto schema = Schema();
  arrow::FieldVector fields = schema->fields();
  fields.resize(13);
  const std::string json = fmt::format(
      R"([{{"id": "abcd", "flag": true, "i8": -1, "u16": 65535, "u64": 18446744073709551615,
          "i64": {}, "real": 0.1, "single": 0.1, "price": "-1.50", "name": "é\u0001\"",
          "at": 1700000000000001, "day": 19000, "list": [1, null]}},
         {{"id": null, "flag": null, "i8": null, "u16": null, "u64": null, "i64": {}, "real": null,
          "single": null, "price": null, "name": "{}", "at": null, "day": null, "list": null}}])",
      first, first + 1, std::string(100, 'z'));
  const auto rows = arrow::json::ArrayFromJSONString(arrow::struct_(fields), json).ValueOrDie();
  return {.partition_values = {{"country", std::move(country)}, {"event_date", "2024-01-31"}},
          .batches = {arrow::RecordBatch::FromStructArray(rows).ValueOrDie()}};
}

TEST_F(InteropTest, WritesATable) {
  auto snapshot = table_->Create(Schema(), {.partition_columns = {"country", "event_date"},
                                            .properties = {{"delta.checkpointInterval", "3"}}});
  ASSERT_TRUE(snapshot.ok()) << snapshot.error().ToString();
  const std::vector<std::optional<std::string>> countries = {"NL", "US/East %é {x}=:", "", "a b"};
  int64_t first = 0;
  for (const auto& country : countries) {
    snapshot = table_->Append(*snapshot, std::vector{File(country, first)},
                              {.transactions = {{.app_id = "app", .version = first}}});
    ASSERT_TRUE(snapshot.ok()) << snapshot.error().ToString();
    first += 2;
  }
  ASSERT_TRUE(CheckpointDue(**snapshot));
  ASSERT_TRUE(table_->WriteCheckpoint(**snapshot).ok());
  snapshot = table_->AddColumns(*snapshot, arrow::schema({arrow::field("late", arrow::int64())}));
  ASSERT_TRUE(snapshot.ok()) << snapshot.error().ToString();
}

TEST_F(InteropTest, LoadsWhatOthersAppended) {
  const auto snapshot = table_->Load();
  ASSERT_TRUE(snapshot.ok()) << snapshot.error().ToString();
  EXPECT_EQ((*snapshot)->version(), 6);
  ASSERT_EQ((*snapshot)->files().size(), 5U);
  int64_t rows = 0;
  for (const DataFile& file : (*snapshot)->files()) {
    const auto bytes = store_->Get(table_->StorePath(file));
    ASSERT_TRUE(bytes.ok()) << bytes.error().ToString();
    const auto batches = columnar::ReadParquet(*bytes, {"i64"});
    ASSERT_TRUE(batches.ok()) << batches.error().ToString();
    for (const auto& batch : *batches) rows += batch->num_rows();
  }
  EXPECT_EQ(rows, 10);
  EXPECT_EQ((*snapshot)->TransactionVersion("app"), 6);
  EXPECT_EQ((*snapshot)->TransactionVersion("python"), 1);
  // And goes on behind them.
  const auto appended = table_->Append(*snapshot, std::vector{File("NL", 100)});
  ASSERT_TRUE(appended.ok()) << appended.error().ToString();
}

}  // namespace
}  // namespace sluice::lake
