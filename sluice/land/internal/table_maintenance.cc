#include <array>
#include <chrono>
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
// By which, beside the day, a log is cleaned up.
constexpr std::array kLogProperties{"delta.logRetentionDuration", "delta.enableExpiredLogCleanup"};
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

std::vector<std::string> TableLander::FilesReceived(os::Timestamp since,
                                                    std::optional<os::Timestamp> until) const {
  const std::lock_guard lock(mutex_);
  const auto received = [](std::string_view comparison, os::Timestamp time) {
    return fmt::format("_received_at {} TIMESTAMP '{}'", comparison,
                       lake::TimestampText(time.time_since_epoch().count()));
  };
  const auto select = [&](const std::string& condition) {
    const auto filter = lake::Expression::Parse(condition);
    if (filter.ok()) return lake::SelectFiles(*snapshot_, *filter);
    // A year that cannot be written rules nothing out.
    return std::vector<lake::DataFile>(snapshot_->files().begin(), snapshot_->files().end());
  };
  const std::string from = received(">=", since);
  const std::vector<lake::DataFile> files = select(from);
  std::set<std::string> in_time;
  if (until) {
    for (lake::DataFile& file : select(fmt::format("{} AND {}", from, received("<=", *until)))) {
      in_time.insert(std::move(file.path));
    }
  }
  const auto milliseconds = [](os::Timestamp time) {
    return std::chrono::floor<std::chrono::milliseconds>(time).time_since_epoch().count();
  };
  const int64_t since_ms = milliseconds(since);
  // As far off as the time that counts is long, but not by the years that the rows are.
  const int64_t latest_ms = until ? milliseconds(*until + (*until - since)) : 0;

  std::vector<std::string> paths;
  std::vector<const lake::DataFile*> ahead;
  int64_t newer_from = INT64_MAX;
  for (const lake::DataFile& file : files) {
    const bool made_since = file.modified_ms >= since_ms;
    const bool told = lake::NullsOf(file, "_received_at").has_value();
    if (told && until && !in_time.contains(file.path)) {
      ahead.push_back(&file);
      if (!made_since || file.modified_ms > latest_ms) continue;
      newer_from = std::min(newer_from, lake::MinimumOf(file, "_offset").value_or(INT64_MAX));
    } else if (told || made_since) {
      paths.push_back(table_.StorePath(file));
    }
  }
  // When a file was made says a clock that may have been behind. A time of receipt never goes back,
  // but stays ahead once the clock was: then rows are as new as others before them whose file was
  // made in that time.
  for (const lake::DataFile* const file : ahead) {
    if (file->modified_ms >= since_ms ||
        lake::MaximumOf(*file, "_offset").value_or(-1) >= newer_from) {
      paths.push_back(table_.StorePath(*file));
    }
  }
  return paths;
}

Status TableLander::CleanUpLog(const std::shared_ptr<const lake::Snapshot>& snapshot) {
  const os::Timestamp now = options_.expiry != nullptr ? options_.expiry->Now() : clock_.Now();
  std::pair<int64_t, std::vector<std::string>> wanted{
      std::chrono::floor<std::chrono::days>(now).time_since_epoch().count(), {}};
  for (const char* const name : kLogProperties) {
    const auto property = snapshot->properties().find(name);
    wanted.second.push_back(property == snapshot->properties().end() ? "" : property->second);
  }
  {
    const std::lock_guard lock(mutex_);
    if (log_cleaned_up_ == wanted) return {};
  }
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
  SLUICE_RETURN_IF_ERROR(table_.CleanUpLog(*snapshot, count).status());
  const std::lock_guard lock(mutex_);
  log_cleaned_up_ = std::move(wanted);
  return {};
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
