#include "sluice/lake/delta_table.h"

#include <arrow/api.h>
#include <arrow/json/from_string.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <set>
#include <thread>

#include "sluice/store/faulty_store.h"
#include "sluice/store/memory_store.h"

namespace sluice::lake {
namespace {

using store::Fault;
using store::StoreCall;

const columnar::Schema kSchema =
    arrow::schema({arrow::field("id", arrow::fixed_size_binary(4)),
                   arrow::field("n", arrow::int64()), arrow::field("name", arrow::utf8()),
                   arrow::field("at", arrow::timestamp(arrow::TimeUnit::MICRO, "UTC")),
                   arrow::field("country", arrow::utf8())});

columnar::Batch Rows(const std::string& json = R"([
    {"id": "abcd", "n": 1, "name": "one", "at": 1700000000000001},
    {"id": "efgh", "n": null, "name": "two", "at": null}])") {
  const auto type =
      arrow::struct_({kSchema->field(0), kSchema->field(1), kSchema->field(2), kSchema->field(3)});
  const auto rows = arrow::json::ArrayFromJSONString(type, json).ValueOrDie();
  return arrow::RecordBatch::FromStructArray(rows).ValueOrDie();
}

NewFile File(std::optional<std::string> country = "NL") {
  return {.partition_values = {{"country", std::move(country)}}, .batches = {Rows()}};
}

class DeltaTableTest : public testing::Test {
 protected:
  std::shared_ptr<const Snapshot> MustCreate(const CreateOptions& options = {
                                                 .partition_columns = {"country"}}) {
    const auto created = table_.Create(kSchema, options);
    EXPECT_TRUE(created.ok()) << created.error().ToString();
    return *created;
  }
  std::string Log(Version version) {
    return *memory_.Get(fmt::format("t/_delta_log/{:020}.json", version));
  }
  Status PutLog(Version version, std::string_view lines) {
    return memory_.PutIfAbsent(fmt::format("t/_delta_log/{:020}.json", version), lines);
  }
  size_t DataFiles() {
    size_t count = 0;
    const auto objects = memory_.List("t/");
    for (const auto& object : *objects) count += object.path.ends_with(".parquet");
    return count;
  }

  store::MemoryStore memory_;
  store::FaultyStore store_{memory_};
  os::SimulatedClock clock_{os::Timestamp(std::chrono::seconds(1'700'000'000))};
  os::SimulatedRandom random_{1};
  DeltaTable table_{store_, "t", clock_, random_};
};

TEST_F(DeltaTableTest, IsNotThereBeforeItIsCreated) {
  EXPECT_EQ(table_.Load().error().ToString(), "table 't': there is no table (not found)");
  const auto created = MustCreate();
  EXPECT_EQ(created->version(), 0);
  EXPECT_EQ(created->schema()->field(0)->type()->id(), arrow::Type::BINARY);
  EXPECT_EQ(created->partition_columns(), std::vector<std::string>{"country"});
  EXPECT_EQ(table_.Create(kSchema).error().ToString(),
            "table 't': there is a table already (conflict)");
  EXPECT_EQ((*table_.Load())->table_id(), created->table_id());
}

TEST_F(DeltaTableTest, AppendsFilesThatItsLogDescribes) {
  const auto created = MustCreate();
  const std::vector<NewFile> files = {File("US/East é"), File(std::nullopt)};
  const auto appended = table_.Append(
      created, files,
      {.transactions = {{.app_id = "app", .version = 7}}, .parquet = {.random_columns = {"id"}}});
  ASSERT_TRUE(appended.ok()) << appended.error().ToString();
  EXPECT_EQ((*appended)->version(), 1);
  EXPECT_EQ((*appended)->TransactionVersion("app"), 7);

  const auto loaded = *table_.Load();
  ASSERT_EQ(loaded->files().size(), 2U);
  const DataFile& file = loaded->files()[0];
  EXPECT_TRUE(file.path.starts_with("country=US%252FEast%20%25C3%25A9/part-")) << file.path;
  EXPECT_EQ(file.partition_values.at("country"), "US/East é");
  EXPECT_EQ(file.rows, 2);
  EXPECT_EQ(file.stats,
            R"({"numRecords":2,"minValues":{"n":1,"name":"one",)"
            R"("at":"2023-11-14T22:13:20.000001Z"},"maxValues":{"n":1,"name":"two",)"
            R"("at":"2023-11-14T22:13:20.000001Z"},"nullCount":{"n":1,"name":0,"at":1}})");
  EXPECT_EQ(loaded->files()[1].partition_values.at("country"), std::nullopt);
  EXPECT_TRUE(table_.StorePath(loaded->files()[1])
                  .starts_with("t/country=__HIVE_DEFAULT_PARTITION__/part-"));

  const std::string path = table_.StorePath(file);
  EXPECT_TRUE(path.starts_with("t/country=US%2FEast %C3%A9/part-")) << path;
  const std::string bytes = *memory_.Get(path);
  EXPECT_EQ(static_cast<int64_t>(bytes.size()), file.size);
  const auto rows = *columnar::Concatenate(*columnar::ReadParquet(bytes));
  EXPECT_EQ(rows->schema()->field_names(), (std::vector<std::string>{"id", "n", "name", "at"}));
  EXPECT_EQ(rows->num_rows(), 2);
}

TEST_F(DeltaTableTest, WritesOnlyWhatFitsTheTable) {
  const auto created = MustCreate();
  const auto code = [&](const NewFile& file) {
    return table_.Append(created, std::vector{file}).error().ToString();
  };
  EXPECT_EQ(
      code({.batches = {Rows()}}),
      "table 't': a file has 0 partition values, but the table 1 partition columns (invalid)");
  EXPECT_EQ(code({.partition_values = {{"n", "1"}}, .batches = {Rows()}}),
            "table 't': a file has no value of the partition column 'country' (invalid)");
  NewFile other = File();
  other.batches[0] = *other.batches[0]->RenameColumns({"id", "name", "n", "at"});
  EXPECT_EQ(code(other), "table 't': column 'n' is string, but int64 in the table (invalid)");
  other.batches[0] = *other.batches[0]->RenameColumns({"id", "x", "n", "at"});
  EXPECT_EQ(code(other), "table 't': the table has no column 'x' (invalid)");
  EXPECT_EQ(DataFiles(), 0U);

  const auto strict =
      arrow::schema({arrow::field("a", arrow::int32(), false), arrow::field("b", arrow::uint64())});
  DeltaTable table(store_, "strict", clock_, random_);
  ASSERT_TRUE(table.Create(strict).ok());
  const auto rows = [&](const std::string& json, const std::shared_ptr<arrow::Field>& field) {
    return NewFile{.batches = {*arrow::RecordBatch::FromStructArray(
                       *arrow::json::ArrayFromJSONString(arrow::struct_({field}), json))}};
  };
  const auto a = arrow::field("a", arrow::int32());
  EXPECT_EQ(table.Append(nullptr, std::vector{rows(R"([{"a": null}])", a)}).error().message(),
            "table 'strict': column 'a' must not be null, but is in 1 rows");
  EXPECT_EQ(
      table.Append(nullptr, std::vector{rows(R"([{"b": 1}])", strict->field(1))}).error().message(),
      "table 'strict': column 'a' must not be null, but is missing");
  EXPECT_TRUE(table.Append(nullptr, std::vector{rows(R"([{"a": 1}])", a)}).ok());
}

TEST_F(DeltaTableTest, RefusesTablesThatOthersCouldNotRead) {
  const auto create = [&](const arrow::FieldVector& fields, const CreateOptions& options = {}) {
    return table_.Create(arrow::schema(fields), options).error().ToString();
  };
  const auto a = arrow::field("a", arrow::int32());
  EXPECT_EQ(create({arrow::field("t", arrow::time64(arrow::TimeUnit::MICRO))}),
            "column 't': type time64[us] has no counterpart in Delta tables (unsupported)");
  EXPECT_EQ(create({a, arrow::field("A", arrow::int32())}),
            "two columns are named 'A', without regard to case (invalid)");
  EXPECT_EQ(
      create({a, arrow::field("b c", arrow::int32())}),
      "'b c' cannot name a column: it has one of ' ,;{}()=' or a break, which only tables that map "
      "their columns may have (property delta.columnMapping.mode = name) (invalid)");
  EXPECT_EQ(create({a}, {.partition_columns = {"a"}}),
            "a table needs a column that does not partition it (invalid)");
  EXPECT_EQ(create({a}, {.properties = {{"delta.enableIcebergCompatV2", "true"}}}),
            "a new table: property 'delta.enableIcebergCompatV2' is not supported (unsupported)");
  EXPECT_EQ(create({a}, {.properties = {{"delta.appendOnly", "1"}}}),
            "a new table: property 'delta.appendOnly' must be true or false (invalid)");
}

TEST_F(DeltaTableTest, FollowsOtherWritersFromASnapshotOrAfresh) {
  const auto created = MustCreate();
  DeltaTable theirs(memory_, "t", clock_, random_);
  for (int i = 0; i < 3; ++i) ASSERT_TRUE(theirs.Append(nullptr, std::vector{File()}).ok());
  const auto advanced = *table_.Load(created);
  const auto fresh = *table_.Load();
  EXPECT_EQ(advanced->version(), 3);
  EXPECT_EQ(fresh->version(), 3);
  ASSERT_EQ(advanced->files().size(), fresh->files().size());
  for (size_t i = 0; i < fresh->files().size(); ++i) {
    EXPECT_EQ(advanced->files()[i].path, fresh->files()[i].path);
  }
  EXPECT_EQ(*table_.Load(advanced), advanced);  // Nothing new: the same one.

  ASSERT_TRUE(PutLog(4, fmt::format("{{\"remove\":{{\"path\":\"{}\",\"dataChange\":true,"
                                    "\"deletionTimestamp\":1700000000000}}}}\n",
                                    fresh->files()[1].path))
                  .ok());
  EXPECT_EQ((*table_.Load(advanced))->files().size(), 2U);
  EXPECT_EQ((*table_.Load())->files().size(), 2U);
  EXPECT_EQ((*table_.LoadAt(2))->files().size(), 2U);
  EXPECT_EQ((*table_.LoadAt(3))->files().size(), 3U);
  EXPECT_EQ(table_.LoadAt(5).error().ToString(),
            "table 't': version 5 does not exist; the newest is 4 (not found)");
}

TEST_F(DeltaTableTest, NoticesAGapInItsLog) {
  auto snapshot = MustCreate();
  for (int i = 0; i < 3; ++i) snapshot = *table_.Append(snapshot, std::vector{File()});
  ASSERT_TRUE(memory_.Delete("t/_delta_log/00000000000000000002.json").ok());
  EXPECT_EQ(table_.Load().error().ToString(),
            "table 't': the log has a gap: version 2 of 3 is missing (corrupt)");
}

// What was listed while commits came may have a later one without the one before.
TEST_F(DeltaTableTest, ListsAgainWhereAListingHasAGap) {
  auto snapshot = MustCreate();
  for (int i = 0; i < 3; ++i) snapshot = *table_.Append(snapshot, std::vector{File()});
  const std::string path = "t/_delta_log/00000000000000000002.json";
  const std::string commit = *memory_.Get(path);
  int listings = 0;
  store_.Observe([&](StoreCall call, std::string_view) {
    if (call != StoreCall::kList) return;
    ++listings;
    ASSERT_TRUE((listings == 1 ? memory_.Delete(path) : memory_.Put(path, commit)).ok());
  });
  const auto loaded = table_.Load();
  ASSERT_TRUE(loaded.ok()) << loaded.error().ToString();
  EXPECT_EQ((*loaded)->version(), 3);
  EXPECT_EQ(listings, 2);
}

TEST_F(DeltaTableTest, TriesAgainOnTopOfAnotherWriter) {
  const auto base = MustCreate();
  DeltaTable theirs(memory_, "t", clock_, random_);
  int races = 2;
  store_.Observe([&](StoreCall call, std::string_view path) {
    if (call != StoreCall::kPutIfAbsent || races == 0) return;
    --races;
    EXPECT_TRUE(theirs.Append(nullptr, std::vector{File()}).ok()) << path;
  });
  const auto appended = table_.Append(base, std::vector{File()});
  ASSERT_TRUE(appended.ok()) << appended.error().ToString();
  EXPECT_EQ((*appended)->version(), 3);
  EXPECT_EQ((*appended)->files().size(), 3U);
}

// Nothing but the commit itself says that it is ours.
TEST_F(DeltaTableTest, RowsWhoseAnswerWasLostAreThereOnce) {
  const auto base = MustCreate();
  store_.Add({.when = Fault::When::kAfter, .path_part = "_delta_log"});
  const auto appended = table_.Append(base, std::vector{File()});
  ASSERT_TRUE(appended.ok()) << appended.error().ToString();
  EXPECT_EQ((*table_.Load())->version(), 1);
  EXPECT_EQ((*table_.Load())->files().size(), 1U);
}

TEST_F(DeltaTableTest, ConflictsWithWritersThatChangedTheGround) {
  const auto base = MustCreate();
  std::string theirs;
  store_.Observe([&](StoreCall call, std::string_view) {
    if (call == StoreCall::kPutIfAbsent && !theirs.empty()) {
      EXPECT_TRUE(PutLog((*table_.Load())->version() + 1, std::exchange(theirs, "")).ok());
    }
  });
  const auto race = [&](std::string lines) {
    theirs = std::move(lines);
    const auto appended = table_.Append(*table_.Load(), std::vector{File()},
                                        {.transactions = {{.app_id = "app", .version = 1}}});
    return appended.ok() ? "ok" : appended.error().ToString();
  };
  EXPECT_EQ(race("{\"txn\":{\"appId\":\"app\",\"version\":5}}"),
            "table 't': application 'app' was moved by another writer (conflict)");
  EXPECT_EQ(race("{\"txn\":{\"appId\":\"other\",\"version\":5}}"), "ok");

  std::string metadata = Log(0).substr(Log(0).find("{\"metaData\""));
  const auto with = [&](const std::string& from, const std::string& to) {
    std::string changed = metadata;
    const size_t at = changed.find(from);
    EXPECT_NE(at, std::string::npos);
    return changed.replace(at, from.size(), to);
  };
  // A comment, and a new nullable column, do not matter.
  EXPECT_EQ(race(with("\"format\"", "\"description\":\"x\",\"format\"")), "ok");
  EXPECT_EQ(race(with("{\\\"name\\\":\\\"n\\\"",
                      "{\\\"name\\\":\\\"z\\\",\\\"type\\\":\\\"long\\\",\\\"nullable\\\":true,"
                      "\\\"metadata\\\":{}},{\\\"name\\\":\\\"n\\\"")),
            "ok");
  EXPECT_EQ(race(with("\\\"long\\\"", "\\\"string\\\"")),
            "table 't': column 'n' was changed by another writer (conflict)");
  const auto restore = [&] { EXPECT_TRUE(PutLog((*table_.Load())->version() + 1, metadata).ok()); };
  restore();
  EXPECT_EQ(race(with("[\"country\"]", "[]")),
            "table 't': the partition columns were changed by another writer (conflict)");
  restore();
  EXPECT_EQ(
      race("{\"protocol\":{\"minReaderVersion\":1,\"minWriterVersion\":7,"
           "\"writerFeatures\":[\"icebergCompatV2\"]}}"),
      "table 't': the table needs the writer feature 'icebergCompatV2', which is not supported "
      "(unsupported)");
  EXPECT_EQ(base->version(), 0);
  // Files that lost are gone.
  EXPECT_EQ(DataFiles(), 3U);
}

TEST_F(DeltaTableTest, AddsColumns) {
  const auto base = MustCreate();
  const auto wanted = arrow::schema(
      {arrow::field("n", arrow::int64()), arrow::field("more", arrow::int32(), false)});
  const auto added = table_.AddColumns(base, wanted);
  ASSERT_TRUE(added.ok()) << added.error().ToString();
  EXPECT_EQ((*added)->schema()->field_names(),
            (std::vector<std::string>{"id", "n", "name", "at", "country", "more"}));
  EXPECT_TRUE((*added)->schema()->field(5)->nullable());
  EXPECT_EQ((*table_.Load())->schema()->num_fields(), 6);
  EXPECT_EQ(*table_.AddColumns(*added, wanted), *added);  // Nothing to do.
  // From an old snapshot: somebody has added them meanwhile.
  EXPECT_EQ((*table_.AddColumns(base, wanted))->version(), 1);
  EXPECT_EQ(
      table_.AddColumns(base, arrow::schema({arrow::field("n", arrow::utf8())})).error().ToString(),
      "table 't': column 'n' is int64, wanted 'n' as string (conflict)");
  // Rows without the new column still go in.
  EXPECT_TRUE(table_.Append(base, std::vector{File()}).ok());
}

TEST_F(DeltaTableTest, AddsFieldsInsideStructs) {
  const auto item = [](const arrow::FieldVector& fields) { return arrow::struct_(fields); };
  const auto x = arrow::field("x", arrow::int32());
  const auto y = arrow::field("y", arrow::utf8(), false);
  const auto schema = [&](const arrow::FieldVector& fields) {
    return arrow::schema({arrow::field("one", item(fields)),
                          arrow::field("many", arrow::list(item(fields))),
                          arrow::field("plain", arrow::int64())});
  };
  DeltaTable table(store_, "nested", clock_, random_);
  const auto base = table.Create(schema({x}), {});
  ASSERT_TRUE(base.ok()) << base.error().ToString();
  // Behind those that are there, and nullable.
  const auto wider = table.AddColumns(*base, schema({y, x}));
  ASSERT_TRUE(wider.ok()) << wider.error().ToString();
  EXPECT_EQ((*wider)->version(), 1);
  for (const auto& state : {*wider, *table.Load()}) {
    EXPECT_EQ(state->schema()->field(0)->type()->ToString(), "struct<x: int32, y: string>");
    EXPECT_EQ(state->schema()->field(1)->type()->ToString(),
              "list<element: struct<x: int32, y: string>>");
    EXPECT_TRUE(state->schema()->field(0)->type()->field(1)->nullable());
  }
  EXPECT_EQ(*table.AddColumns(*wider, schema({y, x})), *wider);  // Nothing to do.
  EXPECT_EQ(*table.AddColumns(*wider, schema({x})), *wider);  // Another writer may have added it.
  // A field of another type does not fit, nor does one that differs by case alone.
  EXPECT_EQ(table.AddColumns(*wider, schema({x, arrow::field("Y", arrow::utf8())})).error().code(),
            ErrorCode::kConflict);
  EXPECT_EQ(table.AddColumns(*wider, schema({y, arrow::field("x", arrow::int64())})).error().code(),
            ErrorCode::kConflict);
}

TEST_F(DeltaTableTest, FieldsThatRowsLackInsideStructsAreNull) {
  const auto x = arrow::field("x", arrow::int32());
  const auto y = arrow::field("y", arrow::utf8());
  const auto needed = arrow::field("z", arrow::utf8(), false);
  const auto columns = [](const arrow::FieldVector& fields) {
    return arrow::schema({arrow::field("one", arrow::struct_(fields)),
                          arrow::field("many", arrow::list(arrow::struct_(fields)))});
  };
  const auto rows = [&](const arrow::FieldVector& fields, std::string_view json) {
    const auto type = arrow::struct_(columns(fields)->fields());
    const auto made = arrow::json::ArrayFromJSONString(type, json).ValueOrDie();
    return NewFile{.partition_values = {},
                   .batches = {arrow::RecordBatch::FromStructArray(made).ValueOrDie()}};
  };
  DeltaTable table(store_, "nested", clock_, random_);
  auto state = table.Create(columns({x, y}), {});
  ASSERT_TRUE(state.ok());
  // Sliced, so that what is filled in must fit to the rows that are left.
  NewFile narrow = rows({x}, R"([{"one": null, "many": null},
                                 {"one": {"x": 1}, "many": [{"x": 2}, null]}])");
  narrow.batches[0] = narrow.batches[0]->Slice(1);
  state = table.Append(*state, std::vector{narrow});
  ASSERT_TRUE(state.ok()) << state.error().ToString();
  state = table.Append(*state,
                       std::vector{rows({y, x}, R"([{"one": {"x": 3, "y": "a"}, "many": []}])")});
  ASSERT_TRUE(state.ok()) << state.error().ToString();
  std::vector<std::string> found;
  for (const DataFile& file : (*state)->files()) {
    const auto batches = columnar::ReadParquet(*store_.Get(table.StorePath(file)));
    ASSERT_TRUE(batches.ok()) << batches.error().ToString();
    for (const auto& batch : *batches) {
      found.push_back((*batch->column(0)->GetScalar(0))->ToString() + " " +
                      (*batch->column(1)->GetScalar(0))->ToString());
    }
  }
  EXPECT_EQ(found,
            (std::vector<std::string>{
                "{x:int32 = 1, y:string = null} list<element: struct<x: int32, y: string>>"
                "[{x:int32 = 2, y:string = null}, null]",
                "{x:int32 = 3, y:string = a} list<element: struct<x: int32, y: string>>[]"}));
  const auto strict =
      DeltaTable(store_, "strict", clock_, random_).Create(columns({x, needed}), {});
  ASSERT_TRUE(strict.ok());
  EXPECT_EQ(DeltaTable(store_, "strict", clock_, random_)
                .Append(*strict, std::vector{rows({x}, R"([{"one": {"x": 1}}])")})
                .error()
                .code(),
            ErrorCode::kInvalid);
}

// --- Compare-and-swap on the application's transaction ---

class ExpectationTest : public DeltaTableTest {
 protected:
  Result<std::shared_ptr<const Snapshot>> Land(const std::shared_ptr<const Snapshot>& base,
                                               std::optional<int64_t> expected, int64_t version) {
    return table_.Append(
        base, std::vector{File()},
        {.transactions = {{.app_id = "app", .version = version}},
         .expect = AppendOptions::Expectation{.app_id = "app", .expected = expected}});
  }
};

TEST_F(ExpectationTest, LandsOnceWhateverIsTriedAgain) {
  const auto base = MustCreate();
  const auto first = Land(base, {}, 9);
  ASSERT_TRUE(first.ok()) << first.error().ToString();
  // The same again, from the old snapshot and from the new one: recognised.
  EXPECT_EQ((*Land(base, {}, 9))->version(), 1);
  EXPECT_EQ((*Land(*first, {}, 9))->version(), 1);
  EXPECT_EQ(DataFiles(), 1U);
  const auto second = Land(base, 9, 19);  // From an old snapshot: read again.
  ASSERT_TRUE(second.ok()) << second.error().ToString();
  EXPECT_EQ((*second)->TransactionVersion("app"), 19);
  EXPECT_EQ(Land(*second, 9, 25).error().ToString(),
            "table 't': application 'app' is at 19, expected 9 (conflict)");
  EXPECT_EQ(Land(*second, {}, 25).error().code(), ErrorCode::kConflict);
  EXPECT_EQ(DataFiles(), 2U);
  EXPECT_EQ(
      table_.Append(*second, {}, {.expect = AppendOptions::Expectation{"app", 19}}).error().code(),
      ErrorCode::kInvalid);
}

TEST_F(ExpectationTest, RecognisesItsOwnCommitWhenTheAnswerWasLost) {
  const auto base = MustCreate();
  store_.Add({.when = Fault::When::kAfter, .path_part = "_delta_log"});
  const auto landed = Land(base, {}, 9);
  ASSERT_TRUE(landed.ok()) << landed.error().ToString();
  EXPECT_EQ(store_.failed(), 1);
  EXPECT_EQ((*landed)->version(), 1);
  EXPECT_EQ((*table_.Load())->files().size(), 1U);
  EXPECT_EQ((*table_.Load())->version(), 1);
}

TEST_F(ExpectationTest, TriesAgainWhenNothingWasWritten) {
  const auto base = MustCreate();
  store_.Add({.when = Fault::When::kBefore, .path_part = "_delta_log", .times = 3});
  ASSERT_TRUE(Land(base, {}, 9).ok());
  EXPECT_EQ((*table_.Load())->files().size(), 1U);
}

TEST_F(ExpectationTest, SaysUnavailableWhenTheOutcomeStaysUnknown) {
  const auto base = MustCreate();
  store_.Add({.when = Fault::When::kAfter, .path_part = "_delta_log"});
  store_.Add({.call = StoreCall::kGet, .path_part = "_delta_log"});
  EXPECT_EQ(Land(base, {}, 9).error().code(), ErrorCode::kUnavailable);
  EXPECT_EQ(DataFiles(), 1U);  // The log may name it, and here it does.
  const auto again = Land(base, {}, 9);
  ASSERT_TRUE(again.ok());
  EXPECT_EQ((*again)->version(), 1);
  EXPECT_EQ((*again)->files().size(), 1U);
}

TEST_F(ExpectationTest, LosesAgainstAnotherOfTheSameName) {
  const auto base = MustCreate();
  bool raced = false;
  store_.Observe([&](StoreCall call, std::string_view) {
    if (call != StoreCall::kPutIfAbsent || std::exchange(raced, true)) return;
    EXPECT_TRUE(PutLog(1, "{\"txn\":{\"appId\":\"app\",\"version\":4}}").ok());
  });
  EXPECT_EQ(Land(base, {}, 9).error().ToString(),
            "table 't': application 'app' is at 4, expected none (conflict)");
  EXPECT_EQ(DataFiles(), 0U);
}

TEST_F(ExpectationTest, FailsCleanlyWhenDataCannotBeWritten) {
  const auto base = MustCreate();
  store_.Add({.call = StoreCall::kPut, .path_part = "country="});
  EXPECT_EQ(Land(base, {}, 9).error().code(), ErrorCode::kUnavailable);
  EXPECT_EQ((*table_.Load())->version(), 0);
}

TEST_F(ExpectationTest, TwoLandersLandEachRangeOnce) {
  MustCreate();
  constexpr int kRanges = 30;
  std::atomic<int> landed = 0;
  const auto lander = [&](uint64_t seed) {
    os::SimulatedRandom random(seed);
    DeltaTable table(memory_, "t", clock_, random);
    auto snapshot = *table.Load();
    while (true) {
      const auto at = snapshot->TransactionVersion("app");
      const int64_t next = at.value_or(-1) + 1;
      if (next >= kRanges) return;
      const auto appended =
          table.Append(snapshot, std::vector{File()},
                       {.transactions = {{.app_id = "app", .version = next}},
                        .expect = AppendOptions::Expectation{.app_id = "app", .expected = at}});
      if (appended.ok()) {
        ++landed;
        snapshot = *appended;
      } else {
        EXPECT_EQ(appended.error().code(), ErrorCode::kConflict) << appended.error().ToString();
        snapshot = *table.Load(snapshot);
      }
    }
  };
  {
    std::vector<std::jthread> threads;
    for (uint64_t seed = 10; seed < 14; ++seed) threads.emplace_back(lander, seed);
  }
  const auto snapshot = *table_.Load();
  EXPECT_EQ(snapshot->version(), kRanges);
  EXPECT_EQ(snapshot->files().size(), static_cast<size_t>(kRanges));
  EXPECT_EQ(DataFiles(), static_cast<size_t>(kRanges));  // What lost its race is removed.
  EXPECT_GE(landed, kRanges);
}

TEST_F(DeltaTableTest, ManyBlindWritersAllGetIn) {
  MustCreate();
  constexpr int kWriters = 4;
  constexpr int kAppends = 10;
  {
    std::vector<std::jthread> threads;
    for (uint64_t writer = 0; writer < kWriters; ++writer) {
      threads.emplace_back([&, writer] {
        os::SimulatedRandom random(100 + writer);
        DeltaTable table(memory_, "t", clock_, random);
        std::shared_ptr<const Snapshot> snapshot;
        for (int i = 0; i < kAppends; ++i) {
          const auto appended = table.Append(snapshot, std::vector{File()}, {.attempts_max = 1000});
          ASSERT_TRUE(appended.ok()) << appended.error().ToString();
          snapshot = *appended;
        }
      });
    }
  }
  const auto snapshot = *table_.Load();
  EXPECT_EQ(snapshot->version(), kWriters * kAppends);
  std::set<std::string> paths;
  for (const DataFile& file : snapshot->files()) paths.insert(file.path);
  EXPECT_EQ(paths.size(), static_cast<size_t>(kWriters * kAppends));
}

}  // namespace
}  // namespace sluice::lake
