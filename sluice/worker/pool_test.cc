#include "sluice/worker/pool.h"

#include <arrow/api.h>
#include <arrow/io/memory.h>
#include <arrow/ipc/reader.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <future>
#include <map>
#include <thread>

#include "sluice/columnar/parquet.h"
#include "sluice/worker/process.h"

namespace sluice::worker {
namespace {

class Body final : public BodySink {
 public:
  Status Write(std::string_view bytes, std::optional<int64_t> rows, os::Monotonic) override {
    text.append(bytes);
    whole_rows = rows;
    ++writes;
    if (on_write) on_write();
    return status;
  }
  void SetOthersWait(std::function<bool()> ask) override { others_wait = std::move(ask); }
  std::string text;
  std::optional<int64_t> whole_rows;
  Status status;
  std::function<void()> on_write;
  std::function<bool()> others_wait;
  int writes = 0;
};

columnar::Batch Numbers(int64_t first, int64_t count) {
  arrow::Int64Builder numbers;
  arrow::StringBuilder texts;
  for (int64_t i = first; i < first + count; ++i) {
    EXPECT_TRUE(numbers.Append(i).ok());
    EXPECT_TRUE(texts.Append("t" + std::to_string(i)).ok());
  }
  return arrow::RecordBatch::Make(
      arrow::schema({arrow::field("n", arrow::int64()), arrow::field("t", arrow::utf8())}), count,
      {*numbers.Finish(), *texts.Finish()});
}

class PoolTest : public testing::Test {
 protected:
  PoolTest() {
    std::string pattern = testing::TempDir() + "pool_XXXXXX";
    folder_ = mkdtemp(pattern.data());
    std::filesystem::create_directories(folder_ + "/tables/a");
    std::filesystem::create_directories(folder_ + "/tables/b");
    a_ = {.name = "a", .files_folders = {folder_ + "/tables/a"}};
    b_ = {.name = "b", .files_folders = {folder_ + "/tables/b"}};
    options_.temporary_folder = folder_ + "/temporary";
    options_.memory_bytes_max = 256u << 20;
  }
  ~PoolTest() override {
    pool_.reset();
    EXPECT_EQ(std::filesystem::exists(folder_ + "/temporary")
                  ? std::distance(std::filesystem::directory_iterator(folder_ + "/temporary"), {})
                  : 0,
              0);
    std::filesystem::remove_all(folder_);
  }

  void StartPool() {
    auto pool = Pool::Start(options_, a_, metrics_);
    ASSERT_TRUE(pool.ok()) << pool.error().ToString();
    pool_ = std::move(*pool);
  }

  duck::RelationLookup Lookup() {
    return [this](const duck::RelationName& name) -> Result<std::optional<duck::Relation>> {
      const auto found = relations_.find(name.schema + "." + name.name);
      if (found == relations_.end()) return std::optional<duck::Relation>();
      return std::optional<duck::Relation>(found->second);
    };
  }

  std::string Ask(const std::string& sql, const Tenant& tenant, Form form = Form::kCsv,
                  const Limits& limits = {}) {
    Body body;
    diagnosis_ = {};
    const auto outcome = pool_->Run(tenant, {.sql = sql, .form = form, .limits = limits}, Lookup(),
                                    body, {}, &diagnosis_);
    return outcome.ok() ? body.text : diagnosis_.code + " " + outcome.error().ToString();
  }
  std::string Ask(const std::string& sql) { return Ask(sql, a_); }

  std::string WriteFile(const std::string& path, const columnar::Batch& batch) {
    const std::filesystem::path whole = folder_ + "/tables/" + path;
    std::filesystem::create_directories(whole.parent_path());
    const auto file = columnar::WriteParquet(batch->schema(), {batch});
    EXPECT_TRUE(file.ok());
    std::ofstream(whole, std::ios::binary) << file->bytes;  // NOLINT: a test, and quick to read
    return whole;
  }

  /// Sends a signal to all processes that this one has started.
  static void SignalWorkers(int signal) {
    for (const auto& entry : std::filesystem::directory_iterator("/proc")) {
      const std::string pid = entry.path().filename();
      if (pid.find_first_not_of("0123456789") != pid.npos) continue;
      std::ifstream stat(entry.path() / "stat");
      std::string text((std::istreambuf_iterator<char>(stat)), {});
      const size_t end = text.rfind(')');
      if (end == text.npos) continue;
      if (std::stoi(text.substr(end + 4)) == getpid()) kill(std::stoi(pid), signal);
    }
  }

  int64_t Ended() { return metrics_.GetCounter("sluice_query_workers_ended_total").value(); }
  int64_t Started() { return metrics_.GetCounter("sluice_query_workers_started_total").value(); }

  std::string folder_;
  Tenant a_;
  Tenant b_;
  PoolOptions options_;
  Metrics metrics_;
  std::unique_ptr<Pool> pool_;
  std::map<std::string, duck::Relation> relations_;
  Diagnostic diagnosis_;
};

TEST_F(PoolTest, AnswersOverFilesAndMemoryFromAnotherProcess) {
  StartPool();
  EXPECT_TRUE(pool_->confined().seccomp);
  EXPECT_EQ(pool_->confined().threads, 1);  // None that began before the confinement.
  duck::Relation& relation = relations_["bronze.t"];
  relation.schema_name = "bronze";
  relation.name = "t";
  relation.schema = Numbers(0, 1)->schema();
  relation.files = {WriteFile("a/bronze/t/1.parquet", Numbers(0, 100))};
  relation.batches = {Numbers(100, 10), Numbers(110, 5)};
  EXPECT_EQ(Ask("select count(*), sum(n), max(t) from bronze.t"),
            "count_star(),sum(n),max(t)\r\n115,6555,t99\r\n");
  // The last batch grows, the first ones stay.
  for (int64_t count = 6; count < 300; count += 7) {
    relation.batches.back() = Numbers(110, count);
    EXPECT_EQ(Ask("select count(*) from bronze.t"),
              "count_star()\r\n" + std::to_string(110 + count) + "\r\n");
  }
  relation.batches.push_back(Numbers(0, 1));
  EXPECT_EQ(Ask("select max(n) from bronze.t"), "max(n)\r\n402\r\n");
  EXPECT_EQ(Ask("select * from bronze.u"), "SL2101 there is no table bronze.u (invalid)");
}

TEST_F(PoolTest, TakesParametersAndWritesAllForms) {
  StartPool();
  Body body;
  const Query query{.sql = "select $n + 1 as n, $t as t, $x as x, $f as f, $b as b",
                    .form = Form::kNdjson,
                    .parameters = {{"n", int64_t{41}},
                                   {"t", std::string("it's")},
                                   {"x", std::monostate()},
                                   {"f", 0.5},
                                   {"b", true}}};
  ASSERT_TRUE(pool_->Run(a_, query, Lookup(), body).ok());
  EXPECT_EQ(body.text,
            "{\"n\":42,\"t\":\"it's\",\"x\":null,\"f\":0.5,\"b\":true}\n"
            "{\"complete\":true,\"rows\":1}\n");
  EXPECT_TRUE(Ask("select 1 as a", a_, Form::kJson).ends_with("\"complete\":true}\n"));
  const std::string stream = Ask("select range as r from range(200000)", a_, Form::kArrow);
  arrow::io::BufferReader input(arrow::Buffer::FromString(stream));
  const auto reader = arrow::ipc::RecordBatchStreamReader::Open(&input);
  ASSERT_TRUE(reader.ok());
  EXPECT_EQ((*(*reader)->ToTable())->num_rows(), 200'000);
  const std::string file = Ask("select range as r from range(300000)", a_, Form::kParquet);
  const auto batches = columnar::ReadParquet(file);
  ASSERT_TRUE(batches.ok()) << batches.error().ToString();
  int64_t rows = 0;
  for (const auto& batch : *batches) rows += batch->num_rows();
  EXPECT_EQ(rows, 300'000);
}

TEST_F(PoolTest, EndsWhatCannotBeInterruptedAndGoesOn) {
  options_.grace = std::chrono::milliseconds(300);
  StartPool();
  // Planning this takes seconds, and does not look at the clock.
  std::string unions = "select 1";
  while (unions.size() < 60'000) unions += " union all select 1";
  const os::SystemClock clock;
  const os::Monotonic start = clock.Steady();
  const std::string answer =
      Ask(unions, a_, Form::kCsv, {.time_max = std::chrono::milliseconds(50)});
  EXPECT_LT(clock.Steady() - start, std::chrono::seconds(10));
  EXPECT_TRUE(answer.starts_with("SL2201 the query took longer than 50 ms")) << answer;
  EXPECT_EQ(Ask("select 1 as a"), "a\r\n1\r\n");
  const int64_t ended = Ended();
  EXPECT_EQ(Ask("select count(*) from range(100000000) a, range(100000) b", a_, Form::kCsv,
                {.time_max = std::chrono::milliseconds(50)}),
            "SL2201 the query took longer than 50 ms (unavailable)");
  EXPECT_EQ(Ask("select 1 as a"), "a\r\n1\r\n");
  EXPECT_EQ(Ended(), ended) << "this one could be interrupted";
}

// Nothing but the end of its process ends it.
TEST_F(PoolTest, EndsAProcessThatDoesNotAnswerWhenItsTimeIsOverOrItIsToldToStop) {
  options_.workers_max = 1;
  options_.grace = std::chrono::milliseconds(200);
  StartPool();
  const os::SystemClock clock;
  for (const bool told : {false, true}) {
    std::stop_source stop;
    Body body;
    body.on_write = [&] {
      SignalWorkers(SIGSTOP);
      if (told) stop.request_stop();
    };
    const std::chrono::milliseconds time_max(told ? 60'000 : 2'000);
    Diagnostic diagnosis;
    const os::Monotonic start = clock.Steady();
    const auto outcome = pool_->Run(a_,
                                    {.sql = "select range from range(1000000000)",
                                     .form = Form::kCsv,
                                     .limits = {.time_max = time_max, .rows_max = 1ll << 40}},
                                    Lookup(), body, stop.get_token(), &diagnosis);
    ASSERT_FALSE(outcome.ok());
    EXPECT_EQ(diagnosis.code, told ? "SL2205" : "SL2201") << outcome.error().ToString();
    EXPECT_LT(clock.Steady() - start, std::chrono::seconds(30));
    EXPECT_EQ(Ended(), told ? 2 : 1);
    EXPECT_EQ(Ask("select 1 as a"), "a\r\n1\r\n");
  }
}

TEST_F(PoolTest, AWorkerThatCannotBeStartedTakesNoPlace) {
  options_.workers_max = 1;
  StartPool();
  // Where its folder should be there is a file.
  std::filesystem::rename(options_.temporary_folder, folder_ + "/moved");
  std::ofstream(options_.temporary_folder) << "x";
  EXPECT_NE(Ask("select 1 as a", b_).find("cannot make"), std::string::npos);
  std::filesystem::remove(options_.temporary_folder);
  EXPECT_EQ(Ask("select 1 as a", b_), "a\r\n1\r\n");
}

TEST_F(PoolTest, AWorkerThatKeepsMuchMemoryIsReplaced) {
  options_.resident_bytes_max = 1;
  StartPool();
  for (int i = 1; i <= 3; ++i) {
    EXPECT_EQ(Ask("select 1 as a"), "a\r\n1\r\n");
    EXPECT_EQ(Ended(), i);
  }
}

TEST_F(PoolTest, AWorkerThatCameNearItsLimitOfMemoryIsReplaced) {
  options_.memory_bytes_max = 16ull << 20;
  options_.resident_bytes_max = 1ull << 40;
  StartPool();
  EXPECT_EQ(Ask("select length(repeat('x', 100000000)) as a"), "a\r\n100000000\r\n");
  EXPECT_EQ(Ended(), 0);
  // Beside half a gigabyte, which its block has, there is room for what is left of the query
  // before.
  EXPECT_EQ(Ask("select length(repeat(repeat('x', 1000), 450000 + r)) as a from range(1) t(r)", a_,
                Form::kCsv, {.time_max = std::chrono::minutes(2)}),
            "a\r\n450000000\r\n");
  EXPECT_EQ(Ended(), 1);
}

TEST_F(PoolTest, BoundsMemoryRowsAndBytes) {
  options_.workers_max = 1;
  StartPool();
  const std::string answer = Ask("select list(md5(range::varchar)) from range(100000000)");
  EXPECT_TRUE(answer.starts_with("SL2202 ")) << answer;
  EXPECT_EQ(Ended(), 1) << "what had no memory left is not used again, and its place is free";
  EXPECT_EQ(Ask("select 1 as a"), "a\r\n1\r\n");
  EXPECT_EQ(Ask("select * from range(1000)", a_, Form::kCsv, {.rows_max = 999}),
            "SL2203 the result has more than 999 rows (unavailable)");
  EXPECT_EQ(
      Ask("select repeat('x', 1000) from range(1000)", a_, Form::kCsv, {.bytes_max = 999'999}),
      "SL2204 the answer has more than 999999 bytes (unavailable)");
}

TEST_F(PoolTest, StopsWhenTold) {
  StartPool();
  std::stop_source stop;
  Body body;
  body.on_write = [&] { stop.request_stop(); };
  Diagnostic diagnosis;
  const Query query{.sql = "select range from range(1000000000)",
                    .form = Form::kCsv,
                    .limits = {.rows_max = 1ll << 40}};
  const auto outcome = pool_->Run(a_, query, Lookup(), body, stop.get_token(), &diagnosis);
  ASSERT_FALSE(outcome.ok());
  EXPECT_EQ(outcome.error().message(), "the query was stopped");
  EXPECT_EQ(diagnosis.code, "SL2205");
  // Nor does a reader who wants no more leave a worker busy.
  body.on_write = nullptr;
  body.status = Unavailable("gone");
  body.writes = 0;
  const auto unread = pool_->Run(a_, query, Lookup(), body);
  ASSERT_FALSE(unread.ok());
  EXPECT_EQ(unread.error().message(), "gone");
  EXPECT_EQ(body.writes, 1) << "it is not asked again";
  EXPECT_EQ(Ask("select 1 as a"), "a\r\n1\r\n");
  EXPECT_LE(Started(), 2);  // The first and a warm one: none had to be ended.
  EXPECT_EQ(Ended(), 0);
}

TEST_F(PoolTest, GivesEachTenantWorkersAndFilesOfItsOwn) {
  options_.workers_max = 1;
  StartPool();
  const std::string secret = WriteFile("b/secret.parquet", Numbers(42, 1));
  duck::Relation& relation = relations_["bronze.t"];
  relation.schema_name = "bronze";
  relation.name = "t";
  relation.schema = Numbers(0, 1)->schema();
  relation.files = {secret};
  // Even when the server itself names the file.
  const std::string answer = Ask("select n from bronze.t");
  EXPECT_TRUE(answer.starts_with("SL2003 ")) << answer;
  EXPECT_EQ(Ask("select n from bronze.t", b_), "n\r\n42\r\n");
  EXPECT_EQ(Ask("select 1 as a"), "a\r\n1\r\n");
  EXPECT_EQ(Started(), 3);

  const Tenant some{.name = "some of b",
                    .files_folders = {folder_ + "/tables/b/one", folder_ + "/tables/nowhere"}};
  EXPECT_TRUE(Ask("select n from bronze.t", some).starts_with("SL2003 "));
  relation.files = {WriteFile("b/one/seen.parquet", Numbers(43, 1))};
  EXPECT_TRUE(Ask("select n from bronze.t", some).starts_with("SL2003 "));  // Was made too late.
  const Tenant now{.name = "some of b, now", .files_folders = some.files_folders};
  EXPECT_EQ(Ask("select n from bronze.t", now), "n\r\n43\r\n");
}

TEST_F(PoolTest, LosesNoMoreThanTheQueryWhenAWorkerDies) {
  options_.workers_max = 2;
  StartPool();
  Body body;
  std::atomic<bool> killed = false;
  body.on_write = [&] {
    if (killed.exchange(true)) return;
    SignalWorkers(SIGKILL);  // As the kernel would, out of memory.
  };
  Diagnostic diagnosis;
  const auto outcome = pool_->Run(a_,
                                  {.sql = "select range from range(1000000000)",
                                   .form = Form::kCsv,
                                   .limits = {.rows_max = 1ll << 40}},
                                  Lookup(), body, {}, &diagnosis);
  ASSERT_FALSE(outcome.ok());
  EXPECT_EQ(diagnosis.code, "SL2206");
  EXPECT_NE(outcome.error().message().find("signal 9"), std::string::npos);
  // The warm one is dead, too: the query that gets it fails, the next has a new one.
  std::string answer;
  for (int i = 0; i < 3 && answer != "a\r\n1\r\n"; ++i) answer = Ask("select 1 as a");
  EXPECT_EQ(answer, "a\r\n1\r\n");
}

TEST_F(PoolTest, LetsQueriesWaitAndRefusesTooMany) {
  options_.workers_max = 1;
  options_.waiting_max = 1;
  StartPool();
  std::promise<void> busy;
  Body slow_body;
  std::stop_source stop;
  std::atomic<bool> told = false;
  slow_body.on_write = [&] {
    if (!told.exchange(true)) busy.set_value();
  };
  const std::jthread slow([&] {
    [[maybe_unused]] const auto outcome = pool_->Run(a_,
                                                     {.sql = "select range from range(1000000000)",
                                                      .form = Form::kCsv,
                                                      .limits = {.rows_max = 1ll << 40}},
                                                     Lookup(), slow_body, stop.get_token());
  });
  busy.get_future().wait();
  EXPECT_EQ(Ask("select 1", a_, Form::kCsv, {.time_max = std::chrono::milliseconds(20)}),
            "SL2207 no query worker became free in time (unavailable)");
  std::string waited;
  std::jthread waiting([&] {
    Body body;
    const auto outcome =
        pool_->Run(a_, {.sql = "select 2 as b", .form = Form::kCsv}, Lookup(), body);
    waited = outcome.ok() ? body.text : outcome.error().ToString();
  });
  while (!slow_body.others_wait()) std::this_thread::yield();
  EXPECT_EQ(Ask("select 1"), "SL2207 1 queries wait already; try again (unavailable)");
  stop.request_stop();
  waiting.join();
  EXPECT_EQ(waited, "b\r\n2\r\n");
  EXPECT_EQ(Ask("select 1 as a"), "a\r\n1\r\n");
}

TEST_F(PoolTest, SaysWhereAndWhatWasMeant) {
  StartPool();
  duck::Relation& relation = relations_["bronze.t"];
  relation.schema_name = "bronze";
  relation.name = "t";
  relation.schema = arrow::schema({arrow::field("email", arrow::utf8())});
  const std::string answer = Ask("select 1,\n  lower(emial) from bronze.t");
  EXPECT_TRUE(answer.starts_with("SL2104 ")) << answer;
  EXPECT_EQ(diagnosis_.place.line, 2);
  EXPECT_EQ(diagnosis_.place.column, 9);
  EXPECT_EQ(diagnosis_.suggestion, "did you mean \"email\"?");
  EXPECT_EQ(diagnosis_.place.length, 5);
  for (const char* const text :
       {"select 'äö', lower(emial) from bronze.t",
        "select 'äö' as \"ü\", 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, "
        "14, 15, 16, 17, 18, 19, emial, 20, 21, 22, 23, 24, 25 from bronze.t"}) {
    EXPECT_TRUE(Ask(text).starts_with("SL2104 "));
    EXPECT_EQ(diagnosis_.place.column, std::string_view(text).find("emial") + 1) << text;
  }
  EXPECT_TRUE(Ask("selekt 1").starts_with("SL2001 "));
  EXPECT_TRUE(Ask("select 1; select 2").starts_with("SL2002 "));
  EXPECT_TRUE(Ask("drop table t").starts_with("SL2003 "));
  EXPECT_TRUE(Ask("select $x").starts_with("SL2004 ")) << Ask("select $x");
  EXPECT_TRUE(Ask("select foo(1)").starts_with("SL2105 "));
  EXPECT_TRUE(Ask("select 'x'::int").starts_with("SL2110 ")) << Ask("select 'x'::int");
}

}  // namespace
}  // namespace sluice::worker

int main(int argc, char** argv) {
  if (sluice::worker::IsWorker(argc, argv)) return sluice::worker::RunWorker();
  testing::InitGoogleTest(&argc, argv);
  return RUN_ALL_TESTS();
}
