// What tables of other engines ask of new rows: constraints, generated and identity columns,
// defaults, column mapping, row ids, in-commit timestamps; and the feed of changes.

#include <arrow/api.h>
#include <arrow/json/from_string.h>
#include <gtest/gtest.h>

#include <set>

#include "sluice/base/json.h"
#include "sluice/lake/change_feed.h"
#include "sluice/lake/check_table.h"
#include "sluice/lake/history.h"
#include "sluice/lake/internal/table_state.h"
#include "sluice/lake/scan.h"
#include "sluice/store/memory_store.h"

namespace sluice::lake {
namespace {

struct Field {
  std::string name;
  std::string type;
  std::string metadata = {};
  bool nullable = true;
};

class AppendRulesTest : public testing::Test {
 protected:
  // Makes a table as another engine would.
  void Make(const std::vector<Field>& fields, const std::string& configuration = "",
            const std::string& features = R"("appendOnly")",
            const std::string& partition_columns = "") {
    std::string schema = R"({"type":"struct","fields":[)";
    for (const Field& field : fields) {
      if (!schema.ends_with('[')) schema += ',';
      schema += fmt::format(R"({{"name":"{}","type":"{}","nullable":{},"metadata":{{{}}}}})",
                            field.name, field.type, field.nullable, field.metadata);
    }
    schema += "]}";
    std::string text;
    AppendJsonString(text, schema);
    const std::string commit = fmt::format(
        "{{\"commitInfo\":{{\"timestamp\":1,\"operation\":\"CREATE TABLE\",\"inCommitTimestamp\":"
        "5000}}}}\n{{\"protocol\":{{\"minReaderVersion\":3,\"minWriterVersion\":7,"
        "\"readerFeatures\":[],\"writerFeatures\":[{}]}}}}\n{{\"metaData\":{{\"id\":\"m\","
        "\"format\":{{\"provider\":\"parquet\",\"options\":{{}}}},\"schemaString\":{},"
        "\"partitionColumns\":[{}],\"configuration\":{{{}}}}}}}\n",
        features, text, partition_columns, configuration);
    ASSERT_TRUE(memory_.PutIfAbsent("t/_delta_log/00000000000000000000.json", commit).ok());
  }

  static columnar::Batch Rows(const arrow::FieldVector& fields, const std::string& json) {
    const auto array = arrow::json::ArrayFromJSONString(arrow::struct_(fields), json);
    return *arrow::RecordBatch::FromStructArray(array.ValueOrDie());
  }

  std::string Append(const columnar::Batch& rows, const PartitionValues& partition = {}) {
    const auto appended = table_.Append(
        nullptr, std::vector<NewFile>{{.partition_values = partition, .batches = {rows}}});
    return appended.ok() ? "ok" : appended.error().ToString();
  }

  std::string ReadAll(ScanOptions options = {}) {
    const auto scan = Scan::Open(table_, *table_.Load(), std::move(options));
    if (!scan.ok()) return scan.error().ToString();
    return Drain([&] { return (*scan)->Next(); });
  }

  template <typename Next>
  static std::string Drain(Next next) {
    std::string out;
    while (true) {
      const Result<columnar::Batch> batch = next();
      if (!batch.ok()) return batch.error().ToString();
      if (*batch == nullptr) return out;
      for (int64_t row = 0; row < (*batch)->num_rows(); ++row) {
        for (int i = 0; i < (*batch)->num_columns(); ++i) {
          out += (i == 0 ? "" : " ") + (*(*batch)->column(i)->GetScalar(row))->ToString();
        }
        out += "; ";
      }
    }
  }

  std::string Commit(Version version) {
    return *memory_.Get(fmt::format("t/_delta_log/{:020}.json", version));
  }

  store::MemoryStore memory_;
  os::SimulatedClock clock_{os::Timestamp(std::chrono::milliseconds(1000))};
  os::SimulatedRandom random_{1};
  DeltaTable table_{memory_, "t", clock_, random_};
  const std::shared_ptr<arrow::Field> a_ = arrow::field("a", arrow::int64());
  const std::shared_ptr<arrow::Field> b_ = arrow::field("b", arrow::int64());
};

TEST_F(AppendRulesTest, KeepsConstraintsAndInvariants) {
  Make({{"a", "long", R"("delta.invariants":"{\"expression\":{\"expression\":\"a < 100\"}}")"},
        {"b", "long"}},
       R"("delta.constraints.positive":"b > 0")", R"("checkConstraints","invariants")");
  EXPECT_EQ(Append(Rows({a_, b_}, R"([{"a": 1, "b": 1}])")), "ok");
  EXPECT_EQ(Append(Rows({a_, b_}, R"([{"a": 1, "b": 0}, {"a": 1, "b": null}])")),
            "table 't': 2 rows break the constraint 'positive' (b > 0) (invalid)");
  EXPECT_EQ(Append(Rows({a_, b_}, R"([{"a": 100, "b": 1}])")),
            "table 't': 1 rows break the constraint 'a' (a < 100) (invalid)");
  EXPECT_EQ(ReadAll(), "1 1; ");
}

TEST_F(AppendRulesTest, RefusesWhatItCannotEvaluate) {
  Make({{"a", "long"}}, R"x("delta.constraints.odd":"my_function(a)")x", R"("checkConstraints")");
  EXPECT_EQ(Append(Rows({a_}, R"([{"a": 1}])")),
            "table 't': the table uses the writer feature 'checkConstraints' (odd): function "
            "'my_function' with 1 arguments is not known (unsupported)");
  EXPECT_EQ((*table_.Load())->version(), 0);
}

TEST_F(AppendRulesTest, ComputesGeneratedColumnsAndDefaults) {
  Make({{"a", "long"},
        {"b", "long", R"("delta.generationExpression":"a * 2")"},
        {"c", "string", R"("CURRENT_DEFAULT":"'none'")"}},
       "", R"("generatedColumns","allowColumnDefaults")");
  EXPECT_EQ(Append(Rows({a_}, R"([{"a": 4}])")), "ok");
  EXPECT_EQ(Append(Rows({a_, b_}, R"([{"a": 5, "b": 10}, {"a": null, "b": null}])")), "ok");
  EXPECT_EQ(Append(Rows({a_, b_}, R"([{"a": 5, "b": 11}])")),
            "table 't': column 'b' is generated as a * 2, but other values were given (invalid)");
  EXPECT_EQ(ReadAll(), "4 8 none; 5 10 none; null null none; ");
}

TEST_F(AppendRulesTest, GivesOutIdentities) {
  Make(
      {{"a", "long"},
       {"b", "long",
        R"("delta.identity.start":10,"delta.identity.step":5,"delta.identity.allowExplicitInsert":false)"}},
      "", R"("identityColumns")");
  EXPECT_EQ(Append(Rows({a_}, R"([{"a": 1}, {"a": 2}])")), "ok");
  EXPECT_EQ(Append(Rows({a_}, R"([{"a": 3}])")), "ok");
  EXPECT_EQ(ReadAll(), "1 10; 2 15; 3 20; ");
  EXPECT_NE(Commit(2).find(R"(\"delta.identity.highWaterMark\":20)"), std::string::npos);
  EXPECT_EQ(Append(Rows({a_, b_}, R"([{"a": 3, "b": 1}])")),
            "table 't': column 'b' is GENERATED ALWAYS AS IDENTITY: it cannot be given (invalid)");
}

TEST_F(AppendRulesTest, WritesUnderPhysicalNames) {
  Make({{"a", "long", R"("delta.columnMapping.id":1,"delta.columnMapping.physicalName":"col-x")"},
        {"b", "long", R"("delta.columnMapping.id":2,"delta.columnMapping.physicalName":"col-y")"}},
       R"("delta.columnMapping.mode":"id","delta.columnMapping.maxColumnId":"2")",
       R"("columnMapping")", R"("b")");
  EXPECT_EQ(Append(Rows({a_}, R"([{"a": 4}])"), {{"b", "7"}}), "ok");
  EXPECT_EQ(ReadAll(), "4 7; ");
  const std::string commit = Commit(1);
  EXPECT_NE(commit.find(R"("partitionValues":{"col-y":"7"})"), std::string::npos) << commit;
  EXPECT_NE(commit.find(R"(\"minValues\":{\"col-x\":4})"), std::string::npos) << commit;
  EXPECT_EQ(commit.find("b=7"), std::string::npos);
  ScanOptions options{.filter = *Expression::Parse("a = 5 and b = 7")};
  const auto scan = Scan::Open(table_, *table_.Load(), options);
  EXPECT_EQ((*scan)->files_read(), 0);
}

TEST_F(AppendRulesTest, TracksRows) {
  Make({{"a", "long"}},
       R"("delta.enableRowTracking":"true","delta.enableInCommitTimestamps":"true")",
       R"("rowTracking","domainMetadata","inCommitTimestamp")");
  EXPECT_EQ(Append(Rows({a_}, R"([{"a": 1}, {"a": 2}])")), "ok");
  EXPECT_EQ(Append(Rows({a_}, R"([{"a": 3}])")), "ok");
  ScanOptions options;
  options.row_ids = true;
  EXPECT_EQ(ReadAll(options), "1 0 1; 2 1 1; 3 2 2; ");
  // The clock stands at 1000, behind the table's own time.
  EXPECT_NE(Commit(1).find(R"({"commitInfo":{"inCommitTimestamp":5001)"), std::string::npos);
  EXPECT_NE(Commit(2).find(R"("inCommitTimestamp":5002)"), std::string::npos);
  EXPECT_EQ(*VersionAt(table_, 5001), 1);
  EXPECT_EQ(*VersionAt(table_, 99'999), 2);
  EXPECT_EQ(VersionAt(table_, 4999).error().code(), ErrorCode::kNotFound);
  const auto history = ReadHistory(table_, 2);
  ASSERT_TRUE(history.ok());
  ASSERT_EQ(history->size(), 2U);
  EXPECT_EQ((*history)[0].operation, "WRITE");
  EXPECT_EQ((*history)[1].timestamp_ms, 5001);
}

TEST_F(AppendRulesTest, HoldForTablesOfOurOwn) {
  const auto created =
      table_.Create(arrow::schema({a_}), {.properties = {{"delta.enableRowTracking", "true"},
                                                         {"delta.enableInCommitTimestamps", "true"},
                                                         {"delta.enableDeletionVectors", "true"},
                                                         {"delta.enableChangeDataFeed", "true"},
                                                         {"delta.constraints.small", "a < 10"}}});
  ASSERT_TRUE(created.ok()) << created.error().ToString();
  EXPECT_EQ((*created)->reader_features(), std::vector<std::string>{"deletionVectors"});
  EXPECT_EQ(Append(Rows({a_}, R"([{"a": 1}])")), "ok");
  EXPECT_NE(Append(Rows({a_}, R"([{"a": 10}])")), "ok");
  ScanOptions options;
  options.row_ids = true;
  EXPECT_EQ(ReadAll(options), "1 0 1; ");
  EXPECT_EQ(*VersionAt(table_, 1001), 1);
  DeltaTable other(memory_, "other", clock_, random_);
  EXPECT_EQ(other.Create(arrow::schema({a_}), {.properties = {{"delta.constraints.c", "b < 1"}}})
                .error()
                .code(),
            ErrorCode::kInvalid);
}

TEST_F(AppendRulesTest, FeedsChanges) {
  Make({{"a", "long"}}, R"("delta.enableChangeDataFeed":"true")", R"("changeDataFeed")");
  EXPECT_EQ(Append(Rows({a_}, R"([{"a": 1}, {"a": 2}])")), "ok");
  const DataFile file = (*table_.Load())->files()[0];
  ASSERT_TRUE(memory_
                  .PutIfAbsent("t/_delta_log/00000000000000000002.json",
                               fmt::format("{{\"remove\":{{\"path\":\"{}\",\"dataChange\":true,"
                                           "\"deletionTimestamp\":1,\"size\":{}}}}}\n",
                                           file.path, file.size))
                  .ok());
  const auto feed = ChangeFeed::Open(table_, {.from = 1});
  ASSERT_TRUE(feed.ok()) << feed.error().ToString();
  EXPECT_EQ(
      (*feed)->schema()->field_names(),
      (std::vector<std::string>{"a", "_change_type", "_commit_version", "_commit_timestamp"}));
  const std::string changes = Drain([&] { return (*feed)->Next(); });
  EXPECT_EQ(changes.substr(0, 11), "1 insert 1 ");
  EXPECT_NE(changes.find("2 delete 2 "), std::string::npos);
  EXPECT_EQ(ChangeFeed::Open(table_, {.from = 5}).error().code(), ErrorCode::kInvalid);
}

TEST_F(AppendRulesTest, FindsFilesThatAreNotWhatTheLogSays) {
  Make({{"a", "long"}});
  EXPECT_EQ(Append(Rows({a_}, R"([{"a": 1}])")), "ok");
  EXPECT_EQ(Append(Rows({a_}, R"([{"a": 2}, {"a": 3}])")), "ok");
  const auto snapshot = *table_.Load();
  const auto whole = CheckTable(table_, snapshot);
  ASSERT_TRUE(whole.ok());
  EXPECT_TRUE(whole->faults.empty());
  EXPECT_EQ(whole->rows, 3);
  EXPECT_EQ(whole->checksums, 0);
  ASSERT_TRUE(table_.WriteCheckpoint(*snapshot).ok());
  const auto summed = CheckTable(table_, snapshot);
  ASSERT_TRUE(summed.ok());
  EXPECT_TRUE(summed->faults.empty()) << summed->faults[0].what;
  EXPECT_EQ(summed->checksums, 1);
  // One file in the place of the other, one gone.
  const std::string first = table_.StorePath(snapshot->files()[0]);
  const std::string second = table_.StorePath(snapshot->files()[1]);
  ASSERT_TRUE(memory_.Put(first, *memory_.Get(second)).ok());
  ASSERT_TRUE(memory_.Delete(second).ok());
  const auto broken = CheckTable(table_, snapshot);
  ASSERT_TRUE(broken.ok());
  std::set<std::string> faults;
  for (const TableFault& fault : broken->faults) faults.insert(fault.what);
  EXPECT_TRUE(faults.contains("it has 2 rows, the statistics say 1"));
  EXPECT_TRUE(faults.contains("column 'a' has a value above its maximum"));
  EXPECT_TRUE(faults.contains("it is not there"));
}

}  // namespace
}  // namespace sluice::lake
