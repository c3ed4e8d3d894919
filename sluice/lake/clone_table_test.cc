#include "sluice/lake/clone_table.h"

#include <arrow/api.h>
#include <arrow/json/from_string.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>

#include "sluice/lake/internal/sorted_rows.h"
#include "sluice/lake/row_changes.h"
#include "sluice/os/clock.h"
#include "sluice/os/disk.h"
#include "sluice/store/faulty_store.h"
#include "sluice/store/local_store.h"

namespace sluice::lake {
namespace {

using Rows = std::vector<std::string>;

class CloneTableTest : public ::testing::Test {
 protected:
  ~CloneTableTest() override { std::filesystem::remove_all(folder_); }

  static std::string MakeFolder() {
    std::string folder = ::testing::TempDir() + "/clone-XXXXXX";
    return mkdtemp(folder.data()) == nullptr ? "" : folder;
  }

  void SetUp() override {
    const auto created = source_.Create(
        arrow::schema({arrow::field("id", arrow::int32()), arrow::field("day", arrow::utf8())}),
        {.partition_columns = {"day"},
         .properties = {{"delta.enableDeletionVectors", "true"},
                        {"delta.enableRowTracking", "true"},
                        {"delta.enableInCommitTimestamps", "true"},
                        {"mine", "1"}}});
    ASSERT_TRUE(created.ok()) << created.error().ToString();
    Append(source_, R"([{"id": 1}, {"id": 2}, {"id": 3}])", "a/b %c");
    Append(source_, R"([{"id": 4}])", "plain");
    ASSERT_TRUE(DeleteRows(source_, *Expression::Parse("id = 2")).ok());
  }

  static void Append(DeltaTable& table, const std::string& json, const std::string& day) {
    const auto rows = arrow::json::ChunkedArrayFromJSONString(
        arrow::struct_({arrow::field("id", arrow::int32())}), {json});
    const auto batch = arrow::RecordBatch::FromStructArray((*rows)->chunk(0)).ValueOrDie();
    const NewFile file{.partition_values = {{"day", day}}, .batches = {batch}};
    const auto appended = table.Append(nullptr, std::vector<NewFile>{file});
    ASSERT_TRUE(appended.ok()) << appended.error().ToString();
  }

  static Rows Read(const DeltaTable& table) { return SortedRows(table, /*row_ids=*/true); }

  const std::string folder_ = MakeFolder();
  os::SystemDisk disk_;
  store::LocalStore local_{disk_, folder_};
  store::FaultyStore store_{local_};
  os::SimulatedClock clock_{os::Timestamp(std::chrono::seconds(1'700'000'000))};
  os::SimulatedRandom random_{7};
  // Files of the source, wherever it lies.
  const ForeignFiles foreign_ = [this](const std::string& address) -> Result<ForeignFile> {
    if (!address.starts_with(folder_)) return NotFound("'{}'", address);
    return ForeignFile{.store = &local_, .path = address.substr(folder_.size() + 1)};
  };
  DeltaTable source_{store_, "source", clock_, random_};
  DeltaTable target_{store_, "copies/target", clock_, random_, foreign_};
};

TEST_F(CloneTableTest, NamesFilesWhereTheyLie) {
  const auto snapshot = *source_.Load();
  const auto clone = CloneTable(source_, *snapshot, target_, CloneKind::kShallow);
  ASSERT_TRUE(clone.ok()) << clone.error().ToString();
  EXPECT_EQ(clone->files, 2);
  EXPECT_EQ(clone->files_copied, 0);
  EXPECT_EQ(clone->snapshot->version(), 0);
  EXPECT_NE(clone->snapshot->table_id(), snapshot->table_id());
  EXPECT_EQ(clone->snapshot->properties().at("mine"), "1");
  EXPECT_EQ(Read(target_), Read(source_));
  // They go their own ways.
  Append(target_, R"([{"id": 9}])", "plain");
  ASSERT_TRUE(DeleteRows(target_, *Expression::Parse("id = 1")).ok());
  EXPECT_EQ(Read(target_), (Rows{"3 a/b %c 2 1", "4 plain 3 2", "9 plain 4 1"}));
  EXPECT_EQ(Read(source_), (Rows{"1 a/b %c 0 1", "3 a/b %c 2 1", "4 plain 3 2"}));
  EXPECT_EQ(CloneTable(source_, *snapshot, target_, CloneKind::kShallow).error().ToString(),
            "clone 'copies/target' of table 'source': there is a table already (conflict)");
}

TEST_F(CloneTableTest, CopiesFilesAndGoesOnWhereItWasBrokenOff) {
  const auto snapshot = *source_.Load();
  const Rows rows = Read(source_);
  const std::string first = snapshot->files()[0].path;
  const DataFile missing = snapshot->files()[1];
  const std::string path = source_.StorePath(missing);
  const std::string bytes = *local_.Get(path);
  ASSERT_TRUE(local_.Delete(path).ok());
  EXPECT_EQ(CloneTable(source_, *snapshot, target_, CloneKind::kDeep).error().code(),
            ErrorCode::kNotFound);
  EXPECT_EQ(target_.Load().error().code(), ErrorCode::kNotFound);
  ASSERT_TRUE(local_.Put(path, bytes).ok());
  const auto clone = CloneTable(source_, *snapshot, target_, CloneKind::kDeep);
  ASSERT_TRUE(clone.ok()) << clone.error().ToString();
  EXPECT_EQ(clone->files, 2);
  EXPECT_LT(clone->files_copied, 3);  // Two files and a vector, but for what was there.
  EXPECT_GE(clone->files_copied, 1);
  std::filesystem::remove_all(folder_ + "/source");
  EXPECT_EQ(Read(target_), rows);
  Append(target_, R"([{"id": 9}])", "plain");
}

TEST_F(CloneTableTest, CopiesLargeFilesPieceByPiece) {
  const auto snapshot = *source_.Load();
  const std::string path = source_.StorePath(snapshot->files()[0]);
  std::string large((size_t{20} << 20) + 1, 'x');  // Whatever stands in it.
  large[size_t{8} << 20] = 'y';
  ASSERT_TRUE(local_.Put(path, large).ok());
  const std::string copy = "copies/target" + path.substr(std::string("source").size());

  store_.Add({.call = store::StoreCall::kGetRange, .path_part = ".parquet", .skip = 1});
  EXPECT_EQ(CloneTable(source_, *snapshot, target_, CloneKind::kDeep).error().code(),
            ErrorCode::kUnavailable);
  store_.Clear();
  EXPECT_EQ(local_.Head(copy).error().code(), ErrorCode::kNotFound);

  int whole = 0;
  store_.Observe([&](store::StoreCall call, std::string_view at) {
    whole += call == store::StoreCall::kGet && at.ends_with(".parquet") ? 1 : 0;
  });
  const auto clone = CloneTable(source_, *snapshot, target_, CloneKind::kDeep);
  ASSERT_TRUE(clone.ok()) << clone.error().ToString();
  EXPECT_EQ(whole, 0);
  EXPECT_EQ(*local_.Get(copy), large);
  EXPECT_EQ(clone->files_copied, 3);
}

}  // namespace
}  // namespace sluice::lake
