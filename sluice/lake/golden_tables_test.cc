// Tables that other engines wrote: each loads with the files it has, or is refused by name. The
// counts of files are those of delta-rs, but for `canonicalized-paths-*`, where it counts a removed
// file.

#include <arrow/api.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>

#include "sluice/columnar/parquet.h"
#include "sluice/lake/delta_table.h"
#include "sluice/lake/internal/convert_array.h"
#include "sluice/lake/scan.h"
#include "sluice/store/local_store.h"

namespace sluice::lake {
namespace {

struct Golden {
  std::string_view name;
  std::string_view expected;  // A part of what Describe() says.
};

constexpr Golden kGolden[] = {
    {"124-decimal-decode-bug", "v0 files 2"},
    {"125-iterator-bug", "v11 files 12"},
    {"basic-decimal-table-legacy", "v0 files 4"},
    {"basic-decimal-table", "v0 files 4"},
    {"basic-with-inserts-deletes-checkpoint", "v13 files 7"},
    {"basic-with-inserts-merge", "v1 files 1"},
    {"basic-with-inserts-overwrite-restore", "v3 files 4"},
    {"basic-with-inserts-updates", "v1 files 2"},
    {"basic-with-vacuum-protocol-check-feature", "v1 files 2"},
    {"canonicalized-paths-normal-a", "v1 files 0"},
    {"canonicalized-paths-normal-b", "v1 files 0"},
    {"canonicalized-paths-special-a", "v1 files 0"},
    {"canonicalized-paths-special-b", "v1 files 0"},
    {"checkpoint", "v14 files 1"},
    {"corrupted-last-checkpoint-kernel", "v11 files 2"},
    {"data-reader-absolute-paths-escaped-chars", "the log names a file outside of the table"},
    {"data-reader-array-complex-objects", "v0 files 2"},
    {"data-reader-array-primitives", "v0 files 2"},
    {"data-reader-date-types-America", "v0 files 2"},
    {"data-reader-date-types-Asia", "v0 files 2"},
    {"data-reader-date-types-Etc", "v0 files 2"},
    {"data-reader-date-types-Iceland", "v0 files 2"},
    {"data-reader-date-types-Jst", "v0 files 2"},
    {"data-reader-date-types-Pst", "v0 files 2"},
    {"data-reader-date-types-utc", "v0 files 2"},
    {"data-reader-escaped-chars", "v2 files 3"},
    {"data-reader-map", "v0 files 2"},
    {"data-reader-nested-struct", "v0 files 2"},
    {"data-reader-nullable-field-invalid-schema-key", "v0 files 2"},
    {"data-reader-partition-values", "v0 files 3"},
    {"data-reader-primitives", "v0 files 2"},
    {"data-reader-timestamp_ntz-id-mode", "v1 files 4"},
    {"data-reader-timestamp_ntz-name-mode", "v1 files 4"},
    {"data-reader-timestamp_ntz", "v1 files 4"},
    {"data-skipping-basic-stats-all-types-checkpoint", "v0 files 1"},
    {"data-skipping-basic-stats-all-types-columnmapping-id", "v0 files 1"},
    {"data-skipping-basic-stats-all-types-columnmapping-name", "v0 files 1"},
    {"data-skipping-basic-stats-all-types", "v0 files 1"},
    {"data-skipping-change-stats-collected-across-versions", "v4 files 3"},
    {"data-skipping-partition-and-data-column", "v3 files 4"},
    {"decimal-various-scale-precision", "v0 files 1"},
    {"delete-re-add-same-file-different-transactions", "v3 files 2"},
    {"deltalog-commit-info", "v0 files 1"},
    {"deltalog-getChanges", "v2 files 0"},
    {"deltalog-invalid-protocol-version",
     "the table needs reader version 99, at most 3 is supported (unsupported)"},
    {"deltalog-state-reconstruction-from-checkpoint-missing-metadata",
     "the log of version 10 has no metadata (corrupt)"},
    {"deltalog-state-reconstruction-from-checkpoint-missing-protocol",
     "the log of version 10 has no protocol (corrupt)"},
    {"deltalog-state-reconstruction-without-metadata",
     "the log of version 0 has no metadata (corrupt)"},
    {"deltalog-state-reconstruction-without-protocol",
     "the log of version 0 has no protocol (corrupt)"},
    {"dv-partitioned-with-checkpoint", "v"},
    {"dv-with-columnmapping", "v"},
    {"hive/deltatbl-column-names-case-insensitive", "v0 files 4"},
    {"hive/deltatbl-deleted-path", "v0 files 2"},
    {"hive/deltatbl-incorrect-format-config", "v0 files 2"},
    {"hive/deltatbl-map-types-correctly", "v0 files 1"},
    {"hive/deltatbl-non-partitioned", "v0 files 2"},
    {"hive/deltatbl-not-allow-write", "v0 files 2"},
    {"hive/deltatbl-partition-prune", "v0 files 5"},
    {"hive/deltatbl-partitioned", "v0 files 4"},
    {"hive/deltatbl-schema-match", "v0 files 4"},
    {"hive/deltatbl-special-chars-in-partition-column", "v0 files 4"},
    {"hive/deltatbl-touch-files-needed-for-partitioned", "v0 files 4"},
    {"kernel-timestamp-int96", "v0 files 5"},
    {"kernel-timestamp-pst", "v0 files 5"},
    {"kernel-timestamp-timestamp_micros", "v0 files 5"},
    {"kernel-timestamp-timestamp_millis", "v0 files 5"},
    {"log-replay-dv-key-cases", "v"},
    {"log-replay-latest-metadata-protocol", "v2 files 4"},
    {"log-replay-special-characters-a", "v1 files 0"},
    {"log-replay-special-characters-b", "v0 files 1"},
    {"log-replay-special-characters", "v1 files 0"},
    {"multi-part-checkpoint", "v1 files 10"},
    {"only-checkpoint-files", "v2 files 7"},
    {"parquet-all-types-legacy-format", "v0 files 1"},
    {"parquet-all-types", "v0 files 1"},
    {"parquet-decimal-dictionaries-v2", "v0 files 1"},
    {"parquet-decimal-dictionaries", "v0 files 1"},
    {"parquet-decimal-type", "v0 files 1"},
    {"snapshot-data0", "v0 files 2"},
    {"snapshot-data1", "v1 files 4"},
    {"snapshot-data2-deleted", "v4 files 3"},
    {"snapshot-data2", "v2 files 2"},
    {"snapshot-data3", "v3 files 4"},
    {"snapshot-repartitioned", "v5 files 2"},
    {"snapshot-vacuumed", "v5 files 2"},
    {"table-with-columnmapping-mode-id", "v"},
    {"table-with-columnmapping-mode-name", "v"},
    {"time-travel-partition-changes-a", "v0 files 10"},
    {"time-travel-partition-changes-b", "v1 files 4"},
    {"time-travel-schema-changes-a", "v0 files 2"},
    {"time-travel-schema-changes-b", "v1 files 4"},
    {"time-travel-start-start20-start40", "v2 files 6"},
    {"time-travel-start-start20", "v1 files 4"},
    {"time-travel-start", "v0 files 2"},
    {"update-deleted-directory", "v0 files"},
    {"v2-checkpoint-json", "v2 files 4"},
    {"v2-checkpoint-parquet", "v2 files 4"},
    {"versions-not-contiguous", "the log has a gap: version 1 of 2 is missing (corrupt)"},
};

std::filesystem::path TestData() {
  if (const char* given = std::getenv("SLUICE_TESTDATA")) return given;
  return std::filesystem::path(SLUICE_SOURCE_DIR) / "../shared/testdata";
}

std::string Describe(const Result<std::shared_ptr<const Snapshot>>& loaded) {
  if (!loaded.ok()) return loaded.error().ToString();
  return fmt::format("v{} files {}", (*loaded)->version(), (*loaded)->files().size());
}

// `hive/x` lies in `hive/delta/x`, `x` in `x/delta`.
std::filesystem::path FolderOf(const std::filesystem::path& root, std::string_view name) {
  const size_t slash = name.find('/');
  if (slash == std::string_view::npos) return root / name / "delta";
  return root / name.substr(0, slash) / "delta" / name.substr(slash + 1);
}

// One line a row, members and columns in the order of `schema`; sorted.
std::vector<std::string> SortedRows(const std::vector<columnar::Batch>& batches,
                                    const arrow::Schema& schema) {
  std::vector<std::string> rows;
  for (const columnar::Batch& batch : batches) {
    arrow::ArrayVector columns;
    for (const auto& field : schema.fields()) {
      const auto column = batch->GetColumnByName(field->name());
      if (column == nullptr) return {"no column " + field->name()};
      // Both sides in one encoding; names and kinds of types are compared all the same.
      const auto converted = internal::ConvertArray(column, *field, {});
      if (!converted.ok()) return {converted.error().ToString()};
      columns.push_back(*converted);
    }
    for (int64_t row = 0; row < batch->num_rows(); ++row) {
      std::string& line = rows.emplace_back();
      for (const auto& column : columns) {
        line += (*column->GetScalar(row))->ToString();
        line += " | ";
      }
    }
  }
  std::ranges::sort(rows);
  return rows;
}

std::vector<columnar::Batch> ReadExpected(const std::filesystem::path& folder) {
  std::vector<columnar::Batch> batches;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(folder)) {
    const std::string name = entry.path().filename().string();
    if (!name.ends_with(".parquet") || name.starts_with('_') || name.starts_with('.')) continue;
    std::ifstream file(entry.path(), std::ios::binary);
    const std::string bytes((std::istreambuf_iterator<char>(file)), {});
    auto read = columnar::ReadParquet(bytes);
    EXPECT_TRUE(read.ok()) << entry.path() << ": " << read.error().ToString();
    if (read.ok()) std::ranges::move(*read, std::back_inserter(batches));
  }
  return batches;
}

// Partitioned by timestamps that do not say in which zone: Spark's test ran in this one.
constexpr std::string_view kZoned[] = {"data-reader-partition-values"};

TEST(GoldenTablesTest, HaveTheRowsThatSparkReads) {
  const auto root = std::filesystem::weakly_canonical(TestData() / "delta-golden");
  if (!std::filesystem::exists(root)) GTEST_SKIP() << root << " is not there";
  os::SystemDisk disk;
  os::SystemClock clock;
  os::SystemRandom random;
  int tables = 0;
  for (const Golden& golden : kGolden) {
    const auto expected_folder = root / golden.name / "expected";
    if (!std::filesystem::exists(expected_folder)) continue;
    SCOPED_TRACE(golden.name);
    store::LocalStore store(disk, FolderOf(root, golden.name).string());
    const DeltaTable table(store, "", clock, random);
    const auto snapshot = table.Load();
    ASSERT_TRUE(snapshot.ok()) << snapshot.error().ToString();
    ScanOptions options;
    if (std::ranges::find(kZoned, golden.name) != std::end(kZoned)) {
      options.zone = "America/Los_Angeles";
    }
    options.threads = 1 + tables % 2;
    auto scan = Scan::Open(table, *snapshot, options);
    ASSERT_TRUE(scan.ok()) << scan.error().ToString();
    std::vector<columnar::Batch> batches;
    while (true) {
      auto batch = (*scan)->Next();
      ASSERT_TRUE(batch.ok()) << batch.error().ToString();
      if (*batch == nullptr) break;
      batches.push_back(*batch);
    }
    const auto expected = ReadExpected(expected_folder);
    ++tables;
    if (!expected.empty()) {
      auto names = expected[0]->schema()->field_names();
      auto ours = (*scan)->schema()->field_names();
      std::ranges::sort(names);
      std::ranges::sort(ours);
      EXPECT_EQ(ours, names);
    }
    EXPECT_EQ(SortedRows(batches, *(*scan)->schema()), SortedRows(expected, *(*scan)->schema()));
  }
  EXPECT_EQ(tables, 71);
}

TEST(GoldenTablesTest, KeepWhatTheirLogsAreAbout) {
  const auto root = std::filesystem::weakly_canonical(TestData() / "delta-golden");
  if (!std::filesystem::exists(root)) GTEST_SKIP() << root << " is not there";
  os::SystemDisk disk;
  os::SystemClock clock;
  os::SystemRandom random;
  const auto load = [&](const std::string& name) {
    store::LocalStore store(disk, FolderOf(root, name).string());
    return *DeltaTable(store, "", clock, random).Load();
  };
  const auto added = load("delete-re-add-same-file-different-transactions");
  std::map<std::string, int64_t> files;
  for (const DataFile& file : added->files()) files[file.path] = file.modified_ms;
  ASSERT_EQ(files.size(), 2U);
  EXPECT_EQ(files.count("bar"), 1U);
  EXPECT_EQ(files.at("foo"), 1'700'000'000'000);
  const auto special = load("log-replay-special-characters-b");
  store::LocalStore anywhere(disk, root.string());
  EXPECT_EQ(DeltaTable(anywhere, "", clock, random).StorePath(special->files()[0]), "special p@#h");
  EXPECT_EQ(load("deltalog-getChanges")->TransactionVersion("fakeAppId"), 3);
}

TEST(GoldenTablesTest, LoadOrAreRefusedByName) {
  const auto root = std::filesystem::weakly_canonical(TestData() / "delta-golden");
  if (!std::filesystem::exists(root)) GTEST_SKIP() << root << " is not there";
  os::SystemDisk disk;
  os::SystemClock clock;
  os::SystemRandom random;
  int loaded_count = 0;
  for (const Golden& golden : kGolden) {
    store::LocalStore store(disk, FolderOf(root, golden.name).string());
    const DeltaTable table(store, "", clock, random);
    const auto loaded = table.Load();
    EXPECT_NE(Describe(loaded).find(golden.expected), std::string::npos)
        << golden.name << ": " << Describe(loaded);
    if (!loaded.ok()) continue;
    ++loaded_count;
    // The first version that is still there leads to the newest one by following.
    const auto first = table.LoadAt(0);
    if (!first.ok()) continue;
    const auto followed = table.Load(*first);
    EXPECT_EQ(Describe(followed), Describe(loaded)) << golden.name;
  }
  fmt::print("golden tables: {} loaded, {} refused by name\n", loaded_count,
             std::size(kGolden) - static_cast<size_t>(loaded_count));
}

}  // namespace
}  // namespace sluice::lake
