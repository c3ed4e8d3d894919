// Appends to a Delta table beside other writers, for tests that kill it.
//
//   usage: sluice_lake_writer ADDRESS NAME COUNT [FIRST]
//          sluice_lake_writer ADDRESS
//
// Makes the table if there is none, then commits rows (NAME, number) one at a time with numbers up
// to COUNT, and prints each when its commit is acknowledged. Without FIRST the numbers are a
// transaction of the table: a run goes on where the table says that the last one got to. With it
// they are plain appends from FIRST on. Without a name it prints all rows, one a line.

#include <arrow/api.h>
#include <fmt/format.h>

#include <charconv>
#include <cstdio>
#include <optional>

#include "sluice/lake/delta_table.h"
#include "sluice/lake/scan.h"
#include "sluice/store/store_set.h"

namespace sluice {
namespace {

const columnar::Schema& RowSchema() {
  static const columnar::Schema schema = arrow::schema(
      {arrow::field("writer", arrow::utf8()), arrow::field("number", arrow::int64())});
  return schema;
}

class Writer {
 public:
  Writer(lake::DeltaTable& table, std::string name) : table_(table), name_(std::move(name)) {}

  Status Open() {
    auto loaded = table_.Load();
    if (!loaded.ok() && loaded.error().code() == ErrorCode::kNotFound) {
      loaded = table_.Create(RowSchema());
      // Another writer may have been quicker.
      if (!loaded.ok() && loaded.error().code() == ErrorCode::kConflict) loaded = table_.Load();
    }
    SLUICE_ASSIGN_OR_RETURN(snapshot_, std::move(loaded));
    return {};
  }

  Status WriteUpTo(int64_t count) {
    while (true) {
      const int64_t number = snapshot_->TransactionVersion(name_).value_or(-1) + 1;
      if (number >= count) return {};
      lake::AppendOptions options;
      options.transactions = {{.app_id = name_, .version = number, .last_updated_ms = {}}};
      options.expect = {.app_id = name_, .expected = snapshot_->TransactionVersion(name_)};
      SLUICE_RETURN_IF_ERROR(Append(number, options));
    }
  }

  Status Append(int64_t number, lake::AppendOptions options) {
    arrow::StringBuilder names;
    arrow::Int64Builder numbers;
    if (!names.Append(name_).ok() || !numbers.Append(number).ok()) return Internal("no memory");
    lake::NewFile file;
    file.batches = {arrow::RecordBatch::Make(
        RowSchema(), 1, {names.Finish().ValueOrDie(), numbers.Finish().ValueOrDie()})};
    options.attempts_max = 1000;
    auto appended = table_.Append(snapshot_, std::vector{file}, options);
    if (!appended.ok() && options.expect && appended.error().code() == ErrorCode::kUnavailable) {
      // Not known: the table says whether it has landed.
      SLUICE_ASSIGN_OR_RETURN(snapshot_, table_.Load(snapshot_));
      return {};
    }
    if (!appended.ok()) return std::move(appended).error();
    snapshot_ = *appended;
    std::printf("%lld\n", static_cast<long long>(number));
    std::fflush(stdout);
    // Another writer's checkpoint is as good; and losing one loses nothing.
    if (lake::CheckpointDue(*snapshot_)) static_cast<void>(table_.WriteCheckpoint(*snapshot_).ok());
    return {};
  }

 private:
  lake::DeltaTable& table_;
  const std::string name_;
  std::shared_ptr<const lake::Snapshot> snapshot_;
};

Status PrintRows(const lake::DeltaTable& table) {
  SLUICE_ASSIGN_OR_RETURN(const auto snapshot, table.Load());
  SLUICE_ASSIGN_OR_RETURN(const auto scan, lake::Scan::Open(table, snapshot, {}));
  while (true) {
    SLUICE_ASSIGN_OR_RETURN(const columnar::Batch batch, scan->Next());
    if (batch == nullptr) return {};
    const auto& names = static_cast<const arrow::StringArray&>(*batch->column(0));
    const auto& numbers = static_cast<const arrow::Int64Array&>(*batch->column(1));
    for (int64_t row = 0; row < batch->num_rows(); ++row) {
      std::printf("%s %lld\n", names.GetString(row).c_str(),
                  static_cast<long long>(numbers.Value(row)));
    }
  }
}

Status Run(const std::string& address, const std::string& name, int64_t count,
           std::optional<int64_t> first) {
  os::SystemDisk disk;
  os::SystemClock clock;
  os::SystemRandom random;
  store::StoreSet stores(disk, random);
  SLUICE_ASSIGN_OR_RETURN(const store::Place place, stores.WritableFolder(address));
  lake::DeltaTable table(*place.store, place.path, clock, random);
  if (name.empty()) return PrintRows(table);
  Writer writer(table, name);
  SLUICE_RETURN_IF_ERROR(writer.Open());
  if (!first) return writer.WriteUpTo(count);
  for (int64_t number = *first; number < count; ++number) {
    SLUICE_RETURN_IF_ERROR(writer.Append(number, {}));
  }
  return {};
}

}  // namespace
}  // namespace sluice

int main(int argc, char** argv) {
  const auto number = [&](int index) {
    const std::string_view text = argv[index];
    int64_t value = -1;
    static_cast<void>(std::from_chars(text.data(), text.data() + text.size(), value));
    return value;
  };
  if (argc != 2 && argc != 4 && argc != 5) {
    std::fprintf(stderr, "usage: sluice_lake_writer ADDRESS [NAME COUNT [FIRST]]\n");
    return 2;
  }
  const sluice::Status status =
      sluice::Run(argv[1], argc > 2 ? argv[2] : "", argc > 3 ? number(3) : 0,
                  argc > 4 ? std::optional(number(4)) : std::nullopt);
  if (!status.ok()) std::fprintf(stderr, "error: %s\n", status.error().ToString().c_str());
  return status.ok() ? 0 : 1;
}
