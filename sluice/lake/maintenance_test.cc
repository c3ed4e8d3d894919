#include <gtest/gtest.h>

#include <random>

#include "sluice/lake/compact_files.h"
#include "sluice/lake/internal/changing_table.h"
#include "sluice/lake/internal/file_bins.h"
#include "sluice/lake/vacuum.h"
#include "sluice/os/expiry_clock.h"

namespace sluice::lake {
namespace {

using MaintenanceTest = ChangingTable;
using std::chrono::hours;

size_t CountFiles(const Snapshot& snapshot) {
  size_t count = 0;
  for (const DataFile& file : snapshot.files()) count += file.path.empty() ? 0 : 1;
  return count;
}

TEST_F(MaintenanceTest, SmallFilesOfAPartitionBecomeOne) {
  Create({{"delta.enableDeletionVectors", "true"}, {"delta.enableRowTracking", "true"}}, true);
  for (int64_t file = 0; file < 10; ++file) Append(file * 10, 10, file % 2 == 0 ? "de" : "fr");
  ASSERT_TRUE(DeleteRows(*table_, Parse("id % 10 = 3")).ok());
  const Rows before = Read();
  const auto report = CompactFiles(*table_);
  ASSERT_TRUE(report.ok()) << report.error().message();
  EXPECT_EQ(report->files_removed, 10);
  EXPECT_EQ(report->files_added, 2);
  EXPECT_EQ(report->rows, 90);
  EXPECT_EQ(report->rows_purged, 10);
  EXPECT_EQ(CountFiles(*report->snapshot), 2);
  EXPECT_EQ(Read(), before);  // Row ids, too.
  const auto again = CompactFiles(*table_);
  ASSERT_TRUE(again.ok());
  EXPECT_EQ(again->commits, 0);
}

TEST_F(MaintenanceTest, BinsTakeWhatIsWorthIt) {
  const auto file = [](const char* partition, int64_t size, int64_t deleted) {
    DataFile made{.path = fmt::format("{}{}", partition, size),
                  .partition_values = {{"p", partition}},
                  .size = size,
                  .stats = {},
                  .rows = 100};
    if (deleted > 0) {
      made.deletion_vector = std::make_shared<DeletionVector>(
          DeletionVector{.storage = "u", .data = "", .cardinality = deleted});
    }
    return made;
  };
  const std::vector<DataFile> files = {file("a", 60, 0), file("a", 30, 0),  file("a", 80, 0),
                                       file("a", 20, 0), file("b", 10, 0),  file("c", 90, 50),
                                       file("d", 95, 1), file("d", 200, 31)};
  const auto bins = internal::ChooseBins(files, {.file_bytes = 100, .deleted_part_max = 0.3});
  std::set<std::string> chosen;
  for (const auto& bin : bins) {
    std::string names;
    for (const DataFile& member : bin.files) names += member.path + " ";
    chosen.insert(names);
  }
  EXPECT_EQ(chosen, (std::set<std::string>{"a60 a30 ", "c90 ", "d200 "}));
}

TEST_F(MaintenanceTest, FilesOfOneSizeAreJoinedWhereMoreWillCome) {
  const auto made = [](const char* partition, int64_t size, int64_t at_ms) {
    return DataFile{.path = fmt::format("{}{}", partition, size),
                    .partition_values = {{"p", partition}},
                    .size = size,
                    .modified_ms = at_ms,
                    .stats = {},
                    .rows = 100};
  };
  const internal::BinOptions options{
      .file_bytes = 1000, .tiers = CompactOptions::Tiers{.files_min = 3, .quiet_before_ms = 100}};
  const std::vector<DataFile> files = {
      made("a", 700, 200), made("a", 10, 200), made("a", 11, 200), made("a", 9, 200),
      made("a", 10, 200),                       // Four of one size.
      made("b", 10, 200),  made("b", 10, 200),  // Too few yet.
      made("c", 10, 50),   made("c", 10, 99),   // No more will come.
      made("d", 10, 50),   made("d", 30, 50),   // Not worth it.
      made("e", 20, 200),  made("e", 60, 200), made("e", 10, 200), made("e", 30, 200),
      made("f", 20, 200),  made("f", 10, 200), made("f", 19, 200), made("f", 21, 200)};
  std::vector<std::string> chosen;
  for (const auto& bin : internal::ChooseBins(files, options)) {
    std::string names;
    for (const DataFile& member : bin.files) names += member.path + " ";
    chosen.push_back(names);
  }
  EXPECT_EQ(chosen, (std::vector<std::string>{"c10 c10 ", "a10 a11 a9 a10 ", "f20 f10 f19 f21 "}));
}

// Files of 46 that come one by one, every so many of them a look; full are those of 12,800.
TEST_F(MaintenanceTest, RowsAreWrittenAnewAFewTimesHoweverSmallTheFilesAre) {
  const internal::BinOptions options{.file_bytes = 12'800,
                                     .tiers = CompactOptions::Tiers{.files_min = 8}};
  const auto made = [](int64_t number, int64_t size) {
    return DataFile{.path = std::to_string(number),
                    .partition_values = {},
                    .size = size,
                    .stats = {},
                    .rows = size};
  };
  for (const int64_t look_every : {8, 10, 20, 45}) {
    std::vector<DataFile> files;
    int64_t number = 0;
    int64_t came = 0;
    int64_t written = 0;
    int64_t small_most = 0;
    while (came < 5000) {
      files.push_back(made(++number, 46));
      if (++came % look_every != 0) continue;
      for (const auto& bin : internal::ChooseBins(files, options)) {
        std::set<std::string> gone;
        for (const DataFile& member : bin.files) gone.insert(member.path);
        std::erase_if(files, [&](const DataFile& known) { return gone.contains(known.path); });
        files.push_back(made(++number, bin.bytes));
        written += bin.bytes;
      }
      small_most = std::max<int64_t>(small_most, std::ranges::count_if(files, [](const auto& file) {
                                       return file.size < 6'400;
                                     }));
    }
    EXPECT_LE(written, 7 * came * 46 / 2) << look_every;
    EXPECT_LE(small_most, 10) << look_every;
  }
}

// What is in memory as many bytes may be few in a file: a bin must not become files that are
// chosen again for ever.
TEST_F(MaintenanceTest, ABinBecomesOneFile) {
  Create({}, false);
  for (int64_t file = 0; file < 5; ++file) Append(file * 10'000, 10'000, "de");
  const int64_t bytes = (*(*table_->Load())->files().begin()).size;
  const CompactOptions options{.file_bytes = bytes * 6,
                               .tiers = CompactOptions::Tiers{.files_min = 2}};
  const auto report = CompactFiles(*table_, options);
  ASSERT_TRUE(report.ok()) << report.error().message();
  EXPECT_EQ(report->files_removed, 5);
  EXPECT_EQ(report->files_added, 1);
  EXPECT_EQ(CompactFiles(*table_, options)->commits, 0);
}

TEST_F(MaintenanceTest, CompactionKeepsAPaceAndStopsWhenTold) {
  Create({}, true);
  for (int64_t file = 0; file < 8; ++file) Append(file * 10, 10, file % 2 == 0 ? "de" : "fr");
  const Rows before = Read();
  const auto objects = store_.List(table_->root() + "/")->size();
  int parts = 0;
  int64_t bytes = 0;
  const auto snapshot = *table_->Load();
  const auto stopped = CompactFiles(*table_, {.pace =
                                                  [&](int64_t part) {
                                                    bytes += part;
                                                    return ++parts < 6;
                                                  },
                                              .since = snapshot});
  ASSERT_TRUE(stopped.ok()) << stopped.error().message();
  EXPECT_FALSE(stopped->finished);
  EXPECT_EQ(stopped->files_removed, 4) << "of the partition that was done";
  EXPECT_EQ(store_.List(table_->root() + "/")->size(), objects + 2) << "a file and a commit";
  EXPECT_GT(bytes, 2 * stopped->bytes_removed);
  EXPECT_EQ(Read(), before);
}

TEST_F(MaintenanceTest, CompactionGivesWayToOtherWriters) {
  Create({}, true);
  for (int64_t file = 0; file < 4; ++file) Append(file * 10, 10, file % 2 == 0 ? "de" : "fr");
  bool done = false;
  faulty_.Observe([&](store::StoreCall call, std::string_view) {
    if (call != store::StoreCall::kPutIfAbsent || std::exchange(done, true)) return;
    faulty_.Observe(nullptr);
    Append(100, 10, "de");
    ASSERT_TRUE(DeleteRows(*table_, Parse("country = 'fr' and id < 15")).ok());
  });
  const auto report = CompactFiles(*table_);
  ASSERT_TRUE(report.ok()) << report.error().message();
  EXPECT_EQ(report->files_lost, 2);
  EXPECT_EQ(report->files_removed, 2);  // Those of the other partition.
  EXPECT_EQ(Read().size(), 45);
}

// The file that it has rewritten is there still, and has fewer rows.
TEST_F(MaintenanceTest, CompactionGivesWayToWhoMarksRowsAsDeleted) {
  Create({{"delta.enableDeletionVectors", "true"}}, true);
  for (int64_t file = 0; file < 4; ++file) Append(file * 10, 10, file % 2 == 0 ? "de" : "fr");
  bool done = false;
  faulty_.Observe([&](store::StoreCall call, std::string_view) {
    if (call != store::StoreCall::kPutIfAbsent || std::exchange(done, true)) return;
    faulty_.Observe(nullptr);
    ASSERT_EQ(DeleteRows(*table_, Parse("id = 13"))->files_marked, 1);
  });
  const auto report = CompactFiles(*table_);
  ASSERT_TRUE(report.ok()) << report.error().message();
  EXPECT_EQ(report->files_lost, 2);
  Rows rows = Read();
  EXPECT_EQ(rows.size(), 39U);
  EXPECT_FALSE(rows.contains(13));
}

TEST_F(MaintenanceTest, WhatACompactionOfUnknownOutcomeWroteStays) {
  Create({}, false);
  Append(0, 10, "de");
  Append(10, 10, "de");
  const Rows before = Read();
  const std::string commit = fmt::format("{:020}.json", 3);
  faulty_.Add({.call = store::StoreCall::kPutIfAbsent,
               .when = store::Fault::When::kAfter,
               .path_part = commit});
  faulty_.Add({.call = store::StoreCall::kGet, .path_part = commit, .times = 100});
  const auto report = CompactFiles(*table_);
  ASSERT_FALSE(report.ok());
  EXPECT_EQ(report.error().code(), ErrorCode::kUnavailable);
  faulty_.Clear();
  ASSERT_EQ((*table_->Load())->version(), 3) << "it had landed";
  EXPECT_EQ(Read(), before);
}

TEST_F(MaintenanceTest, CompactionGoesOnWhereAColumnIsAdded) {
  Create({}, false);
  Append(0, 10, "de");
  Append(10, 10, "de");
  bool done = false;
  const std::string root = table_->root();
  faulty_.Observe([&](store::StoreCall call, std::string_view) {
    if (call != store::StoreCall::kPutIfAbsent || std::exchange(done, true)) return;
    DeltaTable other(store_, root, clock_, random_);
    const auto wanted = arrow::schema({arrow::field("more", arrow::utf8())});
    ASSERT_TRUE(other.AddColumns(*other.Load(), wanted).ok());
  });
  const auto report = CompactFiles(*table_);
  ASSERT_TRUE(report.ok()) << report.error().message();
  EXPECT_EQ(report->files_added, 1);
  EXPECT_EQ(Read().size(), 20);
}

TEST_F(MaintenanceTest, AChangeIsMadeAgainWhenCompactionWins) {
  Create({}, false);
  Append(0, 10, "de");
  Append(10, 10, "de");
  bool done = false;
  faulty_.Observe([&](store::StoreCall call, std::string_view) {
    if (call != store::StoreCall::kPutIfAbsent || std::exchange(done, true)) return;
    faulty_.Observe(nullptr);
    ASSERT_TRUE(CompactFiles(*table_).ok());
  });
  const auto report = DeleteRows(*table_, Parse("id = 5"));
  ASSERT_TRUE(report.ok()) << report.error().message();
  EXPECT_EQ(report->conflicts, 1);
  EXPECT_EQ(Read().size(), 19);
}

TEST_F(MaintenanceTest, VacuumTakesWhatNoVersionNeeds) {
  Create({{"delta.enableDeletionVectors", "true"}, {"delta.enableChangeDataFeed", "true"}}, true);
  Append(0, 10, "de");
  Append(10, 10, "de");
  ASSERT_TRUE(DeleteRows(*table_, Parse("id = 3 or id = 13")).ok());
  ASSERT_TRUE(
      UpdateRows(*table_, std::vector<Assignment>{{"amount", Parse("1")}}, Parse("id = 4")).ok());
  ASSERT_TRUE(CompactFiles(*table_).ok());
  const std::string stranger = table_->root() + "/country=de/left-over.parquet";
  ASSERT_TRUE(store_.Put(stranger, "x").ok());
  ASSERT_TRUE(store_.Put(table_->root() + "/_other/file", "x").ok());
  const auto count = [&] {
    const auto objects = store_.List(table_->root() + "/");
    return std::ranges::count_if(*objects, [](const auto& object) {
      return object.path.find("_delta_log") == std::string::npos;
    });
  };
  const auto all = count();
  const auto young = Vacuum(*table_);
  ASSERT_TRUE(young.ok()) << young.error().message();
  EXPECT_EQ(young->files_deleted, 0);
  const auto refused = Vacuum(*table_, {.retention = hours(1)});
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().code(), ErrorCode::kInvalid);

  clock_.Advance(hours(24 * 8));
  const Rows before = Read();
  const auto dry = Vacuum(*table_, {.dry_run = true});
  ASSERT_TRUE(dry.ok());
  EXPECT_EQ(count(), all);
  const auto used = Vacuum(*table_, {.dry_run = true, .in_use = [](std::string_view path) {
                                       return path.find("left-over") != std::string_view::npos;
                                     }});
  EXPECT_EQ(used->files_in_use, 1);
  const auto done = Vacuum(*table_);
  ASSERT_TRUE(done.ok()) << done.error().message();
  EXPECT_EQ(done->files_deleted, dry->files_deleted);
  EXPECT_EQ(count(), 2);  // The compacted file, and the one that is not ours.
  EXPECT_EQ(Read(), before);
  EXPECT_TRUE(store_.Get(table_->root() + "/_other/file").ok());
}

TEST_F(MaintenanceTest, WhatWasRemovedUnderAClockThatWasBehindIsKeptForItsTime) {
  const os::ExpiryClock expiry(clock_);
  Create({{"delta.enableDeletionVectors", "true"}}, false);
  table_ = std::make_unique<DeltaTable>(faulty_, table_->root(), clock_, random_, nullptr, &expiry);
  clock_.SetWall(clock_.Now() - hours(24 * 10));
  Append(0, 10, "de");
  Append(10, 10, "de");
  ASSERT_TRUE(DeleteRows(*table_, Parse("id = 3")).ok());
  ASSERT_TRUE(CompactFiles(*table_).ok());
  const auto objects = store_.List(table_->root() + "/")->size();
  clock_.SetWall(clock_.Now() + hours(24 * 10));
  ASSERT_TRUE(table_->WriteCheckpoint(**table_->Load()).ok());
  const auto kept = Vacuum(*table_);
  ASSERT_TRUE(kept.ok()) << kept.error().message();
  EXPECT_EQ(kept->files_deleted, 0) << "nothing of this is a week old";
  EXPECT_EQ(store_.List(table_->root() + "/")->size(), objects + 3) << "checkpoint, sum, hint";
  clock_.Advance(hours(24 * 8));
  const auto done = Vacuum(*table_);
  ASSERT_TRUE(done.ok()) << done.error().message();
  EXPECT_EQ(done->files_deleted, 3) << "two files and a vector";
}

// Its commit comes between a vacuum's list of the folder and its deletions.
TEST_F(MaintenanceTest, WhatAnotherWriterNamesMeanwhileStays) {
  Create({}, false);
  Append(0, 10, "de");
  const std::string log = table_->root() + "/_delta_log/";
  std::string commit = *store_.Get(fmt::format("{}{:020}.json", log, 1));
  const std::string file = (*table_->Load())->files()[0].path;
  const std::string theirs = "theirs.parquet";
  ASSERT_TRUE(store_
                  .Put(table_->root() + "/" + theirs,
                       *store_.Get(table_->StorePath((*table_->Load())->files()[0])))
                  .ok());
  commit.replace(commit.find(file), file.size(), theirs);
  clock_.Advance(hours(24 * 8));
  bool listed = false;
  bool named = false;
  faulty_.Observe([&](store::StoreCall call, std::string_view path) {
    if (call != store::StoreCall::kList) return;
    if (path == table_->root() + "/") listed = true;
    if (!listed || !path.starts_with(log) || std::exchange(named, true)) return;
    ASSERT_TRUE(store_.Put(fmt::format("{}{:020}.json", log, 2), commit).ok());
  });
  const auto done = Vacuum(*table_);
  ASSERT_TRUE(done.ok()) << done.error().message();
  EXPECT_TRUE(named);
  EXPECT_EQ(done->files_deleted, 0);
  EXPECT_TRUE(store_.Get(table_->root() + "/" + theirs).ok());
}

// Old files that have just left the table, in two commits that are read one after the other.
TEST_F(MaintenanceTest, WhatLeftTheTableInAnyCommitSinceIsKeptForItsTime) {
  Create({}, true);
  for (int64_t file = 0; file < 4; ++file) Append(file * 10, 10, file % 2 == 0 ? "de" : "fr");
  clock_.Advance(hours(24 * 8));
  auto state = *table_->Load();
  const Version before = state->version();
  for (const char* const country : {"country = 'de'", "country = 'fr'"}) {
    const auto report = CompactFiles(*table_, {.where = Parse(country), .since = state});
    ASSERT_TRUE(report.ok()) << report.error().message();
    ASSERT_EQ(report->files_removed, 2);
    state = report->snapshot;
  }
  const auto done = Vacuum(*table_, {.since = state});
  ASSERT_TRUE(done.ok()) << done.error().message();
  EXPECT_EQ(done->files_deleted, 0);
  const auto earlier = *table_->LoadAt(before);
  for (const DataFile& file : earlier->files()) {
    EXPECT_TRUE(store_.Head(table_->StorePath(file)).ok()) << file.path;
  }
}

TEST_F(MaintenanceTest, NothingIsOldInAStoreThatDoesNotSayHowOldItIs) {
  store::MemoryStore timeless;
  DeltaTable table(timeless, "t", clock_, random_);
  ASSERT_TRUE(table.Create(arrow::schema({arrow::field("id", arrow::int64())})).ok());
  ASSERT_TRUE(timeless.Put("t/half-written.parquet", "x").ok());
  clock_.Advance(hours(24 * 8));
  const auto done = Vacuum(table);
  ASSERT_TRUE(done.ok()) << done.error().message();
  EXPECT_EQ(done->files_deleted, 0);
}

// The file was written while the clock was behind; the commit that names it comes after.
TEST_F(MaintenanceTest, WhatThisProcessIsWritingStays) {
  const auto setting_right = [this](const std::function<void()>& write) {
    clock_.SetWall(clock_.Now() - hours(24 * 10));
    bool done = false;
    faulty_.Observe([&](store::StoreCall call, std::string_view path) {
      const bool commits = call == store::StoreCall::kPutIfAbsent && path.ends_with(".json");
      if (!commits || std::exchange(done, true)) return;
      faulty_.Observe(nullptr);
      clock_.SetWall(clock_.Now() + hours(24 * 10));
      DeltaTable same = *table_;
      const auto vacuumed = Vacuum(same);
      ASSERT_TRUE(vacuumed.ok()) << vacuumed.error().message();
      EXPECT_EQ(vacuumed->files_deleted, 0);
    });
    write();
    EXPECT_TRUE(done);
  };
  Create({{"delta.enableDeletionVectors", "true"}, {"delta.enableChangeDataFeed", "true"}}, false);
  setting_right([this] { Append(0, 10, "de"); });
  Append(10, 10, "de");
  setting_right([this] { EXPECT_TRUE(DeleteRows(*table_, Parse("id = 3")).ok()); });
  setting_right([this] { EXPECT_TRUE(CompactFiles(*table_).ok()); });
  EXPECT_EQ(Read().size(), 19);

  // What came to nothing is nobody's a day later.
  const auto objects = store_.List(table_->root() + "/")->size();
  faulty_.Add({.call = store::StoreCall::kPutIfAbsent, .path_part = ".json", .times = 1000});
  EXPECT_FALSE(DeleteRows(*table_, Parse("id = 4")).ok());
  faulty_.Clear();
  EXPECT_GT(store_.List(table_->root() + "/")->size(), objects);
  clock_.Advance(hours(24 * 8));
  const auto done = Vacuum(*table_);
  ASSERT_TRUE(done.ok()) << done.error().message();
  EXPECT_GE(done->files_deleted, 5);
  EXPECT_EQ(Read().size(), 19);
}

TEST_F(MaintenanceTest, VacuumKnowsOwnFilesByTheirAddress) {
  Create({}, false);
  Append(0, 10, "de");
  // As a writer that names files by absolute addresses would have it.
  const std::string log = table_->root() + "/_delta_log/00000000000000000001.json";
  std::string commit = *store_.Get(log);
  const DataFile file = (*table_->Load())->files()[0];
  const std::string address = table_->Location(file);
  const size_t at = commit.find(file.path);
  ASSERT_NE(at, std::string::npos);
  commit.replace(at, file.path.size(), address);
  ASSERT_TRUE(store_.Put(log, commit).ok());
  clock_.Advance(hours(24 * 8));
  const auto done = Vacuum(*table_);
  ASSERT_TRUE(done.ok()) << done.error().message();
  EXPECT_EQ(done->files_deleted, 0);
}

}  // namespace
}  // namespace sluice::lake
