#include "sluice/land/maintenance.h"

#include <arrow/io/memory.h>
#include <parquet/file_reader.h>
#include <parquet/metadata.h>

#include <chrono>

#include "sluice/land/internal/landing_table.h"
#include "sluice/ledger/proof.h"
#include "sluice/os/expiry_clock.h"

namespace sluice::land {
namespace {

using std::chrono::hours;
using std::chrono::microseconds;
using std::chrono::seconds;

class MaintenanceTest : public LandingTable {
 protected:
  MaintenanceTest() {
    pace_.processor_time = [this] { return processor_; };
    pace_.wait = [this](microseconds time) {
      waited_ += time;
      clock_.Advance(time);
      return !stop_;
    };
  }

  /// Lands so many files of one row.
  void LandFiles(int count, int day = 1) {
    for (int i = 0; i < count; ++i) {
      Add({day});
      clock_.Advance(seconds(1));
      ASSERT_TRUE(lander_->LandAll().ok());
    }
  }

  Maintenance Make() { return {options_m_, pace_, *lander_, clock_, metrics_}; }
  std::vector<MaintenanceRun> Runs() { return lander_->maintenance().List(); }

  size_t FilesInStore() {
    const auto objects = memory_.List(fmt::format("{}/event_date", kRoot));
    return objects.ok() ? objects->size() : 0;
  }

  void ExpectBalanced() {
    const auto table = Other();
    const auto proof = ledger::Prove(table, *table.Load(), {.end = next_});
    ASSERT_TRUE(proof.ok()) << proof.error().ToString();
    EXPECT_TRUE(proof->Balanced()) << proof->faults.front();
    EXPECT_EQ(proof->landed, next_);
  }

  MaintenanceOptions options_m_{.every = seconds(10), .files_min = 4};
  PaceOptions pace_;
  microseconds processor_{};
  microseconds waited_{};
  bool stop_ = false;
};

TEST_F(MaintenanceTest, SmallFilesBecomeOneAndReadersSeeTheSame) {
  Maintenance maintenance = Make();
  LandFiles(3);
  ASSERT_TRUE(maintenance.Look());
  EXPECT_EQ(Table().files, 3) << "too few of a day that is being written";
  LandFiles(5);
  ASSERT_TRUE(maintenance.Look());
  EXPECT_EQ(Table().files, 1);
  EXPECT_EQ(Seen(), UpTo(8));
  EXPECT_EQ(Table().landed, 7);
  ExpectBalanced();
  ASSERT_EQ(Runs().size(), 1u);
  const MaintenanceRun run = Runs().front();
  EXPECT_EQ(run.action, "compact");
  EXPECT_EQ(run.outcome, "done") << run.reason;
  EXPECT_EQ(run.files_before, 8);
  EXPECT_EQ(run.files_after, 1);
  EXPECT_EQ(run.version, Table().version);
  LandFiles(2);
  EXPECT_EQ(Seen(), UpTo(10)) << "landing goes on";
  ExpectBalanced();
}

TEST_F(MaintenanceTest, FilesAreWrittenAsLandingWritesThem) {
  options_.compression = columnar::Compression::kNone;
  Restart("journal-1");
  Maintenance maintenance = Make();
  LandFiles(4);
  ASSERT_TRUE(maintenance.Look());
  ASSERT_EQ(Table().files, 1);
  const auto snapshot = *Other().Load();
  const lake::DataFile file = snapshot->files()[0];
  EXPECT_EQ(lake::MaximumOf(file, "_offset"), 3) << file.stats;
  EXPECT_EQ(file.stats.find("\"_id\""), std::string::npos) << file.stats;
  const std::string bytes = *memory_.Get(Other().StorePath(file));
  const auto reader = parquet::ParquetFileReader::Open(
      std::make_shared<arrow::io::BufferReader>(arrow::Buffer::FromString(bytes)));
  const auto group = reader->metadata()->RowGroup(0);
  int filters = 0;
  for (int i = 0; i < group->num_columns(); ++i) {
    const auto column = group->ColumnChunk(i);
    EXPECT_EQ(column->compression(), parquet::Compression::UNCOMPRESSED);
    if (!column->bloom_filter_offset()) continue;
    ++filters;
    EXPECT_EQ(column->path_in_schema()->ToDotString(), "_id");
  }
  EXPECT_EQ(filters, 1);
}

TEST_F(MaintenanceTest, ADayThatNothingIsWrittenToWaitsForNoMoreFiles) {
  Maintenance maintenance = Make();
  LandFiles(3);
  clock_.Advance(hours(2));
  LandFiles(1, 2);
  ASSERT_TRUE(maintenance.Look());
  EXPECT_EQ(Table().files, 2) << "one of each day";
}

TEST_F(MaintenanceTest, HowManyFilesThereAreIsBounded) {
  Maintenance maintenance = Make();
  int64_t rewritten = 0;
  for (int round = 0; round < 60; ++round) {
    LandFiles(3);
    ASSERT_TRUE(maintenance.Look());
    EXPECT_LE(Table().files, 12);
  }
  for (const MaintenanceRun& run : Runs()) rewritten += run.files_before - run.files_after + 1;
  EXPECT_EQ(Seen(), UpTo(180));
  EXPECT_GT(rewritten, 180);
  ExpectBalanced();
}

TEST_F(MaintenanceTest, OldFilesAreDeletedOnlyAfterTheRetention) {
  options_m_.vacuum_retention = hours(48);
  Maintenance maintenance = Make();
  LandFiles(4);
  ASSERT_TRUE(memory_.Put(fmt::format("{}/event_date=2001-01-01/part-x.parquet", kRoot), "x").ok());
  ASSERT_TRUE(maintenance.Look());
  ASSERT_EQ(Table().files, 1);
  clock_.Advance(hours(47));
  ASSERT_TRUE(maintenance.Look());
  EXPECT_EQ(FilesInStore(), 6u) << "time travel still reads them";
  EXPECT_TRUE(lander_->ViewAt("bronze", "clicks", lake::Version{4}).ok());
  clock_.Advance(hours(2));
  ASSERT_TRUE(maintenance.Look());
  EXPECT_EQ(FilesInStore(), 1u) << "what a writer that died left behind, too";
  EXPECT_EQ(Runs().back().action, "vacuum");
  EXPECT_EQ(Seen(), UpTo(4));
}

// A query reads files of a version that was the newest when it began, whatever the table asks for.
TEST_F(MaintenanceTest, ARetentionOfTheTableIsKeptButForTheTimeOfAQuery) {
  const auto with_retention = [this](const std::string& retention) {
    const std::string path = fmt::format("{}/_delta_log/00000000000000000000.json", kRoot);
    std::string commit = *memory_.Get(path);
    const std::string before = "\"configuration\":{";
    const size_t at = commit.find(before) + before.size();
    commit.replace(at, commit.find('}', at) - at,
                   fmt::format(R"("delta.deletedFileRetentionDuration":"{}")", retention));
    ASSERT_TRUE(memory_.Put(path, commit).ok());
    Restart("journal-1");
  };
  options_m_.vacuum_retention = hours(48);
  LandFiles(4);
  with_retention("interval 0 hours");
  ASSERT_TRUE(Make().Look());
  ASSERT_EQ(Table().files, 1);
  const auto look_after = [this](hours time) {
    Maintenance maintenance = Make();
    clock_.Advance(time);
    ASSERT_TRUE(maintenance.Look());
  };
  clock_.Advance(std::chrono::minutes(20));
  Maintenance soon = Make();
  clock_.Advance(std::chrono::minutes(20));
  ASSERT_TRUE(soon.Look());
  EXPECT_EQ(FilesInStore(), 5u) << "a query may still read them";
  with_retention("interval 10 days");
  look_after(hours(9 * 24));
  EXPECT_EQ(FilesInStore(), 5u);
  look_after(hours(2 * 24));
  EXPECT_EQ(FilesInStore(), 1u);
  EXPECT_EQ(Seen(), UpTo(4));
}

TEST_F(MaintenanceTest, WhatIsLeftForTheNextLookIsDoneThen) {
  options_m_.bytes_max = 1;
  Maintenance maintenance = Make();
  LandFiles(4, 1);
  LandFiles(4, 2);
  ASSERT_TRUE(maintenance.Look());
  EXPECT_EQ(Table().files, 5);
  ASSERT_TRUE(maintenance.Look());
  EXPECT_EQ(Table().files, 2);
}

TEST_F(MaintenanceTest, AClockThatJumpedDeletesNothing) {
  const os::ExpiryClock expiry(clock_);
  options_.expiry = &expiry;
  options_m_.vacuum_retention = hours(48);
  Restart("journal-1");
  Maintenance maintenance = Make();
  LandFiles(4);
  ASSERT_TRUE(maintenance.Look());
  ASSERT_EQ(Table().files, 1);
  ASSERT_EQ(FilesInStore(), 5u);
  const os::Timestamp right = clock_.Now();
  clock_.SetWall(right + hours(24 * 3650));
  clock_.Advance(hours(2));
  LandFiles(12);  // With a checkpoint.
  ASSERT_TRUE(maintenance.Look());
  EXPECT_GE(FilesInStore(), 17u);
  for (lake::Version version = 1; version <= Table().version; ++version) {
    EXPECT_TRUE(lander_->ViewAt("bronze", "clicks", version).ok()) << "the log is whole";
  }
  clock_.SetWall(right + hours(2));
  Restart("journal-1");  // What the checkpoint forgot would be deleted now.
  ASSERT_TRUE(Make().Look());
  clock_.Advance(hours(1));
  ASSERT_TRUE(Make().Look());
  EXPECT_GE(FilesInStore(), 17u);
  EXPECT_EQ(Seen(), UpTo(16));
}

TEST_F(MaintenanceTest, WhatTheTableSaysOfItselfHolds) {
  options_m_.vacuum_retention = hours(1);
  LandFiles(1);
  const std::string path = fmt::format("{}/_delta_log/00000000000000000000.json", kRoot);
  std::string commit = *memory_.Get(path);
  const std::string before = "\"configuration\":{";
  ASSERT_NE(commit.find(before), std::string::npos) << commit;
  commit.insert(commit.find(before) + before.size(), R"("delta.autoOptimize.autoCompact":"false")");
  ASSERT_TRUE(memory_.Put(path, commit).ok());
  Restart("journal-1");
  Maintenance maintenance = Make();
  LandFiles(8);
  ASSERT_TRUE(maintenance.Look());
  EXPECT_EQ(Table().files, 9);
  ASSERT_EQ(Runs().size(), 1u);
  EXPECT_EQ(Runs().front().outcome, "off");
  ASSERT_TRUE(maintenance.Look());
  EXPECT_EQ(Runs().size(), 1u) << "said once";
}

TEST_F(MaintenanceTest, TablesAreClusteredByTheColumnsOfTheirTopic) {
  options_m_.cluster_by = {{"clicks", {"page", "at"}}};
  options_m_.cluster_bytes = 1024;
  LandFiles(41);
  ASSERT_TRUE(Make().Look());
  ASSERT_EQ(Runs().size(), 2u);
  EXPECT_EQ(Runs().front().action, "compact");
  const MaintenanceRun run = Runs().back();
  EXPECT_EQ(run.action, "cluster");
  EXPECT_EQ(run.outcome, "done") << run.reason;
  EXPECT_EQ(run.files_after, Table().files);
  EXPECT_EQ(run.version, Table().version);
  EXPECT_EQ(Seen(), UpTo(41));
  ExpectBalanced();
  const auto snapshot = *Other().Load();
  for (const lake::DataFile& file : snapshot->files()) {
    EXPECT_NE(file.tags, nullptr) << "says by what it is clustered";
  }

  options_m_.cluster_bytes = 1 << 30;  // A few rows wait until their day is quiet.
  Maintenance maintenance = Make();
  LandFiles(3);
  ASSERT_TRUE(maintenance.Look());
  EXPECT_EQ(Runs().size(), 2u);
  clock_.Advance(hours(2));
  ASSERT_TRUE(maintenance.Look());
  ASSERT_EQ(Runs().size(), 3u);
  EXPECT_EQ(Runs().back().action, "compact") << "into a file that was written just now";
  clock_.Advance(hours(2));
  ASSERT_TRUE(maintenance.Look());
  ASSERT_EQ(Runs().size(), 4u);
  EXPECT_EQ(Runs().back().action, "cluster");
  EXPECT_EQ(Seen(), UpTo(44));
  clock_.Advance(hours(2));
  ASSERT_TRUE(maintenance.Look());
  EXPECT_EQ(Runs().size(), 4u);
}

TEST_F(MaintenanceTest, WhyATableCannotBeClusteredIsSaidOnce) {
  options_m_.cluster_by = {{"clicks", {"pages"}}};
  Maintenance maintenance = Make();
  for (int round = 0; round < 3; ++round) {
    LandFiles(1);
    ASSERT_TRUE(maintenance.Look());
  }
  ASSERT_EQ(Runs().size(), 1u);
  EXPECT_EQ(Runs().front().outcome, "off");
  EXPECT_EQ(Runs().front().reason,
            "not clustered: table 'default/bronze/clicks': there is no column 'pages'");
}

TEST_F(MaintenanceTest, ATopicMayBeLeftAlone) {
  options_m_.off = {"clicks"};
  Maintenance maintenance = Make();
  LandFiles(8);
  ASSERT_TRUE(maintenance.Look());
  EXPECT_EQ(Table().files, 8);
  ASSERT_EQ(Runs().size(), 1u);
  EXPECT_EQ(Runs().front().reason, "maintenance of the topic is off");
}

TEST_F(MaintenanceTest, ATableThatDoesNotLandIsLeftAlone) {
  LandFiles(8);
  Restart("journal-2");
  ASSERT_FALSE(Table().stopped.empty());
  ASSERT_TRUE(Make().Look());
  EXPECT_EQ(Table().files, 8);
  ASSERT_EQ(Runs().size(), 1u);
  EXPECT_TRUE(Runs().front().reason.starts_with("landing has stopped: "));
}

TEST_F(MaintenanceTest, WhoIsToldToStopLeavesTheTableAsItIs) {
  Maintenance maintenance = Make();
  LandFiles(8);
  const size_t before = FilesInStore();
  stop_ = true;
  EXPECT_FALSE(maintenance.Look());
  EXPECT_EQ(Table().files, 8);
  EXPECT_EQ(FilesInStore(), before);
  EXPECT_EQ(Runs().back().outcome, "stopped");
  EXPECT_EQ(Seen(), UpTo(8));
}

TEST_F(MaintenanceTest, WhoIsToldToStopDeletesNoMoreFiles) {
  options_m_.files_min = 100;
  LandFiles(1);
  for (int i = 0; i < 5; ++i) {
    const std::string path = fmt::format("{}/event_date=2001-01-01/part-{}.parquet", kRoot, i);
    ASSERT_TRUE(memory_.Put(path, "x").ok());
  }
  clock_.Advance(hours(24 * 8));
  Maintenance maintenance = Make();
  ASSERT_TRUE(maintenance.Look());
  clock_.Advance(std::chrono::minutes(10));
  stop_ = true;
  EXPECT_FALSE(maintenance.Look());
  EXPECT_GE(FilesInStore(), 5u);
}

TEST_F(MaintenanceTest, GivesWayToWhoeverIsFaster) {
  Maintenance maintenance = Make();
  LandFiles(8);
  bool done = false;
  store_.Observe([&](store::StoreCall call, std::string_view path) {
    if (call != store::StoreCall::kPutIfAbsent || path.find(".json") == std::string_view::npos ||
        std::exchange(done, true)) {
      return;
    }
    AppendForeignRow();
  });
  ASSERT_TRUE(maintenance.Look());
  store_.Observe(nullptr);
  EXPECT_TRUE(done);
  EXPECT_EQ(Table().files, 2);
  std::multiset<int64_t> expected = UpTo(8);
  expected.insert(-1);
  EXPECT_EQ(Seen(), expected);
}

TEST_F(MaintenanceTest, WhereverItIsCutShortNothingIsLost) {
  using store::Fault;
  using store::StoreCall;
  for (const StoreCall call : {StoreCall::kGetRange, StoreCall::kList, StoreCall::kPut,
                               StoreCall::kPutIfAbsent, StoreCall::kDelete}) {
    for (const Fault::When when : {Fault::When::kBefore, Fault::When::kAfter}) {
      // Files are read in many small parts: not each of them needs a run of its own.
      for (int skip = 0;; skip += call == StoreCall::kGetRange ? 17 : 1) {
        ASSERT_LT(skip, 500);
        LandFiles(5);
        Maintenance maintenance = Make();
        const int failed = store_.failed();
        store_.Add({.call = call, .when = when, .skip = skip, .times = 1'000'000});
        EXPECT_TRUE(maintenance.Look());
        store_.Clear();
        Restart("journal-1");  // As after a crash.
        EXPECT_EQ(Seen(), UpTo(next_));
        ExpectBalanced();
        if (store_.failed() == failed) break;
        ASSERT_TRUE(Make().Look());
      }
    }
  }
}

TEST_F(MaintenanceTest, ATableThatNothingChangedIsNotReadAtEachLook) {
  Maintenance maintenance = Make();
  LandFiles(8);
  clock_.Advance(hours(1));
  ASSERT_TRUE(maintenance.Look());
  int calls = 0;
  store_.Observe([&](store::StoreCall, std::string_view) { ++calls; });
  for (int i = 0; i < 5; ++i) {
    clock_.Advance(options_m_.every);
    ASSERT_TRUE(maintenance.Look());
  }
  EXPECT_EQ(calls, 0);
  clock_.Advance(hours(1));
  ASSERT_TRUE(maintenance.Look());
  EXPECT_GT(calls, 0) << "another writer may have been there";
  store_.Observe(nullptr);
}

TEST_F(MaintenanceTest, WhatFailedIsNotTriedAgainAtEachLook) {
  Maintenance maintenance = Make();
  LandFiles(8);
  store_.Add({.call = store::StoreCall::kPut, .when = store::Fault::When::kBefore, .times = 1'000});
  store_.Add({.call = store::StoreCall::kPutIfAbsent,
              .when = store::Fault::When::kBefore,
              .times = 1'000});
  ASSERT_TRUE(maintenance.Look());
  ASSERT_EQ(Runs().size(), 1u);
  EXPECT_EQ(Runs().back().outcome, "failed");
  store_.Clear();
  LandFiles(1);
  for (int i = 0; i < 5; ++i) {
    clock_.Advance(options_m_.every);
    ASSERT_TRUE(maintenance.Look());
  }
  EXPECT_EQ(Runs().size(), 1u) << "though rows have landed since";
  clock_.Advance(5 * options_m_.every);
  ASSERT_TRUE(maintenance.Look());
  ASSERT_EQ(Runs().size(), 2u);
  EXPECT_EQ(Runs().back().outcome, "done");
}

TEST_F(MaintenanceTest, AStartDoesNotBeginWithLookingForFiles) {
  const auto leave = [this](const std::string& name) {
    ASSERT_TRUE(memory_.Put(fmt::format("{}/event_date=2001-01-01/{}", kRoot, name), "x").ok());
  };
  LandFiles(1);
  leave("part-x.parquet");
  clock_.Advance(hours(24 * 8));
  Maintenance maintenance = Make();
  ASSERT_TRUE(maintenance.Look());
  EXPECT_EQ(FilesInStore(), 2u);
  clock_.Advance(std::chrono::minutes(10));
  ASSERT_TRUE(maintenance.Look());
  EXPECT_EQ(FilesInStore(), 1u);
}

TEST(PaceTest, WhoIsToldToStopDoesNotWaitForOthers) {
  os::SimulatedClock clock{os::Timestamp(seconds(1))};
  int waits = 0;
  const PaceOptions options{.processor_time = [] { return microseconds(0); },
                            .wait =
                                [&](microseconds) {
                                  ++waits;
                                  return false;
                                },
                            .busy = [&] { return waits < 3; }};
  Pace pace(options, clock);
  EXPECT_FALSE(pace.Keep(0));
  EXPECT_EQ(waits, 1);
}

TEST(PaceTest, WorkWaitsUntilItIsWithinItsShares) {
  os::SimulatedClock clock{os::Timestamp(seconds(1))};
  microseconds processor{};
  microseconds waited{};
  int busy = 0;
  const PaceOptions options{.processor_share = 0.25,
                            .bytes_per_second = 1'000'000,
                            .processor_time = [&] { return processor; },
                            .wait =
                                [&](microseconds time) {
                                  waited += time;
                                  clock.Advance(time);
                                  return true;
                                },
                            .busy = [&] { return busy-- > 0; }};
  Pace pace(options, clock);
  EXPECT_TRUE(pace.Keep(0));
  EXPECT_EQ(waited, seconds(0));
  processor = seconds(1);  // In a second.
  clock.Advance(seconds(1));
  EXPECT_TRUE(pace.Keep(0));
  EXPECT_EQ(waited, seconds(3));
  EXPECT_TRUE(pace.Keep(10'000'000));
  EXPECT_EQ(waited, seconds(9)) << "ten seconds for ten megabytes";
  busy = 5;
  EXPECT_TRUE(pace.Keep(0));
  EXPECT_EQ(waited, seconds(9) + 5 * microseconds(100'000));
}

}  // namespace
}  // namespace sluice::land
