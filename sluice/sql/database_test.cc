#include "sluice/sql/database.h"

#include <arrow/api.h>
#include <arrow/io/memory.h>
#include <arrow/ipc/reader.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>

#include "sluice/columnar/batch.h"
#include "sluice/lake/delta_table.h"
#include "sluice/land/table_schema.h"
#include "sluice/os/disk.h"
#include "sluice/store/faulty_store.h"
#include "sluice/store/local_store.h"
#include "sluice/worker/process.h"

namespace sluice::sql {
namespace {

class Text final : public worker::BodySink {
 public:
  Status Write(std::string_view bytes, std::optional<int64_t>, os::Monotonic) override {
    text += bytes;
    return {};
  }
  std::string text;
};

class DatabaseTest : public testing::Test {
 protected:
  DatabaseTest() {
    std::string pattern = testing::TempDir() + "database_XXXXXX";
    folder_ = mkdtemp(pattern.data());
    std::filesystem::create_directories(folder_ + "/tables/default");
    store_.emplace(disk_, folder_ + "/tables");
    std::filesystem::create_directories(folder_ + "/outside");
    const worker::Tenant tenant{
        .name = "default", .files_folders = {folder_ + "/tables/default", folder_ + "/outside"}};
    auto pool = worker::Pool::Start({.temporary_folder = folder_ + "/temporary"}, tenant, metrics_);
    EXPECT_TRUE(pool.ok()) << pool.error().ToString();
    pool_ = std::move(*pool);
    lander_ = std::make_unique<land::Lander>(land::LandOptions{}, passing_.emplace(*store_), clock_,
                                             random_, threads_, metrics_, "journal-1");
    database_.emplace(
        *pool_, tenant, *lander_, clock_, random_, metrics_,
        std::make_unique<ExternalTables>(ExternalOptions{.allowed = {folder_ + "/outside"}},
                                         stores_, disk_, clock_, random_));
    topic_.contract = std::make_shared<const event::Contract>(
        event::CompileCapnp({{"c.capnp", R"(@0x9a41c6de07b35f18;
using Sl = import "sluice.capnp";
struct Click $Sl.event("clicks") { page @0 :Text; n @1 :Int64; data @2 :Data; }
)"}},
                            "c.capnp")
            ->front());
    topic_.partition = 1;
    topic_.table_path = "default/bronze/clicks";
    EXPECT_TRUE(lander_->Open(topic_).ok());
  }
  ~DatabaseTest() override { std::filesystem::remove_all(folder_); }

  /// Adds one row, durable as far as the lander knows.
  void Add(const std::string& page, int64_t n) {
    const columnar::Schema schema = land::FrameColumns(*topic_.contract);
    arrow::ArrayVector columns;
    for (const auto& field : schema->fields()) {
      std::shared_ptr<arrow::Scalar> value = arrow::MakeNullScalar(field->type());
      if (field->name() == "page") value = std::make_shared<arrow::StringScalar>(page);
      if (field->name() == "n") value = std::make_shared<arrow::Int64Scalar>(n);
      if (field->name() == "data") value = std::make_shared<arrow::BinaryScalar>("\1\2");
      if (field->name() == "event_time") {
        value = std::make_shared<arrow::TimestampScalar>(978'307'200'000'001, field->type());
      }
      columns.push_back(*arrow::MakeArrayFromScalar(*value, 1));
    }
    lander_->Add(1, next_++, clock_.Now(), arrow::RecordBatch::Make(schema, 1, columns));
  }

  /// The topic of error rows, with the one column that tells whose they are.
  void OpenErrors() {
    event::Contract contract;
    contract.topic = catalog::kErrorsTopic;
    contract.table = "errors";
    event::Field& whose = contract.fields.emplace_back();
    whose.name = whose.column = "topic";
    const catalog::Topic topic{.contract = std::make_shared<const event::Contract>(contract),
                               .partition = 2,
                               .schema_name = "system",
                               .table_path = "default/system/errors"};
    ASSERT_TRUE(lander_->Open(topic).ok());
    error_columns_ = land::FrameColumns(contract);
  }

  void AddError(const std::string& topic) {
    arrow::ArrayVector columns;
    for (const auto& field : error_columns_->fields()) {
      std::shared_ptr<arrow::Scalar> value = arrow::MakeNullScalar(field->type());
      if (field->name() == "topic") value = std::make_shared<arrow::StringScalar>(topic);
      if (field->name() == "event_time") {
        value = std::make_shared<arrow::TimestampScalar>(978'307'200'000'001, field->type());
      }
      columns.push_back(*arrow::MakeArrayFromScalar(*value, 1));
    }
    lander_->Add(2, next_error_++, clock_.Now(),
                 arrow::RecordBatch::Make(error_columns_, 1, columns));
  }

  std::string Ask(std::string_view sql, Format format = Format::kCsv) {
    const auto result = database_->Query(sql, format);
    return result.ok() ? result->body : result.error().ToString();
  }

  std::string Ask(const std::string& scope, const std::string& sql,
                  const std::optional<AsOf>& as_of = {}) {
    Text text;
    const auto outcome = database_->Run(
        {.sql = sql,
         .format = Format::kCsv,
         .as_of = as_of,
         .principal = govern::Principal{.id = scope, .scopes = {*govern::ParseScope(scope)}}},
        text);
    return outcome.ok() ? text.text : outcome.error().ToString();
  }

  /// Makes a table of rows (1, a) … (4, d) in a folder outside; its third row is then deleted by a
  /// deletion vector.
  std::string MakeOutside() {
    store::LocalStore store(disk_, folder_ + "/outside");
    lake::DeltaTable table(store, "deep/t", clock_, random_);
    const auto schema =
        arrow::schema({arrow::field("n", arrow::int64()), arrow::field("part", arrow::utf8())});
    lake::CreateOptions options{.partition_columns = {"part"}};
    options.properties = {{"delta.enableChangeDataFeed", "true"},
                          {"delta.enableDeletionVectors", "true"}};
    auto snapshot = *table.Create(schema, options);
    arrow::Int64Builder numbers;
    EXPECT_TRUE(numbers.AppendValues({1, 2, 3, 4}).ok());
    const auto batch =
        arrow::RecordBatch::Make(arrow::schema({schema->field(0)}), 4, {*numbers.Finish()});
    const std::vector<lake::NewFile> files = {
        {.partition_values = {{"part", "a=/b"}}, .batches = {batch}}};
    snapshot = *table.Append(snapshot, files);
    const lake::DataFile file = snapshot->files()[0];
    EXPECT_TRUE(
        store
            .Put(
                "deep/t/_delta_log/00000000000000000002.json",
                fmt::format(
                    R"({{"remove":{{"path":"{0}","deletionTimestamp":1,"dataChange":true,"partitionValues":{{"part":"a=/b"}}}}}}
{{"add":{{"path":"{0}","partitionValues":{{"part":"a=/b"}},"size":{1},"modificationTime":1,"dataChange":true,"stats":"{{\"numRecords\":4,\"tightBounds\":false}}","deletionVector":{2}}}}}
)",
                    file.path, file.size, Vector()))
            .ok());
    return folder_ + "/outside/deep/t";
  }

  /// A deletion vector of row 2 alone.
  static std::string Vector() {
    std::string bytes(
        "\xd1\xd3\x39\x64"
        "\x01\0\0\0\0\0\0\0"
        "\0\0\0\0"
        "\x3a\x30\0\0"
        "\x01\0\0\0"
        "\0\0\0\0"
        "\x10\0\0\0"
        "\x02\0",
        34);
    const size_t size = bytes.size();
    bytes.resize((size + 3) / 4 * 4);
    std::string text;
    for (size_t i = 0; i < bytes.size(); i += 4) {
      uint32_t number = 0;
      for (size_t j = 0; j < 4; ++j) number = number << 8 | static_cast<uint8_t>(bytes[i + j]);
      std::string part(5, ' ');
      for (size_t j = 5; j-- > 0; number /= 85) {
        part[j] =
            "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
            ".-:+=^!/*?&<>()[]{}@%$#"[number % 85];
      }
      text += part;
    }
    return fmt::format(
        R"({{"storageType":"i","pathOrInlineDv":"{}","sizeInBytes":{},"cardinality":1}})", text,
        size);
  }

  std::string folder_;
  os::SystemDisk disk_;
  os::SimulatedClock clock_{os::Timestamp(std::chrono::sys_days(std::chrono::days(11'400)))};
  os::SimulatedRandom random_{1};
  os::SystemThreads threads_;
  Metrics metrics_;
  std::optional<store::LocalStore> store_;
  std::optional<store::FaultyStore> passing_;  // What the lander has.
  store::StoreSet stores_{disk_, random_};
  std::unique_ptr<worker::Pool> pool_;
  std::unique_ptr<land::Lander> lander_;
  std::optional<Database> database_;
  catalog::Topic topic_;
  journal::Offset next_ = 0;
  columnar::Schema error_columns_;
  journal::Offset next_error_ = 0;
};

TEST_F(DatabaseTest, ARowIsSeenInTheTailAndInTheTableAndNeverInBoth) {
  const std::string all = "select count(*) as n, sum(n) as s from clicks";
  EXPECT_EQ(Ask(all), "n,s\r\n0,\r\n");
  Add("a", 1);
  Add("b", 10);
  EXPECT_EQ(Ask(all), "n,s\r\n2,11\r\n");
  ASSERT_TRUE(lander_->LandAll().ok());
  EXPECT_EQ(Ask(all), "n,s\r\n2,11\r\n");
  Add("c", 100);
  EXPECT_EQ(Ask(all), "n,s\r\n3,111\r\n");
  EXPECT_EQ(Ask("select _offset, page, event_date from clicks order by 1"),
            "_offset,page,event_date\r\n0,a,2001-01-01\r\n1,b,2001-01-01\r\n2,c,2001-01-01\r\n");
}

TEST_F(DatabaseTest, NamesAreFoundWithAndWithoutSchemaInAnyCase) {
  Add("a", 1);
  EXPECT_EQ(Ask("select n from bronze.clicks"), "n\r\n1\r\n");
  EXPECT_EQ(Ask("select N from Bronze.CLICKS"), "n\r\n1\r\n");
  EXPECT_NE(Ask("select n from silver.clicks").find("(invalid)"), std::string::npos);
  EXPECT_NE(Ask("select n from nothing").find("(invalid)"), std::string::npos);
}

TEST_F(DatabaseTest, JsonHasColumnsRowsAndTheSignOfItsEnd) {
  Add("a\"\n", 1);
  EXPECT_EQ(Ask("select page, n, data, event_time, null::int as x from clicks", Format::kJson),
            "{\"columns\":[{\"name\":\"page\",\"type\":\"string\"},"
            "{\"name\":\"n\",\"type\":\"int64\"},{\"name\":\"data\",\"type\":\"binary\"},"
            "{\"name\":\"event_time\",\"type\":\"timestamp[us, tz=UTC]\"},"
            "{\"name\":\"x\",\"type\":\"int32\"}],\"rows\":[\n"
            "[\"a\\\"\\n\",1,\"AQI=\",\"2001-01-01T00:00:00.000001Z\",null]"
            "],\"row_count\":1,\"complete\":true}\n");
  EXPECT_EQ(Ask("select n from clicks where n = 9", Format::kJson),
            "{\"columns\":[{\"name\":\"n\",\"type\":\"int64\"}],\"rows\":["
            "],\"row_count\":0,\"complete\":true}\n");
}

TEST_F(DatabaseTest, NdjsonHasARowALineAndTheSignOfItsEnd) {
  Add("a", 1);
  Add("b", 2);
  EXPECT_EQ(Ask("select page, n from clicks order by n", Format::kNdjson),
            "{\"page\":\"a\",\"n\":1}\n{\"page\":\"b\",\"n\":2}\n{\"complete\":true,\"rows\":2}\n");
}

TEST_F(DatabaseTest, CsvQuotesWhatNeedsItAndTellsEmptyFromNull) {
  EXPECT_EQ(Ask("select 'a,b' as \"x,y\", 'say \"hi\"' as b, '' as c, null as d, 1.5::double as e"),
            "\"x,y\",b,c,d,e\r\n\"a,b\",\"say \"\"hi\"\"\",\"\",,1.5\r\n");
}

TEST_F(DatabaseTest, ValuesThatJsonLacksAreText) {
  EXPECT_EQ(Ask("select 'nan'::double as a, 'infinity'::float as b, 1.25::decimal(9,2) as c, "
                "[1,null]::int[] as d, {'k': 'v'} as e, date '0900-01-02' as f, true as g",
                Format::kNdjson),
            "{\"a\":\"NaN\",\"b\":\"Infinity\",\"c\":\"1.25\",\"d\":[1,null],\"e\":{\"k\":\"v\"},"
            "\"f\":\"0900-01-02\",\"g\":true}\n{\"complete\":true,\"rows\":1}\n");
}

TEST_F(DatabaseTest, ArrowIsAStreamThatReadsBack) {
  Add("a", 7);
  const auto result = database_->Query("select page, n from clicks", Format::kArrow);
  ASSERT_TRUE(result.ok()) << result.error().ToString();
  EXPECT_EQ(result->content_type, "application/vnd.apache.arrow.stream");
  EXPECT_EQ(result->rows, 1);
  arrow::io::BufferReader bytes(arrow::Buffer::FromString(result->body));
  const auto reader = arrow::ipc::RecordBatchStreamReader::Open(&bytes).ValueOrDie();
  const auto table = reader->ToTable().ValueOrDie();
  EXPECT_EQ(table->num_rows(), 1);
  EXPECT_EQ((*table->column(1)->GetScalar(0))->ToString(), "7");
}

TEST_F(DatabaseTest, ErrorsAreThoseOfTheEngineAndNothingCanBeWritten) {
  EXPECT_NE(Ask("select from where").find("(invalid)"), std::string::npos);
  EXPECT_EQ(database_->Query("copy (select 1) to 'x.csv'", Format::kCsv).error().code(),
            ErrorCode::kDenied);
  worker::Limits limits;
  limits.rows_max = 10;
  EXPECT_EQ(database_->Query("select * from range(100)", Format::kCsv, limits).error().code(),
            ErrorCode::kUnavailable);
}

TEST_F(DatabaseTest, AQueryWhoseAskerIsGoneEnds) {
  class Leaving final : public worker::BodySink {
   public:
    Status Write(std::string_view, std::optional<int64_t>, os::Monotonic) override {
      stop.request_stop();
      return {};
    }
    std::stop_source stop;
  };
  Leaving sink;
  Diagnostic diagnosis;
  const auto outcome = database_->Run({.sql = "select range from range(1000000000)",
                                       .format = Format::kCsv,
                                       .limits = {.rows_max = int64_t{1} << 40}},
                                      sink, sink.stop.get_token(), &diagnosis);
  ASSERT_FALSE(outcome.ok());
  EXPECT_EQ(diagnosis.code, "SL2205");
  EXPECT_EQ(database_->log().List({.tenant = "default"}).front().state, "cancelled");
}

TEST_F(DatabaseTest, AQueryThatCannotReadItsTableFailsInsteadOfShowingLess) {
  Add("a", 1);
  ASSERT_TRUE(lander_->LandAll().ok());
  Add("b", 2);
  const auto view = *lander_->View("bronze", "clicks");
  ASSERT_TRUE(std::filesystem::remove(view.files.front()));
  EXPECT_FALSE(database_->Query("select page from clicks", Format::kCsv).ok());
}

TEST_F(DatabaseTest, WhoMayReadSomeTopicsSeesThoseAlone) {
  Add("a", 1);
  ASSERT_TRUE(lander_->LandAll().ok());
  Add("b", 2);
  lander_->maintenance().Add({.topic = "clicks", .table = "bronze.clicks", .action = "compact"});
  const auto ask = [&](std::string_view scope, const std::string& sql,
                       std::optional<AsOf> as_of = {}) {
    Text text;
    Diagnostic diagnosis;
    const auto outcome =
        database_->Run({.sql = sql,
                        .format = Format::kCsv,
                        .as_of = as_of,
                        .principal = govern::Principal{.id = std::string(scope),
                                                       .scopes = {*govern::ParseScope(scope)}}},
                       text, {}, &diagnosis);
    return outcome.ok() ? text.text
                        : diagnosis.code + " " + outcome.error().message() + diagnosis.suggestion;
  };
  for (const auto* scope : {"read:clicks", "read:cl*", "read:*", "admin"}) {
    EXPECT_EQ(ask(scope, "select sum(n) as n from clicks"), "n\r\n3\r\n") << scope;
    EXPECT_EQ(ask(scope, "select sum(n) as n from clicks", AsOf(lake::Version(1))), "n\r\n1\r\n");
    for (const auto* table : {"tables", "maintenance"}) {
      EXPECT_EQ(ask(scope, fmt::format("select count(*) as n from system.{}", table)),
                "n\r\n1\r\n");
    }
  }
  for (const auto* scope : {"read:click", "read:views", "send:clicks"}) {
    const std::string missing = ask(scope, "select 1 from bronze.klicks");
    EXPECT_TRUE(missing.starts_with("SL2101")) << missing;
    EXPECT_EQ(missing.find("did you mean"), std::string::npos) << missing;
    std::string hidden = ask(scope, "select 1 from bronze.clicks");
    hidden.replace(hidden.find("clicks"), 1, "k");
    EXPECT_EQ(hidden, missing);
    EXPECT_EQ(ask(scope, "select 1 from bronze.clicks", AsOf(lake::Version(1))),
              ask(scope, "select 1 from bronze.clicks"));
    for (const auto* table : {"topics", "tables", "files", "ledger", "maintenance"}) {
      EXPECT_EQ(ask(scope, fmt::format("select count(*) as n from system.{}", table)),
                "n\r\n0\r\n");
    }
    EXPECT_EQ(ask(scope, "select count(*) as n from system.queries where sql like 'select sum%'"),
              "n\r\n0\r\n");
    // Not even the worker could: the folder is out of its reach.
    const auto files = lander_->View("bronze", "clicks")->files;
    EXPECT_TRUE(ask(scope, fmt::format("select 1 from '{}'", files.front())).starts_with("SL2101"));
  }
  EXPECT_NE(ask("admin", "select count(*) as n from system.queries where sql like 'select sum%'"),
            "n\r\n0\r\n");
}

TEST_F(DatabaseTest, WhoMayReadSomeTopicsSeesTheirErrorsAsTheyWere) {
  OpenErrors();
  AddError("clicks");
  AddError("views");
  ASSERT_TRUE(lander_->LandAll().ok());
  AddError("clicks");
  ASSERT_TRUE(lander_->LandAll().ok());
  AddError("clicks");
  const std::string count = "select count(*) as n from system.errors";
  EXPECT_EQ(Ask("admin", count), "n\r\n4\r\n");
  EXPECT_EQ(Ask("admin", count, AsOf(lake::Version(1))), "n\r\n2\r\n");
  EXPECT_EQ(Ask("read:clicks", count), "n\r\n3\r\n");
  EXPECT_EQ(Ask("read:clicks", count, AsOf(lake::Version(2))), "n\r\n2\r\n");
  EXPECT_EQ(Ask("read:clicks", count, AsOf(lake::Version(1))), "n\r\n1\r\n");
  EXPECT_EQ(Ask("read:views", count, AsOf(lake::Version(2))), "n\r\n1\r\n");
  EXPECT_EQ(Ask("read:other", count, AsOf(lake::Version(2))), "n\r\n0\r\n");
  EXPECT_TRUE(Ask("read:clicks", count, AsOf(lake::Version(77))).ends_with("(not found)"));
}

// Whose versions are others, perhaps fewer.
TEST_F(DatabaseTest, ErrorsThatAQueryDoesNotMeanNeedNoPast) {
  OpenErrors();
  for (int version = 1; version <= 3; ++version) {
    Add("a", version);
    ASSERT_TRUE(lander_->LandAll().ok());
  }
  EXPECT_EQ(Ask("read:clicks", "select sum(n) as errors from clicks", AsOf(lake::Version(2))),
            "errors\r\n3\r\n");
}

TEST_F(DatabaseTest, OneTableHasTheColumnsOfAllThatAreSeen) {
  Add("a", 1);
  const std::string of = "select column_name, type from system.columns where table_name = ";
  EXPECT_EQ(Ask(of + "'bronze.clicks' and column_name in ('page', 'n', '_offset') order by 1"),
            "column_name,type\r\n_offset,int64\r\nn,int64\r\npage,string\r\n");
  EXPECT_EQ(Ask(of + "'system.columns'"),
            "column_name,type\r\ntable_name,string\r\ncolumn_name,string\r\ntype,string\r\n");
  EXPECT_EQ(Ask("select count(distinct table_name) as n from system.columns where table_name in "
                "('system.topics', 'system.tables', 'system.files', 'system.ledger', "
                "'system.queries', 'system.maintenance')"),
            "n\r\n6\r\n");
  EXPECT_EQ(Ask("read:views", of + "'bronze.clicks'"), "column_name,type\r\n");
}

TEST_F(DatabaseTest, ThePastHasWhatHadLanded) {
  Add("a", 1);
  ASSERT_TRUE(lander_->LandAll().ok());
  const lake::Version first = lander_->Tables().front().version;
  Add("b", 2);
  ASSERT_TRUE(lander_->LandAll().ok());
  Add("c", 3);
  const auto ask = [&](lake::Version version) {
    Text text;
    const auto outcome = database_->Run(
        {.sql = "select max(n) as n from clicks", .format = Format::kCsv, .as_of = AsOf(version)},
        text);
    return outcome.ok() ? text.text : outcome.error().ToString();
  };
  EXPECT_EQ(ask(first), "n\r\n1\r\n");
  EXPECT_EQ(ask(first + 1), "n\r\n2\r\n");
  EXPECT_EQ(ask(first), "n\r\n1\r\n");
  EXPECT_TRUE(ask(first + 2).ends_with("(not found)")) << ask(first + 2);
  EXPECT_EQ(database_->log().List({.tenant = "default"}).front().code, "SL2301");
}

TEST_F(DatabaseTest, AtNamesTheTimeOfOneTable) {
  Add("a", 1);
  ASSERT_TRUE(lander_->LandAll().ok());
  Add("b", 2);
  ASSERT_TRUE(lander_->LandAll().ok());
  EXPECT_EQ(Ask("select (select max(n) from clicks at (version => 1)) as then, "
                "(select max(n) from bronze.clicks) as now"),
            "then,now\r\n1,2\r\n");
  EXPECT_EQ(Ask("select clicks.n from clicks at (version => 1)"), "n\r\n1\r\n");
  EXPECT_EQ(Ask("select count(*) as n from clicks at (timestamp => timestamp '2999-01-01')"),
            "n\r\n2\r\n");
  EXPECT_TRUE(Ask("select 1 from clicks at (version => 77)").ends_with("(not found)"));
  EXPECT_TRUE(Ask("select 1 from clicks at (version => -1)").find("(invalid)") !=
              std::string::npos);
  EXPECT_TRUE(Ask("select 1 from system.tables at (version => 1)").ends_with("(unsupported)"));
}

TEST_F(DatabaseTest, TablesOutsideAreReadByPath) {
  const std::string path = MakeOutside();
  const std::string scan = "select n, part from delta_scan('" + path + "'";
  EXPECT_EQ(Ask(scan + ") order by n"), "n,part\r\n1,a=/b\r\n2,a=/b\r\n4,a=/b\r\n");
  EXPECT_EQ(Ask(scan + ") where n = 3"), "n,part\r\n");
  EXPECT_EQ(Ask(scan + ", version := 1) where n = 3"), "n,part\r\n3,a=/b\r\n");
  EXPECT_EQ(Ask("select count(*) as n from delta_scan('file://" + path + "/')"), "n\r\n3\r\n");
  EXPECT_EQ(Ask("select count(*) as n from delta_scan('" + path + "', as_of := '2999-01-01')"),
            "n\r\n3\r\n");
  EXPECT_TRUE(Ask(scan + ", version := 9)").ends_with("(not found)"));
  EXPECT_EQ(Ask(scan + ", version := 1, as_of := '2026-01-01')"),
            "a table is meant at a version or at a timestamp, not both (invalid)");
  EXPECT_TRUE(Ask("from delta_scan('" + folder_ + "/outside/nothing')").ends_with("(not found)"));
  EXPECT_TRUE(Ask("from delta_scan('outside/deep/t')").ends_with("(invalid)"));
  EXPECT_TRUE(Ask("from delta_scan('" + folder_ + "/outside/../tables/default/bronze/clicks')")
                  .ends_with("(invalid)"));
  EXPECT_TRUE(Ask("from delta_scan('" + folder_ + "/outsider')").ends_with("(denied)"));
  EXPECT_TRUE(
      Ask("from delta_scan('" + folder_ + "/tables/default/bronze/clicks')").ends_with("(denied)"));
  EXPECT_EQ(Ask("read:*", "select sum(n) as n from delta_scan('" + path + "')"), "n\r\n7\r\n");
  EXPECT_TRUE(Ask("read:clicks", scan + ")").ends_with("(denied)"));
  // What others commit is seen, and no file of another place is read because a log names it.
  store::LocalStore store(disk_, folder_ + "/outside");
  const auto commit = [&](int version, const std::string& file) {
    return store
        .Put(
            fmt::format("deep/t/_delta_log/{:020}.json", version),
            fmt::format(
                R"({{"add":{{"path":"{}","partitionValues":{{"part":"a=/b"}},"size":1,"modificationTime":1,"dataChange":true}}}}
)",
                file))
        .ok();
  };
  std::string copy;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(path)) {
    if (entry.path().extension() == ".parquet") copy = entry.path();
  }
  std::filesystem::copy_file(copy, path + "/more.parquet");
  ASSERT_TRUE(commit(3, "more.parquet"));
  EXPECT_EQ(Ask("select count(*) as n from delta_scan('" + path + "')"), "n\r\n7\r\n");
  std::filesystem::copy_file(copy, folder_ + "/outside/elsewhere.parquet");
  ASSERT_TRUE(commit(4, "file://" + folder_ + "/outside/elsewhere.parquet"));
  EXPECT_TRUE(
      Ask("select count(*) as n from delta_scan('" + path + "')").ends_with("(unsupported)"));
}

TEST_F(DatabaseTest, AChangeThatLooksAtItsTableSeesWhatOthersCommitMeanwhile) {
  const std::string path = MakeOutside();
  bool overtaken = false;
  Text text;
  const auto outcome = database_->Run(
      {.sql = "insert into \"" + path + "\" (n, part) select max(n) + 1, 'b' from \"" + path + "\"",
       .format = Format::kCsv,
       .audit = [&](const ChangeNote& note) -> Status {
         if (note.done || std::exchange(overtaken, true)) return {};
         store::LocalStore store(disk_, folder_ + "/outside");
         const lake::DeltaTable other(store, "deep/t", clock_, random_);
         const auto snapshot = *other.Load();
         arrow::Int64Builder numbers;
         EXPECT_TRUE(numbers.Append(100).ok());
         const auto schema = arrow::schema({snapshot->schema()->GetFieldByName("n")});
         const std::vector<lake::NewFile> files = {
             {.partition_values = {{"part", "c"}},
              .batches = {arrow::RecordBatch::Make(schema, 1, {*numbers.Finish()})}}};
         return lake::DeltaTable(store, "deep/t", clock_, random_).Append(snapshot, files).status();
       }},
      text);
  ASSERT_TRUE(outcome.ok()) << outcome.error().ToString();
  EXPECT_TRUE(overtaken);
  EXPECT_EQ(Ask("select max(n) as n from delta_scan('" + path + "')"), "n\r\n101\r\n");
}

// There others' commits are looked for now and then.
TEST_F(DatabaseTest, AChangeOfRowsInABucketIsSeenByTheNextQuery) {
  passing_->PretendRemote();
  Add("a", 1);
  Add("b", 2);
  ASSERT_TRUE(lander_->LandAll().ok());
  EXPECT_EQ(Ask("select sum(n) as n from clicks"), "n\r\n3\r\n");
  EXPECT_EQ(Ask("update clicks set n = 10 where page = 'a'"),
            "rows_deleted,rows_updated,rows_inserted,version\r\n0,1,0,2\r\n");
  EXPECT_EQ(Ask("select sum(n) as n from clicks"), "n\r\n12\r\n");
}

TEST_F(DatabaseTest, ChangesAreRows) {
  const std::string path = MakeOutside();
  const std::string changes =
      "select n, part, _change_type as t, _commit_version as v from table_changes('" + path + "'";
  EXPECT_EQ(Ask(changes + ", 2)"), "n,part,t,v\r\n3,a=/b,delete,2\r\n");
  EXPECT_EQ(Ask(changes + ", 0, 1) order by n limit 2"),
            "n,part,t,v\r\n1,a=/b,insert,1\r\n2,a=/b,insert,1\r\n");
  EXPECT_EQ(Ask("select count(*) as n, count(_commit_timestamp) as c from table_changes('" + path +
                "', 0)"),
            "n,c\r\n5,5\r\n");
  EXPECT_TRUE(Ask(changes + ", 3)").ends_with("(invalid)")) << Ask(changes + ", 3)");
  EXPECT_TRUE(Ask("read:clicks", changes + ", 0)").ends_with("(denied)"));
  EXPECT_TRUE(Ask("from table_changes('clicks', 0)").ends_with("(unsupported)"));
  EXPECT_EQ(Ask("from table_changes('nothing', 0)"), "there is no table nothing (invalid)");
  EXPECT_EQ(Ask("read:other", "from table_changes('clicks', 0)"),
            "there is no table clicks (invalid)");
}

TEST_F(DatabaseTest, RowsThatOthersDeletedFromOurTablesAreGone) {
  for (int i = 1; i <= 4; ++i) Add("a", i);
  ASSERT_TRUE(lander_->LandAll().ok());
  Add("b", 100);
  lake::DeltaTable table(*store_, topic_.table_path, clock_, random_);
  const auto snapshot = *table.Load();
  const lake::DataFile file = snapshot->files()[0];
  ASSERT_TRUE(
      store_
          ->PutIfAbsent(
              topic_.table_path + "/_delta_log/00000000000000000002.json",
              fmt::format(
                  R"({{"protocol":{{"minReaderVersion":3,"minWriterVersion":7,"readerFeatures":["deletionVectors"],"writerFeatures":["deletionVectors"]}}}}
{{"remove":{{"path":"{0}","deletionTimestamp":1,"dataChange":true}}}}
{{"add":{{"path":"{0}","partitionValues":{{"event_date":"2001-01-01"}},"size":{1},"modificationTime":1,"dataChange":true,"stats":"{{\"numRecords\":4,\"tightBounds\":false}}","deletionVector":{2}}}}}
)",
                  file.path, file.size, Vector()))
          .ok());
  clock_.Advance(std::chrono::seconds(10));  // Others' commits are looked for now and then.
  EXPECT_EQ(Ask("select n from clicks order by n"), "n\r\n1\r\n2\r\n4\r\n100\r\n");
  EXPECT_EQ(Ask("select count(*) as n from clicks"), "n\r\n4\r\n");
}

}  // namespace
}  // namespace sluice::sql

int main(int argc, char** argv) {
  if (sluice::worker::IsWorker(argc, argv)) return sluice::worker::RunWorker();
  testing::InitGoogleTest(&argc, argv);
  return RUN_ALL_TESTS();
}
