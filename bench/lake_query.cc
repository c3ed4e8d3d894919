// A question about a table, timed: what bench/lake.py puts beside the same one to deltalake. A
// program of its own, so that what lake_operations takes is not that of DuckDB.
//
//   usage: lake_query TABLE SQL    the table is `t`
//
// Prints the seconds from loading the table to the last row, which goes to the error output.

#include <arrow/api.h>
#include <fmt/format.h>

#include <chrono>
#include <filesystem>
#include <iostream>

#include "sluice/columnar/memory.h"
#include "sluice/duck/engine.h"
#include "sluice/lake/delta_table.h"
#include "sluice/os/disk.h"
#include "sluice/sql/table_relation.h"
#include "sluice/store/local_store.h"

namespace sluice {
namespace {

using Seconds = std::chrono::duration<double>;

class PrintingSink final : public duck::ResultSink {
 public:
  Status Begin(const columnar::Schema&) override { return {}; }
  Status Add(const columnar::Batch& batch) override {
    for (int64_t row = 0; row < batch->num_rows(); ++row) {
      for (const auto& column : batch->columns()) {
        std::cerr << (*column->GetScalar(row))->ToString() << ' ';
      }
    }
    return {};
  }
};

Result<Seconds> Ask(const std::string& folder, const std::string& sql) {
  os::SystemDisk disk;
  const os::SystemClock clock;
  os::SystemRandom random;
  store::LocalStore store(disk, std::filesystem::absolute(folder).string());
  const lake::DeltaTable table(store, "", clock, random);
  const std::string root = store.Location("");
  SLUICE_ASSIGN_OR_RETURN(
      const auto engine,
      duck::Engine::Open({.temporary_folder = root + "/.duck", .files_folders = {root}}));
  const auto start = std::chrono::steady_clock::now();
  SLUICE_ASSIGN_OR_RETURN(const auto snapshot, table.Load());
  const auto lookup = [&](const duck::RelationName&) -> Result<std::optional<duck::Relation>> {
    duck::Relation relation;
    relation.schema = snapshot->schema();
    SLUICE_RETURN_IF_ERROR(sql::AddFiles(table, snapshot, nullptr, relation));
    return std::optional(std::move(relation));
  };
  PrintingSink sink;
  SLUICE_RETURN_IF_ERROR(engine->Query(sql, lookup, sink));
  return Seconds(std::chrono::steady_clock::now() - start);
}

}  // namespace
}  // namespace sluice

int main(int count, char** words) {
  sluice::columnar::UseProcessMemory();  // As our program does.
  if (count != 3) {
    std::cerr << "usage: lake_query TABLE SQL\n";
    return 2;
  }
  const auto took = sluice::Ask(words[1], words[2]);
  if (!took.ok()) {
    std::cerr << took.error().ToString() << '\n';
    return 1;
  }
  std::cout << took->count() << '\n';
  return 0;
}
