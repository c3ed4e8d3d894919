#include "sluice/lake/restore_table.h"

#include <arrow/api.h>
#include <arrow/json/from_string.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "sluice/lake/alter_table.h"
#include "sluice/lake/change_feed.h"
#include "sluice/lake/history.h"
#include "sluice/lake/internal/sorted_rows.h"
#include "sluice/lake/row_changes.h"
#include "sluice/os/clock.h"
#include "sluice/store/memory_store.h"

namespace sluice::lake {
namespace {

using Rows = std::vector<std::string>;

class RestoreTableTest : public ::testing::Test {
 protected:
  void Create(std::map<std::string, std::string> properties) {
    const auto created = table_.Create(
        arrow::schema({arrow::field("id", arrow::int32()), arrow::field("name", arrow::utf8())}),
        {.properties = std::move(properties)});
    ASSERT_TRUE(created.ok()) << created.error().ToString();
  }

  void Append(const std::string& json) {
    const auto schema = (*table_.Load())->schema();
    const auto rows =
        arrow::json::ChunkedArrayFromJSONString(arrow::struct_(schema->fields()), {json});
    ASSERT_TRUE(rows.ok()) << rows.status().ToString();
    const auto batch = arrow::RecordBatch::FromStructArray((*rows)->chunk(0)).ValueOrDie();
    const NewFile file{.batches = {batch}};
    const auto appended = table_.Append(nullptr, std::vector<NewFile>{file});
    ASSERT_TRUE(appended.ok()) << appended.error().ToString();
  }

  void Delete(const std::string& condition) {
    const auto deleted = DeleteRows(table_, *Expression::Parse(condition));
    ASSERT_TRUE(deleted.ok()) << deleted.error().ToString();
  }

  void Alter(const TableAlteration& change) {
    const auto altered = AlterTable(table_, nullptr, std::vector{change});
    ASSERT_TRUE(altered.ok()) << altered.error().ToString();
  }

  RestoreReport Restore(Version version) {
    const auto report = RestoreTable(table_, version);
    EXPECT_TRUE(report.ok()) << report.error().ToString();
    return report.ok() ? *report : RestoreReport();
  }

  Rows Read(bool row_ids = false) { return SortedRows(table_, row_ids); }

  store::MemoryStore store_;
  os::SimulatedClock clock_{os::Timestamp(std::chrono::seconds(1'700'000'000))};
  os::SimulatedRandom random_{7};
  DeltaTable table_{store_, "t", clock_, random_};
};

TEST_F(RestoreTableTest, BringsBackRowsAndTakesNewerOnesAway) {
  Create({{"delta.enableDeletionVectors", "true"}, {"delta.enableRowTracking", "true"}});
  Append(R"([{"id": 1, "name": "a"}, {"id": 2, "name": "b"}, {"id": 3, "name": "c"}])");
  Delete("id = 1");                       // 2: a vector.
  Append(R"([{"id": 4, "name": "d"}])");  // 3
  const Rows then = Read(true);
  Delete("id = 2");                       // 4: a wider one.
  Append(R"([{"id": 5, "name": "e"}])");  // 5
  Delete("id = 4");                       // 6: the whole file.
  const RestoreReport report = Restore(3);
  EXPECT_EQ(report.files_restored, 2);
  EXPECT_EQ(report.files_removed, 2);
  EXPECT_EQ(report.snapshot->version(), 7);
  EXPECT_EQ(Read(true), then);
  Append(R"([{"id": 6, "name": "f"}])");
  EXPECT_EQ(Read(true).back(), "6 f 5 8");  // No id twice.
  EXPECT_EQ(Restore(6).snapshot->version(), 9);
  EXPECT_EQ(Read(), (Rows{"3 c", "5 e"}));
  EXPECT_EQ(Restore(6).snapshot->version(), 9);  // As it is.
  EXPECT_EQ(ReadHistory(table_, 1)->front().operation, "RESTORE");
}

TEST_F(RestoreTableTest, BringsBackColumnsButNotTheProtocol) {
  Create({});
  Append(R"([{"id": 1, "name": "a"}])");
  const int64_t then = ReadHistory(table_, 1)->front().timestamp_ms;
  clock_.Advance(std::chrono::hours(1));
  Alter(SetProperties{{{"delta.columnMapping.mode", "name"},
                       {"delta.enableInCommitTimestamps", "true"},
                       {"delta.enableRowTracking", "true"},
                       {"mine", "x"}}});
  Alter(RenameColumn{.path = {"name"}, .name = "title"});
  Alter(AddColumn{.path = {"more"}, .type = arrow::int64()});
  Append(R"([{"id": 2, "title": "b", "more": 3}])");
  Restore(*VersionAt(table_, then));
  EXPECT_EQ(Read(), Rows{"1 a"});
  const auto snapshot = *table_.Load();
  EXPECT_EQ(snapshot->schema()->field_names(), (std::vector<std::string>{"id", "name"}));
  EXPECT_FALSE(snapshot->properties().contains("mine"));
  EXPECT_EQ(snapshot->properties().at("delta.enableInCommitTimestamps"), "true");
  const auto features = snapshot->writer_features();
  EXPECT_TRUE(std::ranges::count(features, "columnMapping") == 1);
  Append(R"([{"id": 3, "name": "c"}])");
  Alter(RenameColumn{.path = {"name"}, .name = "again"});
  EXPECT_EQ(Read(), (Rows{"1 a", "3 c"}));
  EXPECT_EQ(Read(true).size(), 2U);
  // And forward again, to the columns that it had then.
  Restore(snapshot->version() - 1);
  EXPECT_EQ(Read(), (Rows{"1 a null", "2 b 3"}));
}

TEST_F(RestoreTableTest, RefusesWhatWasVacuumed) {
  Create({});
  Append(R"([{"id": 1, "name": "a"}])");
  const std::string path = (*table_.Load())->files()[0].path;
  Delete("id = 1");
  ASSERT_TRUE(store_.Delete("t/" + path).ok());
  const auto refused = RestoreTable(table_, 1);
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().ToString(),
            "table 't': version 1 cannot be restored: 1 of its files are gone, first '" + path +
                "'; a vacuum deletes what newer versions do not have (not found)");
  EXPECT_EQ((*table_.Load())->version(), 2);
  EXPECT_EQ(RestoreTable(table_, 9).error().code(), ErrorCode::kNotFound);
}

TEST_F(RestoreTableTest, RefusesTablesThatOnlyAppend) {
  Create({{"delta.appendOnly", "true"}});
  Append(R"([{"id": 1, "name": "a"}])");
  EXPECT_EQ(RestoreTable(table_, 0).error().ToString(),
            "table 't': the table only appends (property delta.appendOnly) (unsupported)");
}

TEST_F(RestoreTableTest, TellsTheChangeFeed) {
  Create({{"delta.enableChangeDataFeed", "true"}, {"delta.enableDeletionVectors", "true"}});
  Append(R"([{"id": 1, "name": "a"}, {"id": 2, "name": "b"}])");
  Delete("id = 1");
  Append(R"([{"id": 3, "name": "c"}])");
  const Version restored = Restore(1).snapshot->version();
  const auto feed = ChangeFeed::Open(table_, {.from = restored});
  ASSERT_TRUE(feed.ok());
  Rows changes;
  while (true) {
    const auto batch = (*feed)->Next();
    ASSERT_TRUE(batch.ok());
    if (*batch == nullptr) break;
    for (int64_t row = 0; row < (*batch)->num_rows(); ++row) {
      changes.push_back(
          (*batch)->GetColumnByName("_change_type")->GetScalar(row).ValueOrDie()->ToString() + " " +
          (*batch)->column(0)->GetScalar(row).ValueOrDie()->ToString());
    }
  }
  std::ranges::sort(changes);
  EXPECT_EQ(changes, (Rows{"delete 3", "insert 1"}));
}

}  // namespace
}  // namespace sluice::lake
