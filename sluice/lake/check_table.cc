#include "sluice/lake/check_table.h"

#include <arrow/api.h>
#include <simdjson.h>

#include "sluice/columnar/parquet_check.h"
#include "sluice/lake/internal/data_file_reader.h"
#include "sluice/lake/internal/log_names.h"
#include "sluice/lake/internal/read_plan.h"
#include "sluice/lake/internal/statistics_check.h"
#include "sluice/lake/internal/store_file.h"

namespace sluice::lake {

namespace {

using internal::DataFileReader;
using internal::ReadPlan;

Status CheckBytesAt(const internal::FilePlace& place, int64_t size) {
  const auto input = std::make_shared<internal::StoreFile>(*place.store, place.path, size);
  Status checked = columnar::CheckParquet(input);
  if (const auto failure = input->failure()) return *failure;
  return checked;
}

class Checker {
 public:
  Checker(const DeltaTable& table, const Snapshot& snapshot, size_t faults_max)
      : table_(table),
        snapshot_(snapshot),
        places_(table.store(), table.root(), table.foreign()),
        faults_max_(faults_max) {}

  Result<TableReport> Run() {
    const auto* state = dynamic_cast<const internal::TableState*>(&snapshot_);
    SLUICE_CHECK(state != nullptr);
    SLUICE_ASSIGN_OR_RETURN(plan_, internal::MakeReadPlan(*state, {}));
    report_.version = snapshot_.version();
    for (const DataFile& file : snapshot_.files()) {
      ++report_.files;
      report_.bytes += file.size;
      SLUICE_RETURN_IF_ERROR(CheckFile(*state, file));
    }
    SLUICE_RETURN_IF_ERROR(CheckChecksum());
    return std::move(report_);
  }

 private:
  void Fault(std::string file, std::string what) {
    if (report_.faults.size() < faults_max_) {
      report_.faults.push_back({std::move(file), std::move(what)});
    }
  }

  Status CheckFile(const internal::TableState& state, const DataFile& file) {
    const auto place = places_.Find(file.path);
    if (!place.ok()) {
      Fault(file.path, place.error().message());
      return {};
    }
    const auto info = place->store->Head(place->path);
    if (!info.ok()) {
      if (info.error().code() == ErrorCode::kUnavailable) return info.error();
      Fault(file.path, "it is not there");
      return {};
    }
    if (static_cast<int64_t>(info->size) != file.size) {
      Fault(file.path, fmt::format("it has {} bytes, the log says {}", info->size, file.size));
    }
    if (const Status checked = CheckBytesAt(*place, static_cast<int64_t>(info->size));
        !checked.ok()) {
      if (checked.error().code() == ErrorCode::kUnavailable) return checked;
      Fault(file.path, checked.error().message());
      return {};
    }
    const auto reader = DataFileReader::Open(places_, file, plan_);
    if (!reader.ok()) {
      Fault(file.path, reader.error().message());
      return {};
    }
    return CheckRows(state, file, **reader);
  }

  Status CheckRows(const internal::TableState& state, const DataFile& file,
                   DataFileReader& reader) {
    internal::StatisticsCheck statistics(*state.annotated_schema(), plan_.mapping, file);
    int64_t rows = 0;
    while (true) {
      const auto batch = reader.Next();
      if (!batch.ok()) {
        Fault(file.path, batch.error().message());
        return {};
      }
      if (*batch == nullptr) break;
      rows += (*batch)->num_rows();
      statistics.Add(**batch);
    }
    const int64_t deleted = file.deletion_vector == nullptr ? 0 : file.deletion_vector->cardinality;
    report_.rows += rows;
    report_.rows_deleted += deleted;
    if (file.rows && *file.rows != rows + deleted) {
      Fault(file.path,
            fmt::format("it has {} rows, the statistics say {}", rows + deleted, *file.rows));
    }
    for (std::string& what : statistics.Finish()) Fault(file.path, std::move(what));
    return {};
  }

  Status CheckChecksum() {
    const std::string name = internal::VersionName(snapshot_.version()) + ".crc";
    const std::string folder = table_.root().empty() ? "" : table_.root() + "/";
    const auto text = table_.store().Get(folder + "_delta_log/" + name);
    if (!text.ok()) {
      if (text.error().code() == ErrorCode::kNotFound) return {};  // They may be missing.
      return text.error();
    }
    ++report_.checksums;
    simdjson::dom::parser parser;
    simdjson::dom::object checksum;
    if (parser.parse(text->data(), text->size()).get(checksum) != simdjson::SUCCESS) {
      Fault(name, "it is no JSON object");
      return {};
    }
    const auto compare = [&](const char* member, int64_t expected) {
      int64_t found = -1;
      if (checksum[member].get(found) != simdjson::SUCCESS || found != expected) {
        Fault(name, fmt::format("{} is {}, but {} by the log", member, found, expected));
      }
    };
    compare("numFiles", report_.files);
    compare("tableSizeBytes", report_.bytes);
    compare("numMetadata", 1);
    compare("numProtocol", 1);
    return {};
  }

  const DeltaTable& table_;
  const Snapshot& snapshot_;
  const internal::FilePlaces places_;
  const size_t faults_max_;
  ReadPlan plan_;
  TableReport report_;
};

}  // namespace

Status CheckBytes(const DeltaTable& table, const DataFile& file) {
  const std::string context = fmt::format("file '{}'", file.path);
  const internal::FilePlaces places(table.store(), table.root(), table.foreign());
  SLUICE_ASSIGN_OR_RETURN(const internal::FilePlace place, places.Find(file.path), "{}", context);
  // Not the log's size: a file that was cut off says where it ends.
  SLUICE_ASSIGN_OR_RETURN(const store::ObjectInfo info, place.store->Head(place.path), "{}",
                          context);
  SLUICE_RETURN_IF_ERROR(CheckBytesAt(place, static_cast<int64_t>(info.size)), "{}", context);
  return {};
}

Result<TableReport> CheckTable(const DeltaTable& table, std::shared_ptr<const Snapshot> snapshot,
                               size_t faults_max) {
  return Checker(table, *snapshot, faults_max).Run();
}

}  // namespace sluice::lake
