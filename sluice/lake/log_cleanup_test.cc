#include <arrow/api.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <set>

#include "sluice/lake/delta_table.h"
#include "sluice/lake/internal/log_names.h"
#include "sluice/store/local_store.h"
#include "sluice/store/memory_store.h"

namespace sluice::lake {
namespace {

class LogCleanupTest : public testing::Test {
 protected:
  static std::string FreshFolder() {
    std::string name = testing::TempDir() + "lake_XXXXXX";
    SLUICE_CHECK(::mkdtemp(name.data()) != nullptr);
    return name;
  }
  void Commit() {
    const auto appended = table_.Append(
        nullptr, {},
        {.transactions = {{.app_id = "a", .version = next_++, .last_updated_ms = {}}}});
    ASSERT_TRUE(appended.ok()) << appended.error().ToString();
  }
  std::set<std::string> Log() {
    std::set<std::string> names;
    const auto found = store_.List("t/_delta_log/0");
    for (const auto& object : *found) names.insert(object.path.substr(13 + 17));
    return names;
  }
  // Beyond what the files' own times say by the default retention, and some.
  void LetTimePass() { clock_.SetWall(os::SystemClock().Now() + std::chrono::hours(24 * 32)); }

  os::SystemDisk disk_;
  store::LocalStore store_{disk_, FreshFolder()};
  os::SimulatedClock clock_{os::SystemClock().Now()};
  os::SimulatedRandom random_{1};
  DeltaTable table_{store_, "t", clock_, random_};
  int64_t next_ = 0;
};

TEST_F(LogCleanupTest, KeepsTheNewestOldCheckpointAndWhatFollows) {
  ASSERT_TRUE(table_.Create(arrow::schema({arrow::field("a", arrow::int64())})).ok());
  for (int i = 0; i < 6; ++i) {
    Commit();
    if (i == 1 || i == 3) {
      ASSERT_TRUE(table_.WriteCheckpoint(**table_.Load()).ok());
    }
  }
  ASSERT_TRUE(store_.Put("t/_delta_log/00000000000000000001.crc", "{}").ok());
  const auto nothing = table_.CleanUpLog(**table_.Load());
  ASSERT_TRUE(nothing.ok()) << nothing.error().ToString();
  EXPECT_EQ(*nothing, 0);
  LetTimePass();
  const auto deleted = table_.CleanUpLog(**table_.Load());
  ASSERT_TRUE(deleted.ok()) << deleted.error().ToString();
  EXPECT_EQ(*deleted, 7);  // Commits 0 to 3, a checkpoint and two checksums.
  EXPECT_EQ(Log(), (std::set<std::string>{"004.json", "004.crc", "004.checkpoint.parquet",
                                          "005.json", "006.json"}));
  const auto loaded = table_.Load();
  ASSERT_TRUE(loaded.ok()) << loaded.error().ToString();
  EXPECT_EQ((*loaded)->version(), 6);
  EXPECT_EQ((*loaded)->TransactionVersion("a"), 5);
  EXPECT_EQ(table_.LoadAt(3).error().code(), ErrorCode::kNotFound);
  EXPECT_TRUE(table_.LoadAt(4).ok());
  Commit();
}

// Within the retention each version can be asked for, so a checkpoint of that time is none to begin
// with; nor is one whose commit only seems old, because the clock was behind.
TEST_F(LogCleanupTest, KeepsWhatVersionsWithinTheRetentionNeed) {
  constexpr std::chrono::hours kDay{24};
  for (const bool clock_is_behind : {false, true}) {
    clock_.SetWall(os::SystemClock().Now());
    store::MemoryStore memory(&clock_);
    DeltaTable table(memory, "t", clock_, random_);
    ASSERT_TRUE(table.Create(arrow::schema({arrow::field("a", arrow::int64())})).ok());
    const auto commit = [&](Version version) {
      const auto appended = table.Append(
          nullptr, {},
          {.transactions = {{.app_id = "a", .version = version, .last_updated_ms = {}}}});
      ASSERT_TRUE(appended.ok());
      ASSERT_EQ((*appended)->version(), version);
      if (version == 2 || version >= 4) {
        ASSERT_TRUE(table.WriteCheckpoint(**appended).ok());
      }
    };
    for (Version version = 1; version <= 3; ++version) commit(version);
    clock_.Advance(20 * kDay);
    commit(4);
    if (clock_is_behind) clock_.SetWall(clock_.Now() - 20 * kDay);
    commit(5);
    if (clock_is_behind) clock_.SetWall(clock_.Now() + 20 * kDay);
    commit(6);
    clock_.Advance(12 * kDay);  // 3 is 32 days old, 4 to 6 are 12.
    ASSERT_TRUE(table.CleanUpLog(**table.Load()).ok());
    EXPECT_EQ(table.LoadAt(1).error().code(), ErrorCode::kNotFound);
    for (Version version = 2; version <= 6; ++version) {
      const auto loaded = table.LoadAt(version);
      EXPECT_TRUE(loaded.ok()) << version << ": " << loaded.error().ToString();
    }
  }
}

// Without them a checkpoint is worth nothing; and of those that none names yet, one is on its way.
TEST_F(LogCleanupTest, KeepsTheSidecarsThatCheckpointsHave) {
  store::MemoryStore memory(&clock_);
  DeltaTable table(memory, "t", clock_, random_);
  ASSERT_TRUE(table
                  .Create(arrow::schema({arrow::field("a", arrow::int64())}),
                          {.properties = {{"delta.checkpointPolicy", "v2"}}})
                  .ok());
  for (Version version = 1; version <= 6; ++version) {
    const auto appended = table.Append(
        nullptr, {},
        {.transactions = {{.app_id = "a", .version = version, .last_updated_ms = {}}}});
    ASSERT_TRUE(appended.ok());
    if (version % 2 == 0) {
      ASSERT_TRUE(table.WriteCheckpoint(**appended).ok());
    }
  }
  const std::string sidecars = "t/_delta_log/_sidecars/";
  ASSERT_EQ(memory.List(sidecars)->size(), 3U);
  ASSERT_TRUE(memory.Put(sidecars + "left.parquet", "by a writer that died").ok());
  clock_.Advance(std::chrono::hours(24 * 32));
  ASSERT_TRUE(memory.Put(sidecars + "young.parquet", "its checkpoint follows").ok());
  clock_.Advance(std::chrono::hours(1));
  ASSERT_TRUE(table.CleanUpLog(**table.Load()).ok());
  EXPECT_EQ(memory.List(sidecars)->size(), 2U) << "that of version 6, and the young one";
  EXPECT_TRUE(memory.Head(sidecars + "young.parquet").ok());
  const auto loaded = table.Load();
  ASSERT_TRUE(loaded.ok()) << loaded.error().ToString();
  EXPECT_EQ((*loaded)->TransactionVersion("a"), 6);
}

TEST_F(LogCleanupTest, DeletesNothingWithoutACheckpoint) {
  ASSERT_TRUE(table_.Create(arrow::schema({arrow::field("a", arrow::int64())})).ok());
  for (int i = 0; i < 3; ++i) Commit();
  LetTimePass();
  EXPECT_EQ(*table_.CleanUpLog(**table_.Load()), 0);
  EXPECT_EQ(Log().size(), 4U);
}

TEST_F(LogCleanupTest, DeletesNothingWhereTheTableDoesNotWantIt) {
  ASSERT_TRUE(table_
                  .Create(arrow::schema({arrow::field("a", arrow::int64())}),
                          {.properties = {{"delta.enableExpiredLogCleanup", "false"}}})
                  .ok());
  for (int i = 0; i < 3; ++i) Commit();
  ASSERT_TRUE(table_.WriteCheckpoint(**table_.Load()).ok());
  LetTimePass();
  EXPECT_EQ(*table_.CleanUpLog(**table_.Load()), 0);
}

}  // namespace
}  // namespace sluice::lake
