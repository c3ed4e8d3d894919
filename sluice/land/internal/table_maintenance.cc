#include <mutex>
#include <set>
#include <string>
#include <utility>

#include "sluice/base/trace.h"
#include "sluice/lake/expression.h"
#include "sluice/lake/scan.h"
#include "sluice/lake/timestamps.h"
#include "sluice/land/internal/table_lander.h"
#include "sluice/land/table_schema.h"
#include "sluice/ledger/carried_over.h"

namespace sluice::land::internal {

namespace {

const std::string kRetentionProperty = "delta.deletedFileRetentionDuration";
// Longer than any query that reads files of a version that was the newest when it began.
constexpr std::chrono::hours kQueryTimeMax{1};

Result<lake::CompactReport> RewriteFiles(lake::DeltaTable& table,
                                         const lake::CompactOptions& options) {
  return lake::CompactFiles(table, options);
}

Result<lake::CompactReport> RewriteFiles(lake::DeltaTable& table,
                                         const lake::ClusterOptions& options) {
  return lake::ClusterFiles(table, options);
}

}  // namespace

columnar::ParquetOptions TableLander::FileOptions(const event::Contract& contract) const {
  columnar::ParquetOptions options = IdentityFileOptions();
  options.incompressible_columns = PseudonymColumns(contract);
  options.private_columns = PrivateColumns(contract);
  options.compression = options_.compression;
  return options;
}

template <typename Options>
Result<lake::CompactReport> TableLander::Rewrite(Options options) {
  {
    const std::lock_guard lock(mutex_);
    options.since = snapshot_;
    options.write.parquet = FileOptions(*topic_.contract);
  }
  SLUICE_ASSIGN_OR_RETURN(lake::CompactReport report, RewriteFiles(table_, options));
  const std::lock_guard lock(mutex_);
  Advance(report.snapshot);
  return report;
}

template Result<lake::CompactReport> TableLander::Rewrite(lake::CompactOptions);
template Result<lake::CompactReport> TableLander::Rewrite(lake::ClusterOptions);

Result<lake::VacuumReport> TableLander::Vacuum(std::chrono::milliseconds retention,
                                               std::function<bool()> go_on) {
  lake::VacuumOptions options{
      .retention_min = kQueryTimeMax, .allow_short_retention = true, .go_on = std::move(go_on)};
  {
    const std::lock_guard lock(mutex_);
    options.since = snapshot_;
  }
  if (!options.since->properties().contains(kRetentionProperty)) options.retention = retention;
  SLUICE_ASSIGN_OR_RETURN(lake::VacuumReport report, lake::Vacuum(table_, options));
  const std::lock_guard lock(mutex_);
  Advance(report.snapshot);
  return report;
}

std::vector<std::string> TableLander::FilesSince(os::Timestamp since) const {
  const std::lock_guard lock(mutex_);
  const int64_t since_ms =
      std::chrono::floor<std::chrono::milliseconds>(since).time_since_epoch().count();
  // When a file was made says a clock that may have been behind; a time of receipt never goes back.
  const auto filter = lake::Expression::Parse(fmt::format(
      "_received_at >= TIMESTAMP '{}'", lake::TimestampText(since.time_since_epoch().count())));
  std::set<std::string> selected;
  if (filter.ok()) {
    for (lake::DataFile& file : lake::SelectFiles(*snapshot_, *filter)) {
      selected.insert(std::move(file.path));
    }
  }
  std::vector<std::string> paths;
  for (const lake::DataFile& file : snapshot_->files()) {
    const bool told = filter.ok() && lake::NullsOf(file, "_received_at");
    if (told ? selected.contains(file.path) : file.modified_ms >= since_ms) {
      paths.push_back(table_.StorePath(file));
    }
  }
  return paths;
}

Status TableLander::CleanUpLog(const std::shared_ptr<const lake::Snapshot>& snapshot) {
  const auto count = [&](lake::Version first) -> Status {
    lake::AppendOptions append;
    append.operation = "COUNT";
    SLUICE_ASSIGN_OR_RETURN(append.transactions,
                            ledger::CarryOverRemovedUntil(table_, snapshot, first, app_id_));
    if (append.transactions.empty()) return {};
    SLUICE_ASSIGN_OR_RETURN(auto counted, table_.Append(snapshot, {}, append));
    trace::Info("removed rows counted before the log is cleaned up",
                {{"table", topic_.table_path}, {"log_begins", first}});
    const std::lock_guard lock(mutex_);
    Advance(std::move(counted));
    return {};
  };
  return table_.CleanUpLog(*snapshot, count).status();
}

TableToChange TableLander::ToChange() const {
  const std::lock_guard lock(mutex_);
  lake::ChangeOptions options;
  options.write.parquet = FileOptions(*topic_.contract);
  options.since = snapshot_;
  options.overtaken_by = app_id_;
  return {.table = std::make_shared<lake::DeltaTable>(table_),
          .options = std::move(options),
          .contract = topic_.contract};
}

void TableLander::Follow(std::shared_ptr<const lake::Snapshot> snapshot) {
  const std::lock_guard lock(mutex_);
  trace::Info("rows changed", {{"table", topic_.table_path}, {"version", snapshot->version()}});
  Advance(std::move(snapshot), Made::kByUs);
}

}  // namespace sluice::land::internal
