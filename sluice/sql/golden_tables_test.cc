// Tables that other engines wrote, through SQL: equal to what the table library itself reads.

#include <arrow/api.h>
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <optional>

#include "sluice/duck/engine.h"
#include "sluice/lake/delta_table.h"
#include "sluice/lake/scan.h"
#include "sluice/os/disk.h"
#include "sluice/sql/table_relation.h"
#include "sluice/store/local_store.h"

namespace sluice::sql {
namespace {

class TextSink final : public duck::ResultSink {
 public:
  Status Begin(const columnar::Schema&) override { return {}; }
  Status Add(const columnar::Batch& batch) override {
    for (int64_t row = 0; row < batch->num_rows(); ++row) {
      for (const auto& column : batch->columns()) {
        text += (*column->GetScalar(row))->ToString() + "|";
      }
      text += "\n";
    }
    return {};
  }
  std::string text;
};

class GoldenTablesTest : public testing::Test {
 protected:
  GoldenTablesTest() {
    const char* const given = std::getenv("SLUICE_TESTDATA");
    root_ = std::filesystem::weakly_canonical(
        (given != nullptr ? std::filesystem::path(given)
                          : std::filesystem::path(SLUICE_SOURCE_DIR) / "../shared/testdata") /
        "delta-golden");
    auto engine = duck::Engine::Open(
        {.temporary_folder = testing::TempDir() + "golden_sql", .files_folders = {root_.string()}});
    EXPECT_TRUE(engine.ok()) << engine.error().ToString();
    engine_ = std::move(*engine);
  }

  /// Every table below the root, by its folder.
  std::vector<std::filesystem::path> Tables() const {
    std::vector<std::filesystem::path> tables;
    for (const auto& entry : std::filesystem::recursive_directory_iterator(root_)) {
      if (entry.path().filename() == "_delta_log") tables.push_back(entry.path().parent_path());
    }
    std::ranges::sort(tables);
    return tables;
  }

  /// Returns the rows that two relations do not have in common; empty: they are equal.
  std::string Difference(const duck::Relation& ours, const duck::Relation& expected) {
    return Ask(
        "WITH o AS (SELECT COLUMNS(*)::VARCHAR FROM ours),"
        " e AS (SELECT COLUMNS(*)::VARCHAR FROM expected) "
        "SELECT 'ours' AS of, * FROM (FROM o EXCEPT ALL FROM e) UNION ALL "
        "SELECT 'expected', * FROM (FROM e EXCEPT ALL FROM o) LIMIT 10",
        ours, expected);
  }

  std::string Ask(std::string_view sql, const duck::Relation& ours,
                  const duck::Relation& expected) {
    const auto lookup =
        [&](const duck::RelationName& name) -> Result<std::optional<duck::Relation>> {
      return std::optional(name.name == "ours" ? ours : expected);
    };
    TextSink sink;
    const Status status = engine_->Query(sql, lookup, sink);
    return status.ok() ? sink.text : status.error().ToString();
  }

  template <typename Reader>
  static Result<duck::Relation> ReadAll(Reader& reader) {
    duck::Relation relation;
    relation.schema = reader.schema();
    while (true) {
      SLUICE_ASSIGN_OR_RETURN(columnar::Batch batch, reader.Next());
      if (batch == nullptr) return relation;
      relation.batches.push_back(std::move(batch));
    }
  }

  std::filesystem::path root_;
  os::SystemDisk disk_;
  os::SystemClock clock_;
  os::SystemRandom random_;
  std::unique_ptr<duck::Engine> engine_;
};

TEST_F(GoldenTablesTest, SqlReadsWhatTheTableHas) {
  if (!std::filesystem::exists(root_)) GTEST_SKIP() << root_ << " is not there";
  int compared = 0;
  int64_t rows = 0;
  for (const auto& folder : Tables()) {
    SCOPED_TRACE(folder.string());
    store::LocalStore store(disk_, folder.string());
    const lake::DeltaTable table(store, "", clock_, random_);
    const auto loaded = table.Load();
    if (!loaded.ok() || !(*loaded)->CheckOwnFiles().ok()) continue;
    auto scan = lake::Scan::Open(table, *loaded);
    ASSERT_TRUE(scan.ok()) << scan.error().ToString();
    const auto expected = ReadAll(**scan);
    if (!expected.ok()) continue;  // Its files are not part of the data.
    duck::Relation ours;
    ours.schema = (*loaded)->schema();
    const Status added = AddFiles(table, *loaded, nullptr, ours);
    ASSERT_TRUE(added.ok()) << added.error().ToString();
    EXPECT_EQ(Difference(ours, *expected), "");
    ++compared;

    int64_t of_table = 0;
    for (const columnar::Batch& batch : expected->batches) of_table += batch->num_rows();
    rows += of_table;
    // Which takes another way, by the numbers of the log.
    EXPECT_EQ(Ask("SELECT count(*) FROM ours", ours, *expected), fmt::format("{}|\n", of_table));
    if (expected->batches.empty()) continue;
    duck::Relation none;
    none.schema = expected->schema;
    EXPECT_NE(Difference(none, *expected), "");
  }
  EXPECT_EQ(compared, 86);
  EXPECT_EQ(rows, 2'101'800);
}

}  // namespace
}  // namespace sluice::sql
