#include "sluice/lake/cluster_files.h"

#include <gtest/gtest.h>

#include "sluice/lake/alter_table.h"
#include "sluice/lake/clone_table.h"
#include "sluice/lake/internal/changing_table.h"
#include "sluice/lake/restore_table.h"

namespace sluice::lake {
namespace {

constexpr int64_t kRows = 16'384;

class ClusterFilesTest : public ChangingTable {
 protected:
  /// Rows whose `id` and `amount` have nothing to do with each other, nor with where they stand.
  void AppendScattered(int64_t files) {
    for (int64_t file = 0; file < files; ++file) {
      arrow::Int64Builder ids;
      arrow::Int64Builder amounts;
      arrow::StringBuilder countries;
      for (int64_t row = file; row < kRows; row += files) {
        ASSERT_TRUE(ids.Append(row * 7919 % kRows).ok());
        ASSERT_TRUE(
            (row % 97 == 0 ? amounts.AppendNull() : amounts.Append(row * 104'729 % kRows)).ok());
        ASSERT_TRUE(countries.Append(row % 2 == 0 ? "de" : "fr").ok());
      }
      const auto schema =
          arrow::schema({arrow::field("id", arrow::int64()), arrow::field("amount", arrow::int64()),
                         arrow::field("country", arrow::utf8())});
      const int64_t rows = ids.length();
      const NewFile made{
          .partition_values = {},
          .batches = {arrow::RecordBatch::Make(
              schema, rows, {*ids.Finish(), *amounts.Finish(), *countries.Finish()})}};
      const auto appended = table_->Append(nullptr, std::vector<NewFile>{made});
      ASSERT_TRUE(appended.ok()) << appended.error().message();
    }
  }

  /// How many of the table's files a question has to read.
  size_t FilesFor(const std::string& condition) {
    return SelectFiles(**table_->Load(), Parse(condition)).size();
  }

  int64_t Bytes() { return (*table_->Load())->files().bytes(); }
};

TEST_F(ClusterFilesTest, EachColumnLeavesMostFilesOut) {
  for (const Curve curve : {Curve::kHilbert, Curve::kZOrder}) {
    Create({{"delta.enableRowTracking", "true"}}, false);
    AppendScattered(8);
    ASSERT_TRUE(DeleteRows(*table_, Parse("id % 1000 = 1")).ok());
    const Rows before = Read();
    EXPECT_EQ(FilesFor("id = 5000"), 8u);
    EXPECT_EQ(FilesFor("amount = 5000"), 8u);
    const auto report = ClusterFiles(
        *table_, {.columns = {"id", "amount"}, .curve = curve, .file_bytes = Bytes() / 64});
    ASSERT_TRUE(report.ok()) << report.error().message();
    EXPECT_EQ(report->files_removed, 8);
    EXPECT_GE(report->files_added, 56);
    EXPECT_LE(report->files_added, 72);
    EXPECT_EQ(report->rows, static_cast<int64_t>(before.size()));
    // About a square of 8 x 8 files: a line through it meets 8, those at a border two rows of them.
    size_t sum = 0;
    size_t asked = 0;
    for (int64_t value = 500; value < kRows; value += 1000) {
      for (const char* const column : {"id", "amount"}) {
        const size_t needed = FilesFor(fmt::format("{} = {}", column, value));
        EXPECT_LE(needed, 24u) << column << " = " << value;
        sum += needed;
        ++asked;
      }
      EXPECT_LE(FilesFor(fmt::format("id = {} and amount = {}", value, value)), 6u);
    }
    EXPECT_LE(sum, asked * 14);
    EXPECT_EQ(Read(), before);
  }
}

TEST_F(ClusterFilesTest, TheTablesOwnColumnsAreTakenAndItsFilesSaySo) {
  Create({}, false);
  AppendScattered(4);
  const std::vector<TableAlteration> own = {ClusterBy{{{"amount"}}}};
  ASSERT_TRUE(AlterTable(*table_, nullptr, own).ok());
  const auto report = ClusterFiles(*table_, {.file_bytes = Bytes() / 4});
  ASSERT_TRUE(report.ok()) << report.error().message();
  const std::string path =
      fmt::format("{}/_delta_log/{:020}.json", table_->root(), report->snapshot->version());
  const std::string commit = *store_.Get(path);
  EXPECT_NE(commit.find(R"("clusteringProvider":"liquid")"), std::string::npos) << commit;
  EXPECT_LE(FilesFor("amount = 77"), 2u);
}

TEST_F(ClusterFilesTest, WhatIsClusteredIsLeftAsItIs) {
  Create({}, false);
  AppendScattered(8);
  const int64_t bytes = Bytes();
  ClusterOptions options{
      .columns = {"id", "amount"}, .file_bytes = bytes / 64, .chunk_bytes = bytes};
  const auto cluster = [&] {
    auto report = ClusterFiles(*table_, options);
    EXPECT_TRUE(report.ok()) << report.error().message();
    return *report;
  };
  const CompactReport first = cluster();
  EXPECT_EQ(first.files_skipped, 0);

  // What says so survives a checkpoint.
  ASSERT_TRUE(table_->WriteCheckpoint(**table_->Load()).ok());
  const CompactReport second = cluster();
  EXPECT_EQ(second.commits, 0);
  EXPECT_EQ(second.snapshot->version(), first.snapshot->version());
  EXPECT_EQ(second.files_skipped, first.files_added);
  EXPECT_EQ(second.bytes_skipped, first.bytes_added);

  // New files alone, where what was clustered together is large enough.
  Append(kRows, 4000, "de");
  Append(kRows + 4000, 4000, "de");
  const CompactReport third = cluster();
  EXPECT_EQ(third.files_removed, 2);
  EXPECT_EQ(third.files_skipped, first.files_added);
  // It is small for larger chunks: then it comes along with the next new file, not without one.
  options.chunk_bytes = bytes * 100;
  EXPECT_EQ(cluster().files_removed, 0);
  Append(2 * kRows, 10, "de");
  const auto before = static_cast<int64_t>((*table_->Load())->files().size());
  const Rows rows = Read();
  EXPECT_EQ(cluster().files_removed, before);
  EXPECT_EQ(cluster().files_removed, 0);
  EXPECT_EQ(Read(), rows);

  options.curve = Curve::kZOrder;
  EXPECT_GT(cluster().files_removed, 0);
  EXPECT_EQ(cluster().files_removed, 0);
  options.columns = {"amount", "id"};
  EXPECT_GT(cluster().files_removed, 0);
  options.full = true;
  const CompactReport full = cluster();
  EXPECT_GT(full.files_removed, 0);
  EXPECT_EQ(full.files_skipped, 0);
}

TEST_F(ClusterFilesTest, CopiesOfTheirAddsSaySoToo) {
  Create({{"delta.enableDeletionVectors", "true"}}, false);
  AppendScattered(4);
  const std::vector<TableAlteration> own = {ClusterBy{{{"amount"}}}};
  ASSERT_TRUE(AlterTable(*table_, nullptr, own).ok());
  const auto clustered = ClusterFiles(*table_, {.file_bytes = Bytes() / 4});
  ASSERT_TRUE(clustered.ok()) << clustered.error().message();
  const auto expect_clustered = [&](DeltaTable& table, const char* what) {
    const auto snapshot = table.Load();
    ASSERT_TRUE(snapshot.ok()) << snapshot.error().message();
    for (const DataFile& file : (*snapshot)->files()) {
      EXPECT_EQ(file.clustering_provider, "liquid") << what;
    }
    const auto again = ClusterFiles(table);
    ASSERT_TRUE(again.ok()) << again.error().message();
    EXPECT_EQ(again->files_removed, 0) << what;
    EXPECT_EQ(again->files_skipped, clustered->files_added) << what;
  };
  ASSERT_TRUE(DeleteRows(*table_, Parse("id % 100 = 1")).ok());
  expect_clustered(*table_, "with deletion vectors");
  const Version last = (*table_->Load())->version();
  ASSERT_TRUE(table_->CompactLog(**table_->Load(), last - 1, last).ok());
  expect_clustered(*table_, "of a compacted log");
  ASSERT_TRUE(DeleteRows(*table_, std::nullopt).ok());
  ASSERT_TRUE(RestoreTable(*table_, last).ok());
  expect_clustered(*table_, "restored");
  DeltaTable clone(faulty_, "clone", clock_, random_);
  ASSERT_TRUE(CloneTable(*table_, **table_->Load(), clone, CloneKind::kDeep).ok());
  expect_clustered(clone, "cloned");
}

TEST_F(ClusterFilesTest, CompactionKeepsTheOrder) {
  Create({{"delta.enableDeletionVectors", "true"}}, false);
  AppendScattered(4);
  ClusterOptions options{.columns = {"id"}, .file_bytes = Bytes() / 8};
  const auto clustered = ClusterFiles(*table_, options);
  ASSERT_TRUE(clustered.ok()) << clustered.error().message();
  EXPECT_GT(clustered->files_added, 4);
  // Rows that a vector deletes leave a file clustered.
  ASSERT_TRUE(DeleteRows(*table_, Parse("id = 77")).ok());
  EXPECT_EQ(ClusterFiles(*table_, options)->files_removed, 0);
  EXPECT_EQ(CompactFiles(*table_)->files_removed, 0);
  ASSERT_TRUE(DeleteRows(*table_, Parse("id < 3000")).ok());
  const auto purged = CompactFiles(*table_);
  ASSERT_TRUE(purged.ok()) << purged.error().message();
  EXPECT_GT(purged->rows_purged, 0);
  EXPECT_LT(purged->files_removed, clustered->files_added / 2);
  EXPECT_EQ(FilesFor("id = 9000"), 1u);
}

TEST_F(ClusterFilesTest, PartitionsAndChunksStayApart) {
  Create({}, true);
  for (int64_t file = 0; file < 6; ++file) Append(file * 100, 100, file % 2 == 0 ? "de" : "fr");
  const Rows before = Read();
  const auto report = ClusterFiles(
      *table_, {.columns = {"id"}, .file_bytes = Bytes(), .chunk_bytes = Bytes() * 2 / 5});
  ASSERT_TRUE(report.ok()) << report.error().message();
  EXPECT_EQ(report->commits, 2);
  EXPECT_EQ(Read(), before);
}

TEST_F(ClusterFilesTest, WaitsUntilThereIsEnoughOrNoMoreComes) {
  Create({}, false);
  AppendScattered(2);
  Append(kRows, 40'000, "de");
  ClusterOptions options{.columns = {"id"}, .file_bytes = 4 * Bytes(), .chunk_bytes = 64 * Bytes()};
  const auto cluster = [&](int64_t bytes_min, int64_t quiet_before_ms) {
    options.due = {.bytes_min = bytes_min, .quiet_before_ms = quiet_before_ms};
    const auto report = ClusterFiles(*table_, options);
    EXPECT_TRUE(report.ok()) << report.error().message();
    return report.ok() ? report->files_removed : -1;
  };
  const int64_t written_ms = (*table_->Load())->files()[0].modified_ms;
  EXPECT_EQ(cluster(Bytes() + 1, written_ms), 0);
  EXPECT_EQ(cluster(Bytes(), written_ms), 3);
  // A few rows more are not worth writing all others anew.
  Append(80'000, 10, "de");
  EXPECT_EQ(cluster(1, 0), 0);
  Append(80'010, 10, "de");
  EXPECT_EQ(cluster(INT64_MAX, INT64_MAX), 2);
  Append(80'020, 10, "de");
  EXPECT_EQ(cluster(INT64_MAX, INT64_MAX), 2) << "with the few before them";
  EXPECT_EQ(Read().size(), static_cast<size_t>(kRows + 40'030));
}

TEST_F(ClusterFilesTest, WhoKeepsAPaceMayStopIt) {
  Create({}, false);
  AppendScattered(4);
  const int64_t bytes = Bytes();
  int64_t paced = 0;
  ClusterOptions options{.columns = {"id"}, .file_bytes = bytes / 4, .pace = [&](int64_t part) {
                           paced += part;
                           return false;
                         }};
  auto report = ClusterFiles(*table_, options);
  ASSERT_TRUE(report.ok()) << report.error().message();
  EXPECT_FALSE(report->finished);
  EXPECT_EQ(report->commits, 0);
  EXPECT_EQ(store_.List("")->size(), 4u + (*table_->Load())->version() + 1) << "nothing is left";
  paced = 0;
  options.pace = [&](int64_t part) {
    paced += part;
    return true;
  };
  report = ClusterFiles(*table_, options);
  ASSERT_TRUE(report.ok()) << report.error().message();
  EXPECT_EQ(report->files_removed, 4);
  EXPECT_NEAR(static_cast<double>(paced), 2.0 * static_cast<double>(bytes), 100.0);
}

TEST_F(ClusterFilesTest, OtherWritersGoFirst) {
  Create({}, false);
  AppendScattered(4);
  bool done = false;
  faulty_.Observe([&](store::StoreCall call, std::string_view) {
    if (call != store::StoreCall::kPutIfAbsent || std::exchange(done, true)) return;
    faulty_.Observe(nullptr);
    ASSERT_TRUE(DeleteRows(*table_, Parse("id < 100")).ok());
  });
  const auto report = ClusterFiles(*table_, {.columns = {"id"}, .file_bytes = Bytes() / 4});
  ASSERT_TRUE(report.ok()) << report.error().message();
  EXPECT_EQ(report->files_lost, 4);
  EXPECT_EQ(Read().size(), static_cast<size_t>(kRows - 100));
}

TEST_F(ClusterFilesTest, MistakesAreTold) {
  Create({}, true);
  Append(0, 10, "de");
  Append(10, 10, "de");
  for (const std::vector<std::string>& columns : {std::vector<std::string>{},
                                                  {"nope"},
                                                  {"country"},
                                                  {"id", "amount", "id", "amount", "id"}}) {
    const auto refused = ClusterFiles(*table_, {.columns = columns});
    ASSERT_FALSE(refused.ok());
    EXPECT_EQ(refused.error().code(), ErrorCode::kInvalid) << refused.error().message();
  }
}

}  // namespace
}  // namespace sluice::lake
