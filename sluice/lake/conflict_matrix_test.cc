// What other writers do between our snapshot and our commit, case by case, and what must come of
// it: the conflict rules of Delta for writers that only add (their commits read nothing), and for
// those that add columns. Each foreign commit is a file of the log, as other engines write it.

#include <arrow/api.h>
#include <gtest/gtest.h>

#include "sluice/base/json.h"
#include "sluice/lake/delta_table.h"
#include "sluice/store/memory_store.h"

namespace sluice::lake {
namespace {

constexpr std::string_view kFields =
    R"({"name":"id","type":"long","nullable":true,"metadata":{}},)"
    R"({"name":"day","type":"date","nullable":true,"metadata":{}})";

/// A metaData line; `fields`, `partition` and `configuration` are JSON without their brackets.
std::string MetaData(std::string_view fields = kFields, std::string_view configuration = "",
                     std::string_view partition = R"("day")", std::string_view id = "m",
                     std::string_view description = "") {
  std::string schema;
  AppendJsonString(schema, fmt::format(R"({{"type":"struct","fields":[{}]}})", fields));
  return fmt::format(
      R"({{"metaData":{{"id":"{}",{}"format":{{"provider":"parquet","options":{{}}}},)"
      R"("schemaString":{},"partitionColumns":[{}],"configuration":{{{}}}}}}})"
      "\n",
      id, description.empty() ? std::string() : fmt::format(R"("description":"{}",)", description),
      schema, partition, configuration);
}

std::string Protocol(std::string_view writer_features, std::string_view reader_features = "") {
  return fmt::format(
      R"({{"protocol":{{"minReaderVersion":3,"minWriterVersion":7,"readerFeatures":[{}],)"
      R"("writerFeatures":[{}]}}}})"
      "\n",
      reader_features, writer_features);
}

std::string Txn(std::string_view app, int64_t version) {
  return fmt::format(R"({{"txn":{{"appId":"{}","version":{},"lastUpdated":1}}}})"
                     "\n",
                     app, version);
}

std::string AddLine(std::string_view path, std::string_view more = "",
                    std::string_view data_change = "true") {
  return fmt::format(R"({{"add":{{"path":"{}","partitionValues":{{"day":"2026-01-01"}},"size":9,)"
                     R"("modificationTime":1,"dataChange":{},"stats":"{{\"numRecords\":1}}"{}}}}})"
                     "\n",
                     path, data_change, more);
}

std::string RemoveLine(std::string_view path, std::string_view data_change = "true") {
  return fmt::format(
      R"({{"remove":{{"path":"{}","deletionTimestamp":1,"dataChange":{},)"
      R"("extendedFileMetadata":true,"partitionValues":{{"day":"2026-01-01"}},"size":9}}}})"
      "\n",
      path, data_change);
}

constexpr std::string_view kVector =
    R"(,"deletionVector":{"storageType":"u","pathOrInlineDv":"ab^-aqEH.-t@S}K{vb[*k^",)"
    R"("offset":1,"sizeInBytes":36,"cardinality":1})";

std::string Field(std::string_view name, std::string_view type, std::string_view metadata = "",
                  bool nullable = true) {
  return fmt::format(R"({{"name":"{}","type":"{}","nullable":{},"metadata":{{{}}}}})", name, type,
                     nullable, metadata);
}

std::string Fields(const std::vector<std::string>& more) {
  std::string fields(kFields);
  for (const std::string& field : more) fields += "," + field;
  return fields;
}

struct Case {
  std::string name;
  std::string foreign;   // The commit that gets there first.
  std::string expected;  // Of our append: "ok", or the error.
};

// The table has the features named in Make(), two files `old-1` and `old-2`, and application `app`
// at 5.
std::vector<Case> AppendCases() {
  const std::string features = R"("appendOnly","invariants")";
  const auto changed = [](std::string_view column) {
    return fmt::format("table 't': column '{}' was changed by another writer (conflict)", column);
  };
  return {
      // Rows.
      {"nothing but commitInfo",
       R"({"commitInfo":{"operation":"OPTIMIZE"}})"
       "\n",
       "ok"},
      {"blind append", AddLine("new"), "ok"},
      {"delete of a file", RemoveLine("old-1"), "ok"},
      {"delete of all files", RemoveLine("old-1") + RemoveLine("old-2"), "ok"},
      {"update by rewriting a file", RemoveLine("old-1") + AddLine("new"), "ok"},
      {"overwrite", RemoveLine("old-1") + RemoveLine("old-2") + AddLine("new"), "ok"},
      {"delete by deletion vector",
       Protocol(features + R"(,"deletionVectors")", R"("deletionVectors")") + RemoveLine("old-1") +
           AddLine("old-1", kVector),
       "ok"},
      {"optimise",
       RemoveLine("old-1", "false") + RemoveLine("old-2", "false") + AddLine("new", "", "false"),
       "ok"},
      {"restore", RemoveLine("old-2") + AddLine("older"), "ok"},
      {"files of changes",
       AddLine("new") +
           R"({"cdc":{"path":"_change_data/c","partitionValues":{"day":null},"size":1,"dataChange":false}})"
           "\n",
       "ok"},
      // Applications.
      {"another application", Txn("other", 1), "ok"},
      {"our application, further", Txn("app", 6),
       "table 't': application 'app' was moved by another writer (conflict)"},
      {"our application, to where we go", Txn("app", 9),
       "table 't': application 'app' was moved by another writer (conflict)"},
      {"our application, back", Txn("app", 4),
       "table 't': application 'app' was moved by another writer (conflict)"},
      // Protocol.
      {"a feature of readers that needs nothing of an append",
       Protocol(features + R"(,"v2Checkpoint")", R"("v2Checkpoint")"), "ok"},
      {"a feature of writers that needs nothing of an append",
       Protocol(features + R"(,"changeDataFeed")"), "ok"},
      {"a feature less", Protocol(R"("appendOnly")"), "ok"},
      {"a feature of writers that nobody knows", Protocol(features + R"(,"moonPhases")"),
       "table 't': the table needs the writer feature 'moonPhases', which is not supported "
       "(unsupported)"},
      {"a feature of readers that nobody knows",
       Protocol(features + R"(,"moonPhases")", R"("moonPhases")"),
       "table 't': after losing the race for version 2: the table needs the reader "
       "feature 'moonPhases', which is not supported (unsupported)"},
      {"a protocol of the future",
       R"({"protocol":{"minReaderVersion":9,"minWriterVersion":9}})"
       "\n",
       "table 't': after losing the race for version 2: the table needs reader version 9, at most "
       "3 is supported (unsupported)"},
      {"a catalog that decides from now on",
       Protocol(features + R"(,"catalogManaged","inCommitTimestamp")", R"("catalogManaged")"),
       "table 't': after losing the race for version 2: the table needs the reader "
       "feature 'catalogManaged', which is not supported (unsupported)"},
      // Metadata.
      {"another description", MetaData(kFields, "", R"("day")", "m", "better"), "ok"},
      {"a property that asks nothing of rows",
       MetaData(kFields, R"("delta.logRetentionDuration":"interval 1 days")"), "ok"},
      {"append-only from now on", MetaData(kFields, R"("delta.appendOnly":"true")"), "ok"},
      {"the change feed from now on",
       Protocol(features + R"(,"changeDataFeed")") +
           MetaData(kFields, R"("delta.enableChangeDataFeed":"true")"),
       "ok"},
      {"one more column", MetaData(Fields({Field("more", "string")})), "ok"},
      {"one more column that must not be null",
       MetaData(Fields({Field("more", "string", "", false)})), changed("more")},
      {"one more column with a default",
       Protocol(features + R"(,"allowColumnDefaults")") +
           MetaData(Fields({Field("more", "string", R"("CURRENT_DEFAULT":"'x'")")})),
       changed("more")},
      {"one more column that is generated",
       Protocol(features + R"(,"generatedColumns")") +
           MetaData(Fields({Field("more", "long", R"("delta.generationExpression":"id + 1")")})),
       changed("more")},
      {"one more column of identities",
       Protocol(features + R"(,"identityColumns")") +
           MetaData(Fields(
               {Field("more", "long", R"("delta.identity.start":1,"delta.identity.step":1)")})),
       changed("more")},
      {"an invariant",
       MetaData(Field("id", "long",
                      R"("delta.invariants":"{\"expression\":{\"expression\":\"id > 1\"}}")") +
                "," + Field("day", "date")),
       changed("id")},
      {"a column must not be null any more",
       MetaData(Field("id", "long", "", false) + "," + Field("day", "date")), changed("id")},
      {"a column has another type", MetaData(Field("id", "string") + "," + Field("day", "date")),
       changed("id")},
      {"a widened column",
       Protocol(features + R"(,"typeWidening")", R"("typeWidening")") +
           MetaData(Field("id", "decimal(20,0)") + "," + Field("day", "date")),
       changed("id")},
      {"a comment on a column",
       MetaData(Field("id", "long", R"("comment":"the id")") + "," + Field("day", "date")),
       changed("id")},
      {"a column is gone", MetaData(Field("day", "date") + "," + Field("other", "long")),
       "table 't': column 'id' was dropped by another writer (conflict)"},
      {"a constraint",
       Protocol(features + R"(,"checkConstraints")") +
           MetaData(kFields, R"("delta.constraints.c":"id > 0")"),
       "table 't': the table's constraints were changed by another writer (conflict)"},
      {"columns are mapped from now on",
       Protocol(features + R"(,"columnMapping")", R"("columnMapping")") +
           MetaData(kFields, R"("delta.columnMapping.mode":"name")"),
       "table 't': the table's column mapping was changed by another writer (conflict)"},
      {"other partitions", MetaData(kFields, "", ""),
       "table 't': the partition columns were changed by another writer (conflict)"},
      {"another table in its place", MetaData(kFields, "", R"("day")", "n"),
       "table 't': the table was replaced by another one while we wrote (conflict)"},
      {"Iceberg's readers are served from now on",
       Protocol(features + R"(,"icebergCompatV1","columnMapping")", R"("columnMapping")") +
           MetaData(kFields, R"("delta.enableIcebergCompatV1":"true")"),
       "table 't': the table needs the writer feature 'icebergCompatV1', which is not supported "
       "(unsupported)"},
      {"a domain of somebody's own",
       Protocol(features + R"(,"domainMetadata")") +
           R"({"domainMetadata":{"domain":"user","configuration":"{}","removed":false}})"
           "\n",
       "ok"},
      {"clustering from now on",
       Protocol(features + R"(,"domainMetadata","clustering")") +
           R"({"domainMetadata":{"domain":"delta.clustering","configuration":"{\"clusteringColumns\":[[\"id\"]]}","removed":false}})"
           "\n",
       "ok"},
  };
}

class ConflictMatrixTest : public testing::Test {
 protected:
  void Make(const std::string& protocol, const std::string& metadata) {
    Put(0, R"({"commitInfo":{"operation":"CREATE TABLE","inCommitTimestamp":5000}})"
           "\n" +
               protocol + metadata);
    base_ = nullptr;
  }
  void Clear() {
    const auto listed = store_.List("");
    for (const auto& object : *listed) ASSERT_TRUE(store_.Delete(object.path).ok());
  }
  void Put(Version version, const std::string& lines) {
    ASSERT_TRUE(store_.PutIfAbsent(fmt::format("t/_delta_log/{:020}.json", version), lines).ok());
  }
  std::string Commit(Version version) {
    const auto text = store_.Get(fmt::format("t/_delta_log/{:020}.json", version));
    return text.ok() ? *text : text.error().ToString();
  }
  /// Files of rows, wherever the log names them.
  size_t DataFiles() {
    size_t count = 0;
    const auto listed = store_.List("t/");
    for (const auto& object : *listed) count += object.path.ends_with(".parquet") ? 1U : 0U;
    return count;
  }

  std::string Append(const AppendOptions& options) {
    arrow::Int64Builder ids;
    EXPECT_TRUE(ids.Append(7).ok());
    const auto rows = arrow::RecordBatch::Make(arrow::schema({arrow::field("id", arrow::int64())}),
                                               1, {*ids.Finish()});
    const auto appended = table_.Append(
        base_,
        std::vector<NewFile>{{.partition_values = {{"day", "2026-02-02"}}, .batches = {rows}}},
        options);
    return appended.ok() ? "ok" : appended.error().ToString();
  }

  store::MemoryStore store_;
  os::SimulatedClock clock_{os::Timestamp(std::chrono::milliseconds(1000))};
  os::SimulatedRandom random_{1};
  DeltaTable table_{store_, "t", clock_, random_};
  std::shared_ptr<const Snapshot> base_;
};

TEST_F(ConflictMatrixTest, AppendsAgainstEveryForeignCommit) {
  for (const Case& row : AppendCases()) {
    SCOPED_TRACE(row.name);
    Clear();
    Make(Protocol(R"("appendOnly","invariants")"), MetaData());
    Put(1, AddLine("old-1") + AddLine("old-2") + Txn("app", 5));
    base_ = *table_.Load();
    Put(2, row.foreign);
    EXPECT_EQ(Append({.transactions = {{.app_id = "app", .version = 9}}}), row.expected);
    if (row.expected != "ok") {
      // Nothing of ours is in the log, and no file of ours is left.
      EXPECT_TRUE(Commit(3).ends_with("(not found)"));
      EXPECT_EQ(DataFiles(), 0U);
      continue;
    }
    const auto now = table_.Load();
    ASSERT_TRUE(now.ok()) << now.error().ToString();
    EXPECT_EQ((*now)->version(), 3);
    EXPECT_EQ((*now)->TransactionVersion("app"), 9);
    EXPECT_EQ(DataFiles(), 1U);
    int64_t ours = 0;
    int64_t old = 0;
    for (const DataFile& file : (*now)->files()) {
      ours += file.path.find(".parquet") != std::string::npos ? 1 : 0;
      old += file.path == "old-1" && file.deletion_vector == nullptr ? 1 : 0;
    }
    EXPECT_EQ(ours, 1);
    // What the winner removed stays removed.
    EXPECT_EQ(old, row.foreign.find(R"("remove":{"path":"old-1")") == std::string::npos ? 1 : 0);
    EXPECT_EQ(Commit(2), row.foreign);
  }
}

TEST_F(ConflictMatrixTest, ComparesAndSwapsAgainstTheSameApplication) {
  struct Swap {
    std::optional<int64_t> theirs;
    std::string expected;
    Version version;
  };
  for (const Swap& swap :
       std::vector<Swap>{{std::nullopt, "ok", 3},
                         {9, "ok", 2},   // Our rows are there already.
                         {12, "ok", 2},  // And more.
                         {7, "table 't': application 'app' is at 7, expected 5 (conflict)", 2},
                         {3, "table 't': application 'app' is at 3, expected 5 (conflict)", 2}}) {
    SCOPED_TRACE(swap.theirs.value_or(-1));
    Clear();
    Make(Protocol(R"("appendOnly","invariants")"), MetaData());
    Put(1, Txn("app", 5));
    base_ = *table_.Load();
    Put(2, swap.theirs ? Txn("app", *swap.theirs) : AddLine("new"));
    EXPECT_EQ(Append({.transactions = {{.app_id = "app", .version = 9}},
                      .expect = AppendOptions::Expectation{.app_id = "app", .expected = 5}}),
              swap.expected);
    EXPECT_EQ((*table_.Load())->version(), swap.version);
    EXPECT_EQ(DataFiles(), swap.version == 3 ? 1U : 0U);
  }
}

TEST_F(ConflictMatrixTest, RowIdsAreGivenBehindTheWinners) {
  const std::string tracked =
      R"({"domainMetadata":{"domain":"delta.rowTracking","configuration":"{\"rowIdHighWaterMark\":9}","removed":false}})"
      "\n";
  Make(Protocol(R"("rowTracking","domainMetadata")"),
       MetaData(kFields, R"("delta.enableRowTracking":"true")"));
  base_ = *table_.Load();
  Put(1, AddLine("new", R"(,"baseRowId":0,"defaultRowCommitVersion":1)") + tracked);
  ASSERT_EQ(Append({}), "ok");
  EXPECT_NE(Commit(2).find(R"("baseRowId":10,"defaultRowCommitVersion":2)"), std::string::npos)
      << Commit(2);
  EXPECT_NE(Commit(2).find(R"(\"rowIdHighWaterMark\":10)"), std::string::npos) << Commit(2);
}

TEST_F(ConflictMatrixTest, RowIdsAreGivenWhereTheWinnerBeganToTrackRows) {
  Make(Protocol(R"("appendOnly")"), MetaData());
  base_ = *table_.Load();
  Put(1, Protocol(R"("appendOnly","rowTracking","domainMetadata")"));
  ASSERT_EQ(Append({}), "ok");
  EXPECT_NE(Commit(2).find(R"("baseRowId":0)"), std::string::npos) << Commit(2);
}

TEST_F(ConflictMatrixTest, CommitTimesComeAfterTheWinners) {
  Make(Protocol(R"("inCommitTimestamp")"),
       MetaData(kFields, R"("delta.enableInCommitTimestamps":"true")"));
  base_ = *table_.Load();
  Put(1, R"({"commitInfo":{"inCommitTimestamp":900000}})"
         "\n");  // Far ahead of our clock.
  ASSERT_EQ(Append({}), "ok");
  EXPECT_NE(Commit(2).find(R"("inCommitTimestamp":900001)"), std::string::npos) << Commit(2);
}

TEST_F(ConflictMatrixTest, CommitTimesBeginWhereTheWinnerSwitchedThemOn) {
  Make(Protocol(R"("appendOnly")"), MetaData());
  base_ = *table_.Load();
  Put(1, R"({"commitInfo":{"inCommitTimestamp":7000}})"
         "\n" +
             Protocol(R"("appendOnly","inCommitTimestamp")") +
             MetaData(kFields, R"("delta.enableInCommitTimestamps":"true",)"
                               R"("delta.inCommitTimestampEnablementVersion":"1",)"
                               R"("delta.inCommitTimestampEnablementTimestamp":"7000")"));
  ASSERT_EQ(Append({}), "ok");
  EXPECT_TRUE(Commit(2).starts_with(R"({"commitInfo":{)"));
  EXPECT_NE(Commit(2).find(R"("inCommitTimestamp":7001)"), std::string::npos) << Commit(2);
}

TEST_F(ConflictMatrixTest, IdentitiesOfTheWinnerAreNotGivenTwice) {
  const auto identity = [](int64_t mark) {
    return Fields({Field("n", "long",
                         fmt::format(R"("delta.identity.start":1,"delta.identity.step":1,)"
                                     R"("delta.identity.allowExplicitInsert":false,)"
                                     R"("delta.identity.highWaterMark":{})",
                                     mark))});
  };
  Make(Protocol(R"("identityColumns")"), MetaData(identity(5)));
  base_ = *table_.Load();
  Put(1, MetaData(identity(8)) + AddLine("new"));
  EXPECT_EQ(Append({}), "table 't': column 'n' was changed by another writer (conflict)");
  base_ = *table_.Load();
  ASSERT_EQ(Append({}), "ok");
  EXPECT_NE(Commit(2).find(R"(\"delta.identity.highWaterMark\":9)"), std::string::npos)
      << Commit(2);
}

TEST_F(ConflictMatrixTest, AddedColumnsAgainstEveryForeignCommit) {
  const auto wanted =
      arrow::schema({arrow::field("id", arrow::int64()), arrow::field("more", arrow::utf8())});
  const std::string ours = R"(\"name\":\"more\",\"type\":\"string\")";
  for (const Case& row : std::vector<Case>{
           {"an append", AddLine("new"), "ok 2"},
           {"a delete", RemoveLine("old-1"), "ok 2"},
           {"another column", MetaData(Fields({Field("other", "long")})), "ok 2"},
           {"the same column", MetaData(Fields({Field("more", "string")})), "ok 1"},
           {"the same column, of another type", MetaData(Fields({Field("more", "long")})),
            "table 't': column 'more' is int64, wanted 'more' as string (conflict)"},
           {"the same column, in other letters", MetaData(Fields({Field("MORE", "string")})),
            "table 't': column 'MORE' is string, wanted 'more' as string (conflict)"},
           {"a property", MetaData(kFields, R"("delta.appendOnly":"true")"), "ok 2"},
           {"mapped columns",
            Protocol(R"("appendOnly","columnMapping")", R"("columnMapping")") +
                MetaData(kFields, R"("delta.columnMapping.mode":"name")"),
            "ok 2"},
           {"a feature that nobody knows", Protocol(R"("appendOnly","moonPhases")"),
            "table 't': the table needs the writer feature 'moonPhases', which is not supported "
            "(unsupported)"}}) {
    SCOPED_TRACE(row.name);
    Clear();
    Make(Protocol(R"("appendOnly")"), MetaData());
    base_ = *table_.Load();
    Put(1, row.foreign);
    const auto added = table_.AddColumns(base_, wanted);
    EXPECT_EQ(added.ok() ? fmt::format("ok {}", (*added)->version()) : added.error().ToString(),
              row.expected);
    if (row.expected == "ok 2") {
      EXPECT_NE(Commit(2).find(ours), std::string::npos);
      // What the winner said of the table still holds.
      for (const char* const property : {"delta.appendOnly", "delta.columnMapping.mode"}) {
        EXPECT_EQ((*added)->properties().contains(property),
                  row.foreign.find(std::string(property) + "\":\"") != std::string::npos);
      }
      EXPECT_EQ((*added)->schema()->GetFieldIndex("other") >= 0,
                row.foreign.find("other") != std::string::npos);
    }
  }
}

}  // namespace
}  // namespace sluice::lake
