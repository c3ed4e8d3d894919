// Makes a Delta table, appends to it, and reads what matches a condition: without a JVM, a Rust
// runtime, or the rest of Sluice. Usage: lake_example FOLDER

#include <arrow/api.h>

#include <cstdio>
#include <filesystem>

#include "sluice/lake/delta_table.h"
#include "sluice/lake/scan.h"
#include "sluice/store/local_store.h"

namespace {

using namespace sluice;

columnar::Batch MakeRows(const columnar::Schema& schema, int64_t first, int64_t count) {
  arrow::Int64Builder ids;
  arrow::StringBuilder names;
  for (int64_t id = first; id < first + count; ++id) {
    if (!ids.Append(id).ok() || !names.Append("row " + std::to_string(id)).ok()) return nullptr;
  }
  return arrow::RecordBatch::Make(schema, count,
                                  {ids.Finish().ValueOrDie(), names.Finish().ValueOrDie()});
}

Status Run(const std::string& folder) {
  os::SystemDisk disk;
  os::SystemClock clock;
  os::SystemRandom random;
  store::LocalStore store(disk, std::filesystem::absolute(folder).lexically_normal().string());
  lake::DeltaTable table(store, "events", clock, random);

  const auto schema = arrow::schema({arrow::field("id", arrow::int64(), /*nullable=*/false),
                                     arrow::field("name", arrow::utf8())});
  SLUICE_ASSIGN_OR_RETURN(auto snapshot,
                          table.Create(schema, {.properties = {{"delta.appendOnly", "true"}}}));
  for (int64_t i = 0; i < 3; ++i) {
    lake::NewFile file;
    file.batches = {MakeRows(schema, i * 1000, 1000)};
    SLUICE_ASSIGN_OR_RETURN(snapshot, table.Append(snapshot, std::vector{file}));
  }
  SLUICE_RETURN_IF_ERROR(table.WriteCheckpoint(*snapshot));

  lake::ScanOptions options;
  options.columns = {"name"};
  SLUICE_ASSIGN_OR_RETURN(options.filter, lake::Expression::Parse("id BETWEEN 1500 AND 1502"));
  SLUICE_ASSIGN_OR_RETURN(const auto scan, lake::Scan::Open(table, snapshot, options));
  std::printf("version %lld, %lld of %lld files read\n",
              static_cast<long long>(snapshot->version()),
              static_cast<long long>(scan->files_read()),
              static_cast<long long>(scan->files_total()));
  while (true) {
    SLUICE_ASSIGN_OR_RETURN(const columnar::Batch batch, scan->Next());
    if (batch == nullptr) return {};
    const auto& names = static_cast<const arrow::StringArray&>(*batch->column(0));
    for (int64_t row = 0; row < names.length(); ++row) {
      std::printf("%s\n", names.GetString(row).c_str());
    }
  }
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2) {
    std::fprintf(stderr, "usage: lake_example FOLDER\n");
    return 2;
  }
  const Status status = Run(argv[1]);
  if (!status.ok()) std::fprintf(stderr, "error: %s\n", status.error().ToString().c_str());
  return status.ok() ? 0 : 1;
}
