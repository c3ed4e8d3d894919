// Tables that other engines wrote: each loads with the files it has, or is refused by name.

#include <arrow/api.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <iostream>

#include "sluice/lake/delta_table.h"
#include "sluice/store/local_store.h"

namespace sluice::lake {
namespace {

std::filesystem::path TestData() {
  if (const char* given = std::getenv("SLUICE_TESTDATA")) return given;
  return std::filesystem::path(SLUICE_SOURCE_DIR) / "../shared/testdata";
}

std::string Describe(const Result<std::shared_ptr<const Snapshot>>& loaded) {
  if (!loaded.ok()) return loaded.error().ToString();
  int64_t rows = 0;
  bool all_counted = true;
  for (const DataFile& file : (*loaded)->files()) {
    all_counted = all_counted && file.rows.has_value();
    rows += file.rows.value_or(0);
  }
  return fmt::format("v{} files {} rows {} columns {}", (*loaded)->version(),
                     (*loaded)->files().size(), all_counted ? std::to_string(rows) : "?",
                     (*loaded)->schema()->num_fields());
}

TEST(GoldenTablesTest, LoadOrAreRefusedByName) {
  const auto root = std::filesystem::weakly_canonical(TestData() / "delta-golden");
  if (!std::filesystem::exists(root)) GTEST_SKIP() << root << " is not there";
  os::SystemDisk disk;
  os::SystemClock clock;
  os::SystemRandom random;
  std::vector<std::string> names;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(root)) {
    if (entry.is_directory() && entry.path().filename() == "_delta_log") {
      names.push_back(entry.path().parent_path().string());
    }
  }
  std::sort(names.begin(), names.end());
  for (const auto& name : names) {
    store::LocalStore store(disk, name);
    DeltaTable table(store, "", clock, random);
    std::cout << name.substr(root.string().size() + 1) << "|" << Describe(table.Load()) << "\n";
  }
}

}  // namespace
}  // namespace sluice::lake
