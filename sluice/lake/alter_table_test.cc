#include "sluice/lake/alter_table.h"

#include <arrow/api.h>
#include <arrow/json/from_string.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <set>

#include "sluice/lake/history.h"
#include "sluice/lake/internal/sorted_rows.h"
#include "sluice/lake/row_changes.h"
#include "sluice/os/clock.h"
#include "sluice/store/faulty_store.h"
#include "sluice/store/memory_store.h"

namespace sluice::lake {
namespace {

using Changes = std::vector<TableAlteration>;
using SnapshotPtr = std::shared_ptr<const Snapshot>;

columnar::Schema SchemaOf(const arrow::FieldVector& fields) { return arrow::schema(fields); }

bool Has(const std::vector<std::string>& list, std::string_view name) {
  return std::ranges::find(list, name) != list.end();
}

class AlterTableTest : public ::testing::Test {
 protected:
  void Create(const arrow::FieldVector& fields, const CreateOptions& options = {}) {
    const auto created = table_.Create(SchemaOf(fields), options);
    ASSERT_TRUE(created.ok()) << created.error().ToString();
  }

  void CreateSimple(const CreateOptions& options = {}) {
    Create({arrow::field("id", arrow::int32()), arrow::field("name", arrow::utf8()),
            arrow::field("place", arrow::struct_({arrow::field("city", arrow::utf8()),
                                                  arrow::field("zip", arrow::int32())}))},
           options);
  }

  // Rows as JSON, by the table's own schema.
  Result<SnapshotPtr> TryAppend(const std::string& json, const PartitionValues& partition = {}) {
    const auto snapshot = table_.Load();
    EXPECT_TRUE(snapshot.ok());
    arrow::FieldVector fields;
    for (const auto& field : (*snapshot)->schema()->fields()) {
      if (json.find("\"" + field->name() + "\"") != std::string::npos) fields.push_back(field);
    }
    const auto rows = arrow::json::ChunkedArrayFromJSONString(arrow::struct_(fields), {json});
    EXPECT_TRUE(rows.ok()) << rows.status().ToString();
    const auto batch = arrow::RecordBatch::FromStructArray((*rows)->chunk(0)).ValueOrDie();
    const NewFile file{.partition_values = partition, .batches = {batch}};
    return table_.Append(nullptr, std::vector<NewFile>{file});
  }
  void Append(const std::string& json, const PartitionValues& partition = {}) {
    const auto appended = TryAppend(json, partition);
    ASSERT_TRUE(appended.ok()) << appended.error().ToString();
  }

  SnapshotPtr Alter(const Changes& changes) {
    const auto altered = AlterTable(table_, nullptr, changes);
    EXPECT_TRUE(altered.ok()) << altered.error().ToString();
    return altered.ok() ? *altered : nullptr;
  }
  std::string Refused(const Changes& changes) {
    const auto altered = AlterTable(table_, nullptr, changes);
    return altered.ok() ? "done" : altered.error().ToString();
  }

  std::vector<std::string> Read(bool row_ids = false) { return SortedRows(table_, row_ids); }

  using Rows = std::vector<std::string>;

  store::MemoryStore store_;
  store::FaultyStore faulty_{store_};
  os::SimulatedClock clock_{os::Timestamp(std::chrono::seconds(1'700'000'000))};
  os::SimulatedRandom random_{7};
  DeltaTable table_{faulty_, "t", clock_, random_};
};

TEST_F(AlterTableTest, AddsColumnsAnywhere) {
  CreateSimple();
  Append(R"([{"id": 1, "name": "a", "place": {"city": "x", "zip": 7}}])");
  const auto snapshot = Alter({
      AddColumn{.path = {"first"},
                .type = arrow::int64(),
                .comment = "a \"comment\"",
                .place = {.where = ColumnPlace::Where::kFirst}},
      AddColumn{.path = {"Place", "street"},
                .type = arrow::utf8(),
                .place = {.where = ColumnPlace::Where::kAfter, .neighbour = "CITY"}},
      AddColumn{.path = {"kind"}, .type = arrow::utf8(), .default_value = "'new'"},
  });
  ASSERT_NE(snapshot, nullptr);
  EXPECT_EQ(snapshot->version(), 2);
  EXPECT_EQ(snapshot->schema()->field_names(),
            (std::vector<std::string>{"first", "id", "name", "place", "kind"}));
  EXPECT_EQ(snapshot->schema()->field(3)->type()->field(1)->name(), "street");
  EXPECT_EQ(snapshot->annotated_schema()->field(0)->metadata()->Get("comment").ValueOrDie(),
            "a \"comment\"");
  EXPECT_TRUE(Has(snapshot->writer_features(), "allowColumnDefaults"));
  Append(R"([{"id": 2, "first": 5, "place": {"street": "s", "city": "y"}}])");
  EXPECT_EQ(Read(), (Rows{"5 2 null {city:string = y, street:string = s, zip:int32 = null} new",
                          "null 1 a {city:string = x, street:string = null, zip:int32 = 7} null"}));

  EXPECT_EQ(Refused({AddColumn{.path = {"NAME"}, .type = arrow::utf8()}}),
            "table 't': there is a column 'NAME' already, without regard to case (invalid)");
  EXPECT_EQ(Refused({AddColumn{.path = {"id", "x"}, .type = arrow::utf8()}}),
            "table 't': 'id' is no struct: fields can only be added to such (invalid)");
  EXPECT_EQ(Refused({AddColumn{.path = {"d"}, .type = arrow::int32(), .default_value = "id + 1"}}),
            "table 't': default of 'd': it cannot depend on columns (invalid)");
}

TEST_F(AlterTableTest, RenamesAndDropsWhereColumnsAreMapped) {
  Create({arrow::field("id", arrow::int32()), arrow::field("name", arrow::utf8()),
          arrow::field("day", arrow::utf8())},
         {.partition_columns = {"day"}});
  Append(R"([{"id": 1, "name": "old"}])", {{"day", "mon"}});
  EXPECT_EQ(
      Refused({RenameColumn{.path = {"name"}, .name = "title"}}),
      "table 't': renaming a column needs a table that maps its columns, since its files keep "
      "the names they were written with: set the property delta.columnMapping.mode = name "
      "first, or in the same change (invalid)");
  const auto snapshot = Alter({SetProperties{{{"delta.columnMapping.mode", "name"}}},
                               RenameColumn{.path = {"name"}, .name = "the title"},
                               RenameColumn{.path = {"day"}, .name = "weekday"}});
  ASSERT_NE(snapshot, nullptr);
  EXPECT_EQ(snapshot->partition_columns(), std::vector<std::string>{"weekday"});
  EXPECT_EQ(snapshot->properties().at("delta.columnMapping.maxColumnId"), "3");
  EXPECT_TRUE(Has(snapshot->reader_features(), "columnMapping"));
  Append(R"([{"id": 2, "the title": "new"}])", {{"weekday", "tue"}});
  EXPECT_EQ(Read(), (Rows{"1 old mon", "2 new tue"}));
  // Statistics by the names of files.
  const auto files = (*table_.Load())->files();
  for (const DataFile& file : files) EXPECT_EQ(NullsOf(file, "name"), 0) << file.stats;

  Alter({DropColumn{{"the title"}}});
  EXPECT_EQ(Read(), (Rows{"1 mon", "2 tue"}));
  // One of the same name is another column.
  Alter({AddColumn{.path = {"the title"}, .type = arrow::int64()}});
  Append(R"([{"id": 3, "the title": 9}])", {{"weekday", "wed"}});
  EXPECT_EQ(Read(), (Rows{"1 mon null", "2 tue null", "3 wed 9"}));
  EXPECT_EQ((*table_.Load())->properties().at("delta.columnMapping.maxColumnId"), "4");

  EXPECT_EQ(Refused({DropColumn{{"weekday"}}}),
            "table 't': column 'weekday' partitions the table: it cannot be dropped (invalid)");
  EXPECT_EQ(Refused({DropColumn{{"the title"}}, DropColumn{{"id"}}}),
            "table 't': column 'id' is the last one: it cannot be dropped (invalid)");
  EXPECT_EQ(Refused({SetProperties{{{"delta.columnMapping.mode", "none"}}}}),
            "table 't': property 'delta.columnMapping.mode' cannot go from 'name' to 'none': only "
            "from none to name (invalid)");
}

TEST_F(AlterTableTest, KeepsWhatExpressionsNeed) {
  CreateSimple({.properties = {{"delta.columnMapping.mode", "name"},
                               {"delta.constraints.positive", "id > 0"}}});
  EXPECT_EQ(Refused({RenameColumn{.path = {"id"}, .name = "key"}}),
            "table 't': column 'id' cannot be renamed: the property 'delta.constraints.positive' "
            "needs it (invalid)");
  Alter({DropConstraint{"Positive"}, RenameColumn{.path = {"id"}, .name = "key"},
         AddConstraint{.name = "large", .condition = "key > 10"}});
  EXPECT_FALSE(TryAppend(R"([{"key": 1}])").ok());
  Append(R"([{"key": 11}])");
  EXPECT_EQ(Read(), Rows{"11 null null"});
}

TEST_F(AlterTableTest, MapsColumnsOfNewTables) {
  CreateSimple({.properties = {{"delta.columnMapping.mode", "name"}}});
  const auto snapshot = *table_.Load();
  EXPECT_EQ(snapshot->properties().at("delta.columnMapping.maxColumnId"), "5");
  Append(R"([{"id": 1, "name": "a", "place": {"city": "x", "zip": 7}}])");
  Alter({RenameColumn{.path = {"place", "zip"}, .name = "code"}, DropColumn{{"place", "city"}},
         RenameColumn{.path = {"name"}, .name = "id 2"}});
  EXPECT_EQ(Read(), Rows{"1 a {code:int32 = 7}"});
  // Our own way of adding columns gives ids, too.
  const auto added = table_.AddColumns(
      *table_.Load(),
      arrow::schema({arrow::field("more", arrow::int64()),
                     arrow::field("place", arrow::struct_({arrow::field("code", arrow::int32()),
                                                           arrow::field("x y", arrow::utf8())}))}));
  ASSERT_TRUE(added.ok()) << added.error().ToString();
  EXPECT_EQ((*added)->properties().at("delta.columnMapping.maxColumnId"), "7");
  Append(R"([{"id": 2, "more": 3, "place": {"code": 1, "x y": "z"}}])");
  EXPECT_EQ(Read(), (Rows{"1 a {code:int32 = 7, x y:string = null} null",
                          "2 null {code:int32 = 1, x y:string = z} 3"}));
}

TEST_F(AlterTableTest, ColumnsWithStatisticsAreNamedAsTheTableNamesThem) {
  CreateSimple({.properties = {{"delta.columnMapping.mode", "name"},
                               {"delta.dataSkippingStatsColumns", "NAME"}}});
  Append(R"([{"id": 1, "name": "a"}])");
  auto snapshot = Alter({RenameColumn{.path = {"name"}, .name = "label"}});
  ASSERT_NE(snapshot, nullptr);
  EXPECT_EQ(snapshot->properties().at("delta.dataSkippingStatsColumns"), "label");
  Append(R"([{"id": 2, "label": "b"}])");
  snapshot = *table_.Load();
  const std::string physical = snapshot->annotated_schema()
                                   ->field(1)
                                   ->metadata()
                                   ->Get("delta.columnMapping.physicalName")
                                   .ValueOrDie();
  std::set<std::string> stats;
  for (const DataFile& file : snapshot->files()) stats.insert(file.stats);
  std::set<std::string> expected;
  for (const std::string value : {"a", "b"}) {
    expected.insert(
        fmt::format(R"({{"numRecords":1,"minValues":{{"{0}":"{1}"}},"maxValues":{{"{0}":"{1}"}},)"
                    R"("nullCount":{{"{0}":0}}}})",
                    physical, value));
  }
  EXPECT_EQ(stats, expected);
}

TEST_F(AlterTableTest, WidensTypes) {
  Create({arrow::field("i", arrow::int8()), arrow::field("f", arrow::float32()),
          arrow::field("d", arrow::decimal128(5, 2)), arrow::field("day", arrow::date32()),
          arrow::field("list", arrow::list(arrow::field("element", arrow::int16()))),
          arrow::field("part", arrow::int32())},
         {.partition_columns = {"part"}});
  Append(R"([{"i": 100, "f": 1.5, "d": "123.45", "day": 3, "list": [1, 2]}])", {{"part", "7"}});
  EXPECT_EQ(Refused({WidenColumn{.path = {"i"}, .type = arrow::int32()}}),
            "table 't': widening 'i' needs the property delta.enableTypeWidening = true, which "
            "locks out engines that do not know typeWidening: set it first, or in the same change "
            "(invalid)");
  const auto snapshot =
      Alter({SetProperties{{{"delta.enableTypeWidening", "true"}}},
             WidenColumn{.path = {"i"}, .type = arrow::int32()},
             WidenColumn{.path = {"f"}, .type = arrow::float64()},
             WidenColumn{.path = {"d"}, .type = arrow::decimal128(9, 4)},
             WidenColumn{.path = {"day"}, .type = arrow::timestamp(arrow::TimeUnit::MICRO)},
             WidenColumn{.path = {"list", "element"}, .type = arrow::int64()},
             WidenColumn{.path = {"part"}, .type = arrow::int64()}});
  ASSERT_NE(snapshot, nullptr);
  Alter({WidenColumn{.path = {"i"}, .type = arrow::int64()}});
  const auto widened = *table_.Load();
  const auto& schema = *widened->annotated_schema();
  EXPECT_EQ(schema.field(0)->metadata()->Get("delta.typeChanges").ValueOrDie(),
            R"([{"toType":"integer","fromType":"byte"},{"toType":"long","fromType":"integer"}])");
  EXPECT_EQ(schema.field(4)->metadata()->Get("delta.typeChanges").ValueOrDie(),
            R"([{"toType":"long","fromType":"short","fieldPath":"element"}])");
  EXPECT_TRUE(Has(snapshot->reader_features(), "typeWidening"));
  EXPECT_TRUE(Has(snapshot->reader_features(), "timestampNtz"));
  Append(R"([{"i": 5000000000, "f": 0.1, "d": "12345.6789", "list": [3000000000]}])",
         {{"part", "5000000000"}});
  EXPECT_EQ(Read(),
            (Rows{"100 1.5 123.4500 1970-01-04 00:00:00.000000 list<element: int64>[1, 2] 7",
                  "5000000000 0.1 12345.6789 null list<element: int64>[3000000000] "
                  "5000000000"}));
  EXPECT_TRUE(Refused({WidenColumn{.path = {"d"}, .type = arrow::decimal128(10, 6)}})
                  .starts_with("table 't': column 'd': decimal(9,4) cannot become decimal(10,6)"));
  EXPECT_TRUE(Refused({WidenColumn{.path = {"i"}, .type = arrow::float64()}})
                  .starts_with("table 't': column 'i': long cannot become double"));
}

TEST_F(AlterTableTest, ChecksRowsBeforeTheyMustBeThere) {
  CreateSimple();
  Append(R"([{"id": 1, "place": {"city": "x"}}, {"id": null}])");
  EXPECT_EQ(
      Refused({SetNotNull{{"id"}}}),
      "table 't': 1 rows of the table do not meet column 'id' NOT NULL: change or delete them "
      "first (invalid)");
  EXPECT_EQ(Refused({SetNotNull{{"place", "zip"}}}),
            "table 't': 1 rows of the table do not meet column 'place.zip' NOT NULL: change or "
            "delete them first (invalid)");
  Alter({SetNotNull{{"place", "city"}}});  // The other row has no place at all.
  const auto condition = Expression::Parse("id is null");
  ASSERT_TRUE(DeleteRows(table_, *condition).ok());
  Alter({SetNotNull{{"id"}}});
  EXPECT_FALSE(TryAppend(R"([{"name": "x"}])").ok());
  EXPECT_FALSE(TryAppend(R"([{"id": 2, "place": {"zip": 3}}])").ok());
  Alter({DropNotNull{{"id"}}});
  Append(R"([{"name": "x"}])");

  EXPECT_EQ(
      Refused({AddConstraint{.name = "c", .condition = "id > 0"}}),
      "table 't': 1 rows of the table do not meet constraint 'c': change or delete them first "
      "(invalid)");
  EXPECT_EQ(Refused({AddConstraint{.name = "c", .condition = "id + 1"}}),
            "table 't': constraint 'c': 'id + 1' is no condition (invalid)");
  EXPECT_EQ(Refused({DropConstraint{"c"}}), "table 't': there is no constraint 'c' (invalid)");
  const auto snapshot = Alter({AddConstraint{.name = "C", .condition = "id is null or id > 0"}});
  EXPECT_EQ(snapshot->properties().at("delta.constraints.c"), "id is null or id > 0");
  EXPECT_TRUE(Has(snapshot->writer_features(), "checkConstraints"));
}

TEST_F(AlterTableTest, MovesAndComments) {
  CreateSimple();
  Append(R"([{"id": 1, "name": "a"}])");
  Alter({MoveColumn{.path = {"name"}, .place = {.where = ColumnPlace::Where::kFirst}},
         MoveColumn{.path = {"place", "city"}, .place = {.where = ColumnPlace::Where::kLast}},
         CommentColumn{.path = {"place", "zip"}, .comment = "code"}});
  const auto snapshot = *table_.Load();
  EXPECT_EQ(snapshot->schema()->field_names(), (std::vector<std::string>{"name", "id", "place"}));
  EXPECT_EQ(snapshot->schema()->field(2)->type()->field(0)->name(), "zip");
  EXPECT_EQ(Read(), Rows{"a 1 null"});
  EXPECT_EQ(snapshot->version(), 2);
  Alter({CommentColumn{.path = {"name"}, .comment = ""}});  // It has none.
  EXPECT_EQ((*table_.Load())->version(), 2);
}

TEST_F(AlterTableTest, TracksRowsAfterNumberingThem) {
  CreateSimple();
  Append(R"([{"id": 1}, {"id": 2}])");
  Append(R"([{"id": 3}])");
  const Changes changes = {SetProperties{{{"delta.enableRowTracking", "true"}}}};
  const auto plan = PlanAlter(table_, nullptr, changes);
  ASSERT_TRUE(plan.ok());
  EXPECT_EQ(plan->files_to_number, 2);
  EXPECT_EQ(plan->new_features, (std::vector<std::string>{"rowTracking", "domainMetadata"}));
  const auto snapshot = Alter(changes);
  EXPECT_EQ(snapshot->version(), 5);  // The feature, the ids, and the property.
  EXPECT_EQ(Read(true), (Rows{"1 null null 0 4", "2 null null 1 4", "3 null null 2 4"}));
  Append(R"([{"id": 4}])");
  EXPECT_EQ(Read(true).back(), "4 null null 3 6");
  const auto history = ReadHistory(table_, 4);
  ASSERT_TRUE(history.ok());
  EXPECT_EQ((*history)[2].operation, "ROW TRACKING BACKFILL");
}

TEST_F(AlterTableTest, BeginsCommitTimesLaterThanAllBefore) {
  CreateSimple();
  Append(R"([{"id": 1}])");
  Alter({SetProperties{{{"delta.enableInCommitTimestamps", "true"}}}});
  Append(R"([{"id": 2}])");
  const auto snapshot = *table_.Load();
  EXPECT_EQ(snapshot->properties().at("delta.inCommitTimestampEnablementVersion"), "2");
  const auto history = ReadHistory(table_, 10);
  ASSERT_TRUE(history.ok());
  ASSERT_EQ(history->size(), 4U);
  for (size_t i = 1; i < history->size(); ++i) {
    EXPECT_GT((*history)[i - 1].timestamp_ms, (*history)[i].timestamp_ms);
  }
  EXPECT_EQ(snapshot->properties().at("delta.inCommitTimestampEnablementTimestamp"),
            std::to_string((*history)[1].timestamp_ms));
  Alter({UnsetProperties{{"delta.enableInCommitTimestamps"}}});
  EXPECT_FALSE((*table_.Load())->properties().contains("delta.inCommitTimestampEnablementVersion"));
  Append(R"([{"id": 3}])");
}

TEST_F(AlterTableTest, SaysFirstWhatItMeans) {
  CreateSimple();
  const auto plan_of = [&](const std::string& name, const std::string& value) {
    auto plan = PlanAlter(table_, nullptr, Changes{SetProperties{{{name, value}}}});
    EXPECT_TRUE(plan.ok()) << plan.error().ToString();
    return *plan;
  };
  const auto locked = [](const AlterPlan& plan, std::string_view engine) -> std::string {
    for (const LockedOut& one : plan.locked_out) {
      if (one.engine.starts_with(engine)) return one.reading ? "reading" : "writing";
    }
    return "nothing";
  };
  const AlterPlan widening = plan_of("delta.enableTypeWidening", "true");
  EXPECT_EQ(widening.reader_version, 3);
  EXPECT_EQ(widening.writer_version, 7);
  EXPECT_EQ(locked(widening, "delta-rs"), "reading");
  EXPECT_EQ(locked(widening, "Trino"), "writing");
  EXPECT_EQ(locked(widening, "Spark"), "nothing");
  const AlterPlan feed = plan_of("delta.enableChangeDataFeed", "true");
  EXPECT_EQ(feed.reader_version, 1);
  EXPECT_EQ(locked(feed, "delta-rs"), "nothing");
  EXPECT_EQ(locked(feed, "ClickHouse"), "writing");
  EXPECT_TRUE(plan_of("delta.appendOnly", "true").new_features.empty());
  EXPECT_TRUE(plan_of("delta.checkpointPolicy", "v2").changes_anything);
  EXPECT_EQ((*table_.Load())->version(), 0);

  EXPECT_EQ(Refused({SetProperties{{{"delta.isolationLevel", "none"}}}}),
            "table 't': property 'delta.isolationLevel' must be Serializable (invalid)");
  EXPECT_EQ(Refused({SetProperties{{{"delta.constraints.x", "id > 0"}}}}),
            "table 't': 'delta.constraints.x' is a constraint: it is added as such, so that rows "
            "are checked (invalid)");
  EXPECT_EQ(Refused({SetProperties{{{"delta.feature.variantType", "supported"}}}}),
            "table 't': the feature 'variantType' is not supported (unsupported)");
  EXPECT_EQ(Refused({UnsetProperties{{"mine"}}}),
            "table 't': there is no property 'mine' (invalid)");
}

TEST_F(AlterTableTest, TransactionsOfLandingsCannotBeMadeToExpire) {
  CreateSimple();
  const SetProperties expire{{{"delta.setTransactionRetentionDuration", "interval 1 days"}}};
  EXPECT_EQ(Refused({expire}), "done") << "nothing has landed in it";
  Alter({UnsetProperties{{"delta.setTransactionRetentionDuration"}}});
  AppendOptions options;
  options.transactions = {{.app_id = "sluice/j/1-1", .version = 3}};
  ASSERT_TRUE(table_.Append(nullptr, {}, options).ok());
  EXPECT_EQ(
      Refused({expire}),
      "table 't': property 'delta.setTransactionRetentionDuration' cannot be set where events "
      "land: engines would forget by it what has landed (invalid)");
}

TEST_F(AlterTableTest, TurnsFeaturesOnForRowsToCome) {
  CreateSimple();
  Append(R"([{"id": 1}, {"id": 2}])");
  Alter({SetProperties{{{"delta.enableDeletionVectors", "true"},
                        {"delta.enableChangeDataFeed", "true"},
                        {"delta.checkpointPolicy", "v2"},
                        {"mine", "kept"}}}});
  const auto report = DeleteRows(table_, *Expression::Parse("id = 1"));
  ASSERT_TRUE(report.ok());
  EXPECT_EQ(report->files_marked, 1);
  const auto snapshot = *table_.Load();
  ASSERT_TRUE(table_.WriteCheckpoint(*snapshot).ok());
  EXPECT_EQ(Read(), Rows{"2 null null"});
  EXPECT_EQ(snapshot->properties().at("mine"), "kept");
}

TEST_F(AlterTableTest, ClustersByColumnsWithStatistics) {
  CreateSimple({.properties = {{"delta.columnMapping.mode", "name"}}});
  const auto snapshot = Alter({ClusterBy{{{"ID"}, {"name"}}}});
  EXPECT_TRUE(Has(snapshot->writer_features(), "clustering"));
  EXPECT_EQ(Refused({DropColumn{{"id"}}}),
            "table 't': column 'id' cannot be dropped: the table is clustered by it (invalid)");
  EXPECT_EQ(Refused({ClusterBy{{{"id"}, {"id"}}}}),
            "table 't': column 'id' clusters the table twice (invalid)");
  EXPECT_EQ(Refused({ClusterBy{{{"place"}}}}),
            "table 't': column 'place' has no order by which a table could be clustered (invalid)");
  const Version version = snapshot->version();
  Alter({ClusterBy{{{"id"}, {"name"}}}});
  EXPECT_EQ((*table_.Load())->version(), version);  // As it is.
  Alter({ClusterBy{{}}, DropColumn{{"id"}}});
  Append(R"([{"name": "a"}])");
}

TEST_F(AlterTableTest, LosesAgainstOthersThatChangeTheTable) {
  CreateSimple();
  const auto base = *table_.Load();
  Alter({SetProperties{{{"mine", "1"}}}});
  const Changes comment = {CommentColumn{.path = {"id"}, .comment = "x"}};
  const auto lost = AlterTable(table_, base, comment);
  ASSERT_FALSE(lost.ok());
  EXPECT_EQ(lost.error().ToString(),
            "table 't': the table's metadata was changed by another writer: look again (conflict)");

  // Rows are no obstacle, but those that come in between are checked like all others.
  const auto before = *table_.Load();
  Append(R"([{"id": 1}])");
  EXPECT_TRUE(AlterTable(table_, before, comment).ok());
  const auto checked = *table_.Load();
  Append(R"([{"id": null}])");
  const auto broken = AlterTable(table_, checked, Changes{SetNotNull{{"id"}}});
  ASSERT_FALSE(broken.ok());
  EXPECT_EQ(broken.error().code(), ErrorCode::kInvalid);

  // An append that was begun before does not know of the new constraint.
  const auto old = *table_.Load();
  Alter({AddConstraint{.name = "c", .condition = "id is null or id > 0"}});
  const auto rows = arrow::RecordBatch::MakeEmpty(old->schema()).ValueOrDie();
  AppendOptions options;
  options.transactions = {{.app_id = "a", .version = 1}};
  const auto late = table_.Append(old, {}, options);
  ASSERT_FALSE(late.ok());
  EXPECT_EQ(late.error().code(), ErrorCode::kConflict);
}

}  // namespace
}  // namespace sluice::lake
