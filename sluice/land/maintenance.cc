#include "sluice/land/maintenance.h"

#include <algorithm>
#include <utility>

#include "sluice/base/trace.h"
#include "sluice/os/memory.h"

namespace sluice::land {

namespace {

using std::chrono::milliseconds;

// A table that nothing was written to is looked at this often: another writer may have been there.
constexpr std::chrono::hours kUnchangedEvery{1};
// The first vacuum after a start: not at once, for starting again and again must not mean nothing
// but looking for files, and not so late that it never comes.
constexpr std::chrono::minutes kFirstVacuum{10};
constexpr int kFailuresWait = 10;           // Looks that a failure costs.
constexpr int64_t kDeleteBytes = 64 << 10;  // What deleting a file costs, in bytes of the pace.
constexpr int64_t kFilesOfChunk = 8;        // That is clustered.
// Rewritten in one commit, so that a process that dies loses no more.
constexpr int64_t kCommitBytes = 256ll << 20;
constexpr int64_t kFreeBytesMin = 16ll << 20;  // Rewritten, until free memory is given back.

}  // namespace

Maintenance::Maintenance(const MaintenanceOptions& options, const PaceOptions& pace, Lander& lander,
                         const os::Clock& clock, Metrics& metrics)
    : options_(options),
      pace_(pace),
      lander_(lander),
      clock_(clock),
      metrics_(metrics),
      began_(clock.Steady()) {
  for (const char* const action :
       {"compact", "cluster", "vacuum"}) {  // Shown from the start, as 0.
    metrics_.GetCounter("sluice_maintenance_runs_total",
                        fmt::format("action=\"{}\",outcome=\"done\"", action));
  }
}

bool Maintenance::Look() {
  const std::vector<TableStatus> tables = lander_.Tables();
  std::erase_if(seen_, [&](const auto& entry) {
    return std::ranges::find(tables, entry.first, &TableStatus::partition) == tables.end();
  });
  for (const TableStatus& table : tables) {
    const auto [seen, fresh] = seen_.try_emplace(table.partition);
    if (fresh) {
      seen->second.next_vacuum =
          began_ + std::min<std::chrono::microseconds>(options_.vacuum_every, kFirstVacuum);
    }
    if (!LookAt(table, seen->second)) return false;
  }
  return true;
}

bool Maintenance::LookAt(const TableStatus& table, Seen& seen) {
  if (options_.off.contains(table.topic)) {
    NoteLeftAlone(table, "maintenance of the topic is off", seen.left_alone);
    return true;
  }
  if (!table.stopped.empty()) {
    NoteLeftAlone(table, "landing has stopped: " + table.stopped, seen.left_alone);
    return true;
  }
  if (table.compaction_off) {
    NoteLeftAlone(table, "delta.autoOptimize.autoCompact is false: not compacted", seen.left_alone);
  } else {
    seen.left_alone.clear();
  }
  const os::Monotonic now = clock_.Steady();
  if (now >= seen.next_look || (table.version != seen.version && seen.version >= 0)) {
    seen.next_look = now + kUnchangedEvery;
    if (!table.compaction_off) {
      if (!Compact(table, seen)) return false;
      if (!Cluster(table, seen)) return false;
    }
  }
  if (now < seen.next_vacuum) return true;
  seen.next_vacuum = now + options_.vacuum_every;
  return Vacuum(table, seen);
}

bool Maintenance::Compact(const TableStatus& table, Seen& seen) {
  MaintenanceRun run = Begin(table, "compact");
  Pace pace(pace_, clock_);
  bool go_on = true;
  const auto report = lander_.Compact(
      table.partition, {.file_bytes = options_.file_bytes,
                        .deleted_part_max = options_.deleted_part_max,
                        .tiers = lake::CompactOptions::Tiers{.files_min = options_.files_min,
                                                             .quiet_before_ms = QuietBefore()},
                        .bytes_max = options_.bytes_max,
                        .commit_bytes_max = kCommitBytes,
                        .go_on = [&] { return go_on = pace.Keep(0); },
                        .pace = [&](int64_t bytes) { return go_on = Keep(pace, bytes); },
                        .memory = Memory()});
  return EndRewrite(std::move(run), report, pace, go_on, seen);
}

bool Maintenance::Cluster(const TableStatus& table, Seen& seen) {
  const auto columns = options_.cluster_by.find(table.topic);
  if (columns == options_.cluster_by.end()) return true;
  MaintenanceRun run = Begin(table, "cluster");
  Pace pace(pace_, clock_);
  bool go_on = true;
  const auto report = lander_.Cluster(
      table.partition,
      {.columns = columns->second,
       .file_bytes = std::min(options_.file_bytes, options_.cluster_bytes / kFilesOfChunk),
       .chunk_bytes = options_.cluster_bytes,
       .due = lake::ClusterOptions::Due{.bytes_min = options_.cluster_bytes,
                                        .quiet_before_ms = QuietBefore()},
       .bytes_max = options_.bytes_max,
       .go_on = [&] { return go_on = pace.Keep(0); },
       .pace = [&](int64_t bytes) { return go_on = Keep(pace, bytes); },
       .memory = Memory()});
  if (!report.ok() && (report.error().code() == ErrorCode::kInvalid ||
                       report.error().code() == ErrorCode::kUnsupported)) {
    NoteLeftAlone(table, "not clustered: " + report.error().message(), seen.not_clustered);
    return go_on;
  }
  return EndRewrite(std::move(run), report, pace, go_on, seen);
}

bool Maintenance::EndRewrite(MaintenanceRun run, const Result<lake::CompactReport>& report,
                             const Pace& pace, bool go_on, Seen& seen) {
  if (rewritten_ > 0) os::ReturnFreeMemory();
  rewritten_ = 0;
  if (!report.ok()) {
    seen.next_look = clock_.Steady() + options_.every * kFailuresWait;
    seen.version = -1;
    run.outcome = "failed";
    run.reason = report.error().ToString();
    return End(std::move(run), pace, go_on);
  }
  run.version = report->snapshot->version();
  seen.version = run.version;
  if (!report->finished) seen.next_look = {};
  const bool idle = report->commits == 0 && report->files_lost == 0 && report->finished;
  if (idle) return go_on;
  run.files_after = static_cast<int64_t>(report->snapshot->files().size());
  run.files_before = run.files_after + report->files_removed - report->files_added;
  run.bytes_before = report->bytes_removed;
  run.bytes_after = report->bytes_added;
  if (report->files_lost > 0) {
    run.reason = fmt::format("gave way to another writer: {} files", report->files_lost);
  }
  metrics_.GetCounter("sluice_maintenance_files_removed_total").Add(report->files_removed);
  metrics_.GetCounter("sluice_maintenance_rewritten_bytes_total").Add(report->bytes_added);
  return End(std::move(run), pace, go_on);
}

bool Maintenance::Vacuum(const TableStatus& table, Seen& seen) {
  MaintenanceRun run = Begin(table, "vacuum");
  Pace pace(pace_, clock_);
  bool go_on = true;
  const auto report = lander_.Vacuum(table.partition, options_.vacuum_retention,
                                     [&] { return go_on = pace.Keep(kDeleteBytes); });
  if (!report.ok()) {
    run.outcome = "failed";
    run.reason = report.error().ToString();
    return End(std::move(run), pace, go_on);
  }
  run.version = report->snapshot->version();
  seen.version = run.version;
  if (report->files_deleted == 0) return go_on;
  run.files_after = report->files_kept + report->files_in_use;
  run.files_before = run.files_after + report->files_deleted;
  run.bytes_before = report->bytes_deleted;
  metrics_.GetCounter("sluice_maintenance_files_deleted_total").Add(report->files_deleted);
  return End(std::move(run), pace, go_on);
}

void Maintenance::NoteLeftAlone(const TableStatus& table, std::string reason, std::string& noted) {
  if (noted == reason) return;
  noted = reason;
  MaintenanceRun run = Begin(table, "none");
  run.files_before = run.files_after = table.files;
  run.outcome = "off";
  run.reason = std::move(reason);
  lander_.maintenance().Add(std::move(run));
}

int64_t Maintenance::QuietBefore() const {
  return (std::chrono::floor<milliseconds>(clock_.Now()).time_since_epoch() - options_.quiet)
      .count();
}

lake::RewriteMemory Maintenance::Memory() {
  return {.bytes_max = options_.memory_bytes_max,
          .tell = [this](int64_t bytes) { lander_.maintenance().SetMemory(bytes); }};
}

// The allocator keeps what was freed between other things: row group by row group it would come to
// more than the work ever had at once.
bool Maintenance::Keep(Pace& pace, int64_t bytes) {
  rewritten_ += bytes;
  if (rewritten_ >= std::max(options_.memory_bytes_max, kFreeBytesMin)) {
    rewritten_ = 0;
    os::ReturnFreeMemory();
  }
  return pace.Keep(bytes);
}

MaintenanceRun Maintenance::Begin(const TableStatus& table, std::string action) const {
  return {.topic = table.topic,
          .table = table.table,
          .action = std::move(action),
          .started = clock_.Now(),
          .version = table.version};
}

bool Maintenance::End(MaintenanceRun run, const Pace& pace, bool go_on) {
  if (run.outcome.empty()) {
    run.outcome = go_on ? "done" : "stopped";
    if (!go_on) run.reason = "the server is stopping";
  }
  run.took = pace.taken();
  run.processor = pace.processor();
  metrics_
      .GetCounter("sluice_maintenance_runs_total",
                  fmt::format("action=\"{}\",outcome=\"{}\"", run.action, run.outcome))
      .Add();
  metrics_.GetHistogram("sluice_maintenance_seconds", fmt::format("action=\"{}\"", run.action))
      .Observe(std::chrono::duration<double>(run.took).count());
  const bool failed = run.outcome == "failed";
  trace::Write(failed ? trace::Level::kWarning : trace::Level::kInfo, "table maintenance",
               {{"table", run.table},
                {"action", run.action},
                {"outcome", run.outcome},
                {"version", run.version},
                {"files_before", run.files_before},
                {"files_after", run.files_after},
                {"bytes_before", run.bytes_before},
                {"bytes_after", run.bytes_after},
                {"ms", std::chrono::duration_cast<milliseconds>(run.took).count()},
                {"reason", run.reason}});
  lander_.maintenance().Add(std::move(run));
  return go_on;
}

}  // namespace sluice::land
