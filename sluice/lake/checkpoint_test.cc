#include <arrow/api.h>
#include <arrow/io/memory.h>
#include <gtest/gtest.h>
#include <parquet/file_reader.h>
#include <parquet/metadata.h>
#include <sys/resource.h>

#include "sluice/lake/delta_table.h"
#include "sluice/lake/internal/checkpoint.h"
#include "sluice/lake/internal/table_state.h"
#include "sluice/store/faulty_store.h"
#include "sluice/store/memory_store.h"

namespace sluice::lake {
namespace {

using store::StoreCall;

class CheckpointTest : public testing::Test {
 protected:
  void SetUp() override {
    ASSERT_TRUE(table_
                    .Create(arrow::schema({arrow::field("n", arrow::int64()),
                                           arrow::field("day", arrow::date32())}),
                            {.partition_columns = {"day"},
                             .properties = {{"delta.checkpointInterval", "3"}},
                             .description = "events"})
                    .ok());
  }
  std::shared_ptr<const Snapshot> Commit(Version version, std::string_view lines) {
    EXPECT_TRUE(memory_.PutIfAbsent(fmt::format("t/_delta_log/{:020}.json", version), lines).ok());
    const auto loaded = table_.Load();
    EXPECT_TRUE(loaded.ok()) << loaded.error().ToString();
    return *loaded;
  }
  static std::string Add(std::string_view path) {
    return fmt::format(
        "{{\"add\":{{\"path\":\"{}\",\"partitionValues\":{{\"day\":\"2024-01-02\"}},\"size\":9,"
        "\"modificationTime\":5,\"dataChange\":true,\"stats\":\"{{\\\"numRecords\\\":3}}\","
        "\"tags\":{{\"a\":\"b\"}},\"clusteringProvider\":\"liquid\"}}}}\n",
        path);
  }
  static std::string Remove(std::string_view path, int64_t at_ms) {
    return fmt::format(
        "{{\"remove\":{{\"path\":\"{}\",\"deletionTimestamp\":{},\"dataChange\":true,"
        "\"extendedFileMetadata\":true,\"partitionValues\":{{\"day\":null}},\"size\":9}}}}\n",
        path, at_ms);
  }
  static const internal::TableState& State(const std::shared_ptr<const Snapshot>& snapshot) {
    return dynamic_cast<const internal::TableState&>(*snapshot);
  }
  void DeleteCommits(Version up_to) {
    for (Version v = 0; v <= up_to; ++v) {
      ASSERT_TRUE(memory_.Delete(fmt::format("t/_delta_log/{:020}.json", v)).ok());
    }
  }

  static constexpr int64_t kNowMs = 1'700'000'000'000;
  store::MemoryStore memory_;
  store::FaultyStore store_{memory_};
  os::SimulatedClock clock_{os::Timestamp(std::chrono::milliseconds(kNowMs))};
  os::SimulatedRandom random_{1};
  DeltaTable table_{store_, "t", clock_, random_};
};

TEST_F(CheckpointTest, HoldsTheWholeState) {
  Commit(1,
         Add("day=2024-01-02/a%20b") + Add("c") +
             "{\"txn\":{\"appId\":\"app\",\"version\":7,\"lastUpdated\":8}}\n"
             "{\"txn\":{\"appId\":\"app2\",\"version\":-7}}\n"
             "{\"domainMetadata\":{\"domain\":\"d\",\"configuration\":\"{}\",\"removed\":false}}");
  const auto before = Commit(2, Remove("c", kNowMs) + Remove("old", 1));
  ASSERT_TRUE(table_.WriteCheckpoint(*before).ok());
  DeleteCommits(2);
  const auto loaded = table_.Load();
  ASSERT_TRUE(loaded.ok()) << loaded.error().ToString();
  const internal::TableState& after = State(*loaded);
  EXPECT_EQ(after.version(), 2);
  EXPECT_EQ(after.metadata(), State(before).metadata());
  EXPECT_EQ(after.protocol(), State(before).protocol());
  EXPECT_EQ(after.TransactionVersion("app"), 7);
  EXPECT_EQ(after.transactions().at("app").last_updated_ms, 8);
  EXPECT_EQ(after.TransactionVersion("app2"), -7);
  EXPECT_EQ(after.domains().at("d").configuration, "{}");
  ASSERT_EQ(after.files().size(), 1U);
  EXPECT_EQ(after.files()[0].path, "day=2024-01-02/a%20b");
  EXPECT_EQ(after.files()[0].partition_values.at("day"), "2024-01-02");
  EXPECT_EQ(after.files()[0].size, 9);
  EXPECT_EQ(after.files()[0].modified_ms, 5);
  EXPECT_EQ(after.files()[0].rows, 3);
  EXPECT_EQ(after.files()[0].tags->at("a"), "b");
  EXPECT_EQ(after.files()[0].clustering_provider, "liquid");
  // The tombstone of last millennium has expired.
  ASSERT_EQ(after.tombstones().size(), 1U);
  EXPECT_EQ(after.tombstones()[0].path, "c");
  EXPECT_EQ(after.tombstones()[0].size, 9);
  EXPECT_EQ(after.tombstones()[0].extended, true);

  // Commits on top of it, and a remove of what lies in it.
  const auto next = Commit(3, Remove("day=2024-01-02/a%20b", kNowMs) + Add("e"));
  ASSERT_EQ(next->files().size(), 1U);
  EXPECT_EQ(next->files()[0].path, "e");
}

TEST_F(CheckpointTest, ForgetsOldTransactionsButNeverThoseOfLandings) {
  const auto created = table_.Load();
  ASSERT_TRUE(created.ok());
  DeltaTable table(store_, "u", clock_, random_);
  auto snapshot =
      table.Create((*created)->schema(),
                   {.properties = {{"delta.setTransactionRetentionDuration", "interval 1 days"}}});
  ASSERT_TRUE(snapshot.ok()) << snapshot.error().ToString();
  constexpr int64_t kDayMs = 86'400'000;
  AppendOptions options;
  for (const auto& [app, age_ms] : std::map<std::string, int64_t>{{"old", 2 * kDayMs},
                                                                  {"young", kDayMs / 2},
                                                                  {"sluice/j/1-1", 2 * kDayMs},
                                                                  {"sluice/j/1-1#lost", kNowMs}}) {
    options.transactions.push_back(
        {.app_id = app, .version = 3, .last_updated_ms = kNowMs - age_ms});
  }
  snapshot = table.Append(*snapshot, {}, options);
  ASSERT_TRUE(snapshot.ok()) << snapshot.error().ToString();
  ASSERT_TRUE(table.WriteCheckpoint(**snapshot).ok());
  ASSERT_TRUE(memory_.Delete("u/_delta_log/00000000000000000000.json").ok());
  ASSERT_TRUE(memory_.Delete("u/_delta_log/00000000000000000001.json").ok());
  const auto loaded = table.Load();
  ASSERT_TRUE(loaded.ok()) << loaded.error().ToString();
  EXPECT_EQ((*loaded)->TransactionVersion("old"), std::nullopt);
  EXPECT_EQ((*loaded)->TransactionVersion("young"), 3);
  EXPECT_EQ((*loaded)->TransactionVersion("sluice/j/1-1"), 3);
  EXPECT_EQ((*loaded)->TransactionVersion("sluice/j/1-1#lost"), 3);
}

TEST_F(CheckpointTest, IsCompressedAndInGroupsByItsSize) {
  struct Case {
    int files;
    int groups;
    bool compressed;
  };
  Version version = 0;
  int files = 0;
  for (const Case& expected : {Case{10, 1, false}, Case{100, 1, true}, Case{2000, 2, true}}) {
    SCOPED_TRACE(expected.files);
    std::string adds;
    for (; files < expected.files; ++files) adds += Add(fmt::format("f{}", files));
    const auto snapshot = Commit(++version, adds);
    const auto written = internal::WriteCheckpoint(State(snapshot), kNowMs);
    ASSERT_TRUE(written.ok()) << written.error().ToString();
    const auto metadata =
        parquet::ParquetFileReader::Open(std::make_shared<arrow::io::BufferReader>(
                                             std::make_shared<arrow::Buffer>(written->bytes)))
            ->metadata();
    EXPECT_EQ(metadata->num_row_groups(), expected.groups);
    for (int group = 0; group < metadata->num_row_groups(); ++group) {
      EXPECT_EQ(
          metadata->RowGroup(group)->ColumnChunk(0)->compression(),
          expected.compressed ? parquet::Compression::ZSTD : parquet::Compression::UNCOMPRESSED);
    }
    ASSERT_TRUE(table_.WriteCheckpoint(*snapshot).ok());
    EXPECT_EQ((*table_.Load())->files().size(), static_cast<size_t>(expected.files));
  }
}

TEST_F(CheckpointTest, IsDueByTheTablesInterval) {
  auto snapshot = *table_.Load();
  EXPECT_FALSE(CheckpointDue(*snapshot));
  Commit(1, Add("a"));
  snapshot = Commit(2, Add("b"));
  EXPECT_TRUE(CheckpointDue(*snapshot));  // Three commits.
  ASSERT_TRUE(table_.WriteCheckpoint(*snapshot).ok());
  EXPECT_FALSE(CheckpointDue(*snapshot));
  Commit(3, Add("c"));
  snapshot = *table_.Load(snapshot);
  EXPECT_FALSE(CheckpointDue(*snapshot));
  Commit(4, Add("d"));
  Commit(5, Add("e"));
  const auto theirs = *table_.Load();
  snapshot = *table_.Load(snapshot);
  EXPECT_TRUE(CheckpointDue(*snapshot));
  // Another program writes it: ours hears of it with the next commit.
  ASSERT_TRUE(table_.WriteCheckpoint(*theirs).ok());
  Commit(6, Add("f"));
  snapshot = *table_.Load(snapshot);
  EXPECT_FALSE(CheckpointDue(*table_.Load().value()));
}

// Each names all files, so where commits are small they would cost more than all else.
TEST_F(CheckpointTest, IsDueLessOftenWhereFilesAreMany) {
  const auto schema = arrow::schema({arrow::field("a", arrow::int64())});
  for (const auto& [files, interval] :
       std::map<int, Version>{{1, 10}, {2'100, 10}, {4'000, 20}, {30'000, 50}}) {
    DeltaTable table(store_, fmt::format("files-{}", files), clock_, random_);
    ASSERT_TRUE(table.Create(schema, {}).ok());
    std::string lines;
    for (int i = 0; i < files; ++i) {
      lines += fmt::format(
          "{{\"add\":{{\"path\":\"{}\",\"partitionValues\":{{}},\"size\":9,"
          "\"modificationTime\":5,\"dataChange\":true}}}}\n",
          i);
    }
    const std::string path = fmt::format("files-{}/_delta_log/{:020}.json", files, 1);
    ASSERT_TRUE(memory_.PutIfAbsent(path, lines).ok());
    auto snapshot = *table.Load();
    ASSERT_TRUE(table.WriteCheckpoint(*snapshot).ok());
    for (Version i = 1; i <= interval; ++i) {
      EXPECT_FALSE(CheckpointDue(*snapshot)) << files << " files, after " << i - 1;
      EXPECT_FALSE(CompactionDue(*snapshot));
      snapshot = *table.Append(snapshot, {}, {.transactions = {{.app_id = "x", .version = i}}});
    }
    EXPECT_TRUE(CheckpointDue(*snapshot)) << files << " files, after " << interval;
  }
}

// Spark has read the size of a checkpoint from its listing, and fails on one that was replaced.
TEST_F(CheckpointTest, NeverReplacesTheOneThatAnotherWriterWrote) {
  const auto snapshot = Commit(1, Add("a"));
  const std::string path = "t/_delta_log/00000000000000000001.checkpoint.parquet";
  ASSERT_TRUE(memory_.Put(path, "theirs").ok());
  ASSERT_TRUE(table_.WriteCheckpoint(*snapshot).ok());
  EXPECT_EQ(*memory_.Get(path), "theirs");
  EXPECT_FALSE(memory_.Get("t/_delta_log/_last_checkpoint").ok());
}

TEST_F(CheckpointTest, IsReadWhateverTheHintSays) {
  const auto one = Commit(1, Add("a"));
  ASSERT_TRUE(table_.WriteCheckpoint(*one).ok());
  const auto two = Commit(2, Add("b"));
  ASSERT_TRUE(table_.WriteCheckpoint(*two).ok());
  Commit(3, Add("c"));
  for (const std::string_view hint : {R"({"version":1})", R"({"version":2})", R"({"version":9})",
                                      R"({"version":-4})", "damaged", "", R"({"version":"2"})"}) {
    ASSERT_TRUE(memory_.Put("t/_delta_log/_last_checkpoint", hint).ok());
    const auto loaded = table_.Load();
    ASSERT_TRUE(loaded.ok()) << hint << loaded.error().ToString();
    EXPECT_EQ((*loaded)->version(), 3) << hint;
    EXPECT_EQ((*loaded)->files().size(), 3U) << hint;
    EXPECT_EQ((*table_.LoadAt(1))->files().size(), 1U) << hint;
    EXPECT_EQ((*table_.LoadAt(0))->files().size(), 0U) << hint;
  }
}

TEST_F(CheckpointTest, IsNotNeededWhenDamaged) {
  const auto one = Commit(1, Add("a"));
  ASSERT_TRUE(table_.WriteCheckpoint(*one).ok());
  const auto two = Commit(2, Add("b"));
  ASSERT_TRUE(table_.WriteCheckpoint(*two).ok());
  const std::string path = "t/_delta_log/00000000000000000002.checkpoint.parquet";
  const std::string whole = *memory_.Get(path);
  ASSERT_TRUE(memory_.Put(path, whole.substr(0, whole.size() / 2)).ok());
  EXPECT_EQ((*table_.Load())->files().size(), 2U);  // The older one, or the commits.
  DeleteCommits(2);
  EXPECT_EQ(table_.Load().error().code(), ErrorCode::kCorrupt);
}

TEST_F(CheckpointTest, SizesOfDamagedPagesAreNotBelieved) {
  const auto state = Commit(1, Add("a") + Add("b"));
  const auto good = internal::WriteCheckpoint(State(state), kNowMs);
  ASSERT_TRUE(good.ok()) << good.error().ToString();
  // Nearly 2 GiB, in place of the numbers that follow the kind of page: its sizes.
  const std::string huge = "\xfe\xff\xff\xff\x0f";
  int pages = 0;
  for (const std::string_view begin : {std::string_view("\x15\x00\x15", 3), {"\x15\x04\x15", 3}}) {
    for (size_t at = good->bytes.find(begin); at != std::string::npos;
         at = good->bytes.find(begin, at + 1)) {
      ++pages;
      for (size_t place = at + 3; place < at + 7; ++place) {
        std::string damaged = good->bytes;
        damaged.replace(place, 1, huge);
        (void)internal::ReadCheckpoint(damaged, [](internal::Actions) {});
      }
    }
  }
  EXPECT_GT(pages, 10);
#ifdef __SANITIZE_ADDRESS__
  constexpr int64_t kMiBMax = 1'536;  // The sanitizer keeps what was freed, and room around it.
#else
  constexpr int64_t kMiBMax = 512;
#endif
  rusage usage{};
  ASSERT_EQ(getrusage(RUSAGE_SELF, &usage), 0);
  EXPECT_LT(usage.ru_maxrss, kMiBMax << 10) << "KiB";
}

TEST_F(CheckpointTest, SparesReadingWhatLiesBeforeIt) {
  Commit(1, Add("a"));
  const auto two = Commit(2, Add("b"));
  ASSERT_TRUE(table_.WriteCheckpoint(*two).ok());
  Commit(3, Add("c"));
  std::vector<std::string> read;
  store_.Observe([&](StoreCall call, std::string_view path) {
    if (call != StoreCall::kGet && call != StoreCall::kGetRange) return;
    std::string name(path.substr(path.rfind('/') + 1));
    if (read.empty() || read.back() != name) read.push_back(std::move(name));
  });
  ASSERT_TRUE(table_.Load().ok());
  EXPECT_EQ(read, (std::vector<std::string>{"_last_checkpoint", "00000000000000000003.json",
                                            "00000000000000000002.checkpoint.parquet"}));
}

TEST_F(CheckpointTest, IsReadWhereTheCommitsSinceAStateAreGone) {
  const auto known = Commit(1, Add("a"));
  Commit(2, Add("b"));
  ASSERT_TRUE(table_.WriteCheckpoint(*Commit(3, Add("c"))).ok());
  DeleteCommits(2);
  Commit(4, Add("d"));
  const auto newest = table_.Load(known);
  ASSERT_TRUE(newest.ok()) << newest.error().ToString();
  EXPECT_EQ((*newest)->version(), 4);
  EXPECT_EQ((*newest)->files().size(), 4U);
}

// Though the checkpoint is all that is read of its version, and the clock went back.
TEST_F(CheckpointTest, ItsVersionIsFollowedByALaterTime) {
  DeltaTable table(store_, "timed", clock_, random_);
  ASSERT_TRUE(table
                  .Create(arrow::schema({arrow::field("n", arrow::int64())}),
                          {.properties = {{"delta.enableInCommitTimestamps", "true"}}})
                  .ok());
  const auto append = [&](int64_t version) {
    return table.Append(
        nullptr, {},
        {.transactions = {{.app_id = "a", .version = version, .last_updated_ms = {}}}});
  };
  clock_.Advance(std::chrono::hours(5));
  const auto first = append(1);
  ASSERT_TRUE(first.ok()) << first.error().ToString();
  ASSERT_TRUE(table.WriteCheckpoint(**first).ok());
  clock_.SetWall(clock_.Now() - std::chrono::hours(3));
  ASSERT_TRUE(append(2).ok());
  const auto time_of = [&](Version version) {
    const std::string text = *memory_.Get(fmt::format("timed/_delta_log/{:020}.json", version));
    const std::string_view key = "\"inCommitTimestamp\":";
    return std::stoll(text.substr(text.find(key) + key.size()));
  };
  EXPECT_GT(time_of(2), time_of(1));
}

TEST_F(CheckpointTest, OfTheSecondKindIsReadWithItsSidecars) {
  const auto one = Commit(1, Add("a") + Add("b"));
  ASSERT_TRUE(table_.WriteCheckpoint(*one).ok());
  // A V2 checkpoint in JSON; our classic one serves as a sidecar: its other actions are the same.
  const std::string classic = "t/_delta_log/00000000000000000001.checkpoint.parquet";
  ASSERT_TRUE(memory_.Put("t/_delta_log/_sidecars/s1.parquet", *memory_.Get(classic)).ok());
  ASSERT_TRUE(memory_.Delete(classic).ok());
  const std::string first = *memory_.Get("t/_delta_log/00000000000000000000.json");
  ASSERT_TRUE(memory_
                  .Put("t/_delta_log/00000000000000000001.checkpoint."
                       "80a083e8-7026-4e79-81be-64bd76c43a11.json",
                       "{\"checkpointMetadata\":{\"version\":1}}\n"
                       "{\"sidecar\":{\"path\":\"s1.parquet\",\"sizeInBytes\":1,"
                       "\"modificationTime\":1}}\n" +
                           first.substr(first.find("{\"protocol\"")))
                  .ok());
  DeleteCommits(1);
  Commit(2, Remove("a", kNowMs));
  const auto loaded = table_.Load();
  ASSERT_TRUE(loaded.ok()) << loaded.error().ToString();
  ASSERT_EQ((*loaded)->files().size(), 1U);
  EXPECT_EQ((*loaded)->files()[0].path, "b");
}

TEST_F(CheckpointTest, OfTheSecondKindIsWrittenWhereTheTableAsksForIt) {
  DeltaTable table(store_, "v2", clock_, random_);
  const auto created = table.Create(arrow::schema({arrow::field("n", arrow::int64())}),
                                    {.properties = {{"delta.checkpointPolicy", "v2"}}});
  ASSERT_TRUE(created.ok()) << created.error().ToString();
  EXPECT_EQ((*created)->reader_features(), std::vector<std::string>{"v2Checkpoint"});
  arrow::Int64Builder numbers;
  ASSERT_TRUE(numbers.AppendValues({1, 2, 3}).ok());
  NewFile file;
  file.batches = {arrow::RecordBatch::Make((*created)->schema(), 3, {*numbers.Finish()})};
  std::shared_ptr<const Snapshot> newest;
  for (int64_t i = 0; i < 3; ++i) {
    const auto appended =
        table.Append(nullptr, std::vector{file},
                     {.transactions = {{.app_id = "a", .version = i, .last_updated_ms = {}}}});
    ASSERT_TRUE(appended.ok()) << appended.error().ToString();
    newest = *appended;
  }
  ASSERT_TRUE(table.WriteCheckpoint(*newest).ok());
  EXPECT_EQ(memory_.List("v2/_delta_log/_sidecars/")->size(), 1U);
  const auto log = memory_.List("v2/_delta_log/0");
  for (const auto& object : *log) {
    EXPECT_NE(object.path, "v2/_delta_log/00000000000000000003.checkpoint.parquet");
    if (!object.path.ends_with(".json")) continue;
    ASSERT_TRUE(memory_.Delete(object.path).ok());
  }
  const auto loaded = table.Load();
  ASSERT_TRUE(loaded.ok()) << loaded.error().ToString();
  EXPECT_EQ((*loaded)->version(), 3);
  EXPECT_EQ((*loaded)->TransactionVersion("a"), 2);
  EXPECT_EQ((*loaded)->table_id(), newest->table_id());
  ASSERT_EQ((*loaded)->files().size(), 3U);
  for (size_t i = 0; i < 3; ++i) {
    EXPECT_EQ((*loaded)->files()[i].path, newest->files()[i].path);
    EXPECT_EQ((*loaded)->files()[i].stats, newest->files()[i].stats);
  }
}

TEST_F(CheckpointTest, CompactedCommitsStandForThoseTheyWereMadeOf) {
  const auto one = Commit(1, Add("a") + Add("b"));
  Commit(
      2,
      Remove("a", kNowMs) + "{\"txn\":{\"appId\":\"x\",\"version\":7}}\n" +
          "{\"domainMetadata\":{\"domain\":\"d\",\"configuration\":\"{}\",\"removed\":false}}\n");
  Commit(3,
         Add("c") +
             "{\"domainMetadata\":{\"domain\":\"d\",\"configuration\":\"\",\"removed\":true}}\n");
  const auto newest = Commit(4, Add("d"));
  EXPECT_EQ(table_.CompactLog(*newest, 2, 2).error().code(), ErrorCode::kInvalid);
  EXPECT_EQ(table_.CompactLog(*newest, 2, 5).error().code(), ErrorCode::kInvalid);
  ASSERT_TRUE(table_.CompactLog(*newest, 2, 3).ok());
  ASSERT_TRUE(table_.CompactLog(*newest, 2, 3).ok());  // It is there: as good.

  std::vector<std::string> read;
  store_.Observe([&](StoreCall call, std::string_view path) {
    if (call != StoreCall::kGet && call != StoreCall::kGetRange) return;
    std::string name(path.substr(path.rfind('/') + 1));
    if (read.empty() || read.back() != name) read.push_back(std::move(name));
  });
  const auto check = [&] {
    const auto loaded = table_.Load();
    ASSERT_TRUE(loaded.ok()) << loaded.error().ToString();
    ASSERT_EQ((*loaded)->files().size(), newest->files().size());
    for (size_t i = 0; i < newest->files().size(); ++i) {
      EXPECT_EQ((*loaded)->files()[i].path, newest->files()[i].path);
      EXPECT_EQ((*loaded)->files()[i].stats, newest->files()[i].stats);
      EXPECT_EQ(*(*loaded)->files()[i].tags, *newest->files()[i].tags);
      EXPECT_EQ((*loaded)->files()[i].clustering_provider, newest->files()[i].clustering_provider);
    }
    EXPECT_EQ((*loaded)->TransactionVersion("x"), 7);
    EXPECT_TRUE(State(*loaded).domains().empty());
    ASSERT_EQ(State(*loaded).tombstones().size(), 1U);
    EXPECT_EQ(State(*loaded).tombstones()[0].path, "a");
    EXPECT_EQ(State(*loaded).tombstones()[0].deletion_ms, kNowMs);
  };
  check();
  EXPECT_EQ(read,
            (std::vector<std::string>{"_last_checkpoint", "00000000000000000004.json",
                                      "00000000000000000002.00000000000000000003.compacted.json",
                                      "00000000000000000001.json", "00000000000000000000.json"}));
  // On top of a checkpoint, too; and at its own end, where it lacks what only the commit has.
  ASSERT_TRUE(table_.WriteCheckpoint(*one).ok());
  check();
  EXPECT_EQ((*table_.LoadAt(3))->files().size(), 2U);
  // Half of what it stands for is in a checkpoint: not used.
  ASSERT_TRUE(table_.WriteCheckpoint(**table_.LoadAt(2)).ok());
  read.clear();
  check();
  for (const std::string& name : read) EXPECT_EQ(name.find("compacted"), std::string::npos) << name;
  // Damaged: the commits are there.
  for (const auto& name : {"00000000000000000002.checkpoint.parquet", "_last_checkpoint"}) {
    ASSERT_TRUE(memory_.Delete(fmt::format("t/_delta_log/{}", name)).ok());
  }
  const std::string compacted =
      "t/_delta_log/00000000000000000002.00000000000000000003.compacted.json";
  const std::string whole = *memory_.Get(compacted);
  ASSERT_TRUE(memory_.Put(compacted, "{").ok());
  check();
  // And it does for them where they are gone.
  ASSERT_TRUE(memory_.Put(compacted, whole).ok());
  for (const int version : {2, 3}) {
    ASSERT_TRUE(memory_.Delete(fmt::format("t/_delta_log/{:020}.json", version)).ok());
  }
  check();
}

TEST_F(CheckpointTest, CompactionIsDueEveryTenCommitsWhereCheckpointsAreFarApart) {
  const auto schema = arrow::schema({arrow::field("a", arrow::int64())});
  for (const auto& [interval, expected] : std::map<std::string, std::string>{
           {"10", ""}, {"20", ""}, {"21", "1-10 11-20 "}, {"100", "1-10 11-20 "}}) {
    DeltaTable table(store_, "interval-" + interval, clock_, random_);
    auto snapshot = *table.Create(schema, {.properties = {{"delta.checkpointInterval", interval}}});
    std::string due;
    for (int i = 0; i < 20; ++i) {
      snapshot = *table.Append(snapshot, {}, {.transactions = {{.app_id = "x", .version = i}}});
      if (const auto range = CompactionDue(*snapshot)) {
        due += fmt::format("{}-{} ", range->first, range->last);
        EXPECT_TRUE(table.CompactLog(*snapshot, range->first, range->last).ok());
      }
    }
    EXPECT_EQ(due, expected) << interval;
    EXPECT_EQ((*table.Load())->TransactionVersion("x"), 19);
    ASSERT_TRUE(table.WriteCheckpoint(*snapshot).ok());
    EXPECT_FALSE(CompactionDue(*snapshot));  // It stands for them already.
  }
}

}  // namespace
}  // namespace sluice::lake
