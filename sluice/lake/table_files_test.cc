#include "sluice/lake/table_files.h"

#include <arrow/api.h>
#include <gtest/gtest.h>

#include <set>

#include "sluice/os/disk.h"
#include "sluice/store/memory_store.h"

namespace sluice::lake {
namespace {

class TableFilesTest : public testing::Test {
 protected:
  void Commit() {
    const auto schema = arrow::schema({arrow::field("a", arrow::int64())});
    const auto rows = arrow::RecordBatch::Make(
        schema, 1, {*arrow::MakeArrayFromScalar(arrow::Int64Scalar(next_), 1)});
    const NewFile file{.batches = {rows}};
    const auto appended = table_.Append(nullptr, {&file, 1});
    ASSERT_TRUE(appended.ok()) << appended.error().ToString();
    ++next_;
  }
  std::set<std::string> Paths(Version version) {
    std::set<std::string> paths;
    const auto snapshot = table_.LoadAt(version);
    EXPECT_TRUE(snapshot.ok()) << snapshot.error().ToString();
    const auto objects = ObjectsUpTo(table_, **snapshot);
    EXPECT_TRUE(objects.ok()) << objects.error().ToString();
    for (const auto& object : *objects) paths.insert(object.path);
    return paths;
  }

  store::MemoryStore store_;
  os::SimulatedClock clock_{os::SystemClock().Now()};
  os::SimulatedRandom random_{1};
  DeltaTable table_{store_, "t", clock_, random_};
  int64_t next_ = 0;
};

TEST_F(TableFilesTest, MakeACopyThatIsAtTheVersionThoughTheTableWentOn) {
  ASSERT_TRUE(table_.Create(arrow::schema({arrow::field("a", arrow::int64())})).ok());
  for (int i = 0; i < 6; ++i) {
    Commit();
    if (i == 1 || i == 4) {
      ASSERT_TRUE(table_.WriteCheckpoint(**table_.Load()).ok());
    }
  }
  ASSERT_TRUE(table_.CompactLog(**table_.Load(), 2, 5).ok());
  for (Version version = 0; version <= 6; ++version) {
    store::MemoryStore other;
    for (const std::string& path : Paths(version)) {
      ASSERT_TRUE(other.Put(path, *store_.Get(path)).ok());
    }
    const DeltaTable copy(other, "t", clock_, random_);
    const auto read = copy.Load();
    ASSERT_TRUE(read.ok()) << read.error().ToString();
    EXPECT_EQ((*read)->version(), version);
    EXPECT_EQ((*read)->files().size(), static_cast<size_t>(version));
    EXPECT_TRUE(copy.LoadAt(0).ok());
  }
}

TEST_F(TableFilesTest, AreRefusedWhenOneIsGone) {
  ASSERT_TRUE(table_.Create(arrow::schema({arrow::field("a", arrow::int64())})).ok());
  Commit();
  const auto snapshot = table_.Load();
  ASSERT_TRUE(store_.Delete(table_.StorePath((*snapshot)->files()[0])).ok());
  const auto objects = ObjectsUpTo(table_, **snapshot);
  ASSERT_FALSE(objects.ok());
  EXPECT_EQ(objects.error().code(), ErrorCode::kNotFound);
}

}  // namespace
}  // namespace sluice::lake
