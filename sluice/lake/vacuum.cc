#include "sluice/lake/vacuum.h"

#include <algorithm>
#include <unordered_set>

#include "sluice/base/percent.h"
#include "sluice/lake/commit.h"
#include "sluice/lake/internal/commit_lines.h"
#include "sluice/lake/internal/deletion_vector.h"
#include "sluice/lake/internal/files_in_writing.h"
#include "sluice/lake/internal/log_names.h"
#include "sluice/lake/internal/path_encoding.h"
#include "sluice/lake/internal/table_change.h"
#include "sluice/lake/internal/table_features.h"

namespace sluice::lake {

namespace {

using internal::StatePtr;
using internal::TableChange;
using std::chrono::milliseconds;

constexpr int64_t kWeekMs = int64_t{7} * 24 * 3600 * 1000;
constexpr size_t kPathsMax = 1000;
constexpr size_t kDeletedAtOnce = 500;

int64_t TableRetentionMs(const Snapshot& snapshot) {
  const auto text =
      internal::Property(snapshot.properties(), "delta.deletedFileRetentionDuration", "");
  return internal::ParseInterval(text).value_or(kWeekMs);
}

// Whether vacuum may look at a path, relative to the table: hidden names are other programs', or
// the log's.
bool IsVisible(const Snapshot& snapshot, std::string_view path) {
  while (!path.empty()) {
    const size_t end = path.find('/');
    const std::string_view part = path.substr(0, end);
    const bool is_folder = end != std::string_view::npos;
    path.remove_prefix(is_folder ? end + 1 : path.size());
    if (!part.starts_with('_') && !part.starts_with('.')) continue;
    if (is_folder && (part == "_change_data" || part == "_delta_index")) continue;
    const std::string column = PercentDecode(part.substr(0, part.find('=')));
    const bool partitions = is_folder && part.find('=') != std::string_view::npos &&
                            std::ranges::find(snapshot.partition_columns(), column) !=
                                snapshot.partition_columns().end();
    if (!partitions) return false;
  }
  return true;
}

// An absolute path of the log as stores spell addresses.
std::string PlaceOf(const std::string& path) {
  std::string place = internal::CanonicalPath(path);
  for (const std::string_view other : {"s3a://", "s3n://"}) {
    if (place.starts_with(other)) place.erase(2, 1);
  }
  return place;
}

/// One call. Not thread-safe.
class VacuumRun {
 public:
  VacuumRun(DeltaTable& table, const VacuumOptions& options)
      : table_(table), options_(options), folder_(table.store().Location(table.InRoot("x"))) {
    folder_.pop_back();
  }

  Result<VacuumReport> Run() {
    SLUICE_ASSIGN_OR_RETURN(
        state_, internal::TableLog(table_.store(), table_.root()).NewestSince(options_.since));
    SLUICE_RETURN_IF_ERROR(state_->CheckWritable());
    const int64_t table_ms = TableRetentionMs(*state_);
    const int64_t retention_ms =
        std::max<int64_t>(options_.retention ? options_.retention->count() : table_ms,
                          options_.retention_min.count());
    if (retention_ms < 0) return Invalid("a retention of {} ms", retention_ms);
    if (retention_ms < table_ms && !options_.allow_short_retention) {
      return Invalid(
          "a retention of {} hours is shorter than the {} hours of the table: queries of older "
          "versions and writers at work would lose files; it must be allowed explicitly",
          retention_ms / 3'600'000, table_ms / 3'600'000);
    }
    cutoff_ms_ = internal::ExpiryMs(table_) - retention_ms;
    SLUICE_ASSIGN_OR_RETURN(auto objects, table_.store().List(table_.InRoot("")));
    // After the list, and before the state: a file of the list that is no longer being written then
    // is one that the state names, if any commit does.
    writing_ = table_.writing().List(table_.clock().Steady(), milliseconds(retention_ms));
    SLUICE_ASSIGN_OR_RETURN(state_,
                            internal::TableLog(table_.store(), table_.root()).NewestSince(state_));
    KeepFilesOfTable();
    if (options_.named_at_any_age) SLUICE_RETURN_IF_ERROR(FindNamed());
    FindGarbage(std::move(objects));
    if (options_.dry_run || garbage_.empty()) {
      for (const auto& object : garbage_) Count(object);
      report_.snapshot = state_;
      return report_;
    }
    SLUICE_RETURN_IF_ERROR(
        Note("VACUUM START",
             {{"retentionCheckEnabled", options_.allow_short_retention ? "false" : "true"},
              {"specifiedRetentionMillis", std::to_string(retention_ms)},
              {"defaultRetentionMillis", std::to_string(table_ms)}},
             {{"numFilesToDelete", std::to_string(garbage_.size())},
              {"sizeOfDataToDelete", std::to_string(garbage_bytes_)}}));
    const Status deleted = Delete();
    SLUICE_RETURN_IF_ERROR(Note("VACUUM END", {{"status", deleted.ok() ? "COMPLETED" : "FAILED"}},
                                {{"numDeletedFiles", std::to_string(report_.files_deleted)},
                                 {"numVacuumedDirectories", "0"}}));
    SLUICE_RETURN_IF_ERROR(deleted);
    report_.snapshot = state_;
    return report_;
  }

 private:
  using Paths = std::unordered_set<std::string>;  // As the store spells them, in the table.

  void AddTo(Paths& paths, const std::string& path,
             const std::shared_ptr<const DeletionVector>& vector = nullptr) const {
    if (!internal::IsAbsolute(path)) {
      paths.insert(PercentDecode(path));
    } else if (const std::string place = PlaceOf(path); place.starts_with(folder_)) {
      paths.insert(place.substr(folder_.size()));  // Its own file, by an address.
    }
    if (vector == nullptr || vector->storage != "u") return;
    const auto place = internal::DeletionVectorPath(*vector);
    if (place.ok()) paths.insert(PercentDecode(*place));
  }

  void KeepFilesOfTable() {
    for (const DataFile& file : state_->files()) AddTo(kept_, file.path, file.deletion_vector);
    if (options_.named_at_any_age) return;
    for (const internal::Remove& remove : state_->tombstones()) {
      if (remove.deletion_ms > cutoff_ms_) AddTo(kept_, remove.path, remove.vector);
    }
  }

  // What a commit has named is no longer the work of a writer that has yet to commit.
  Status FindNamed() {
    for (const internal::Remove& remove : state_->tombstones()) {
      AddTo(named_, remove.path, remove.vector);
    }
    SLUICE_ASSIGN_OR_RETURN(Version version, OldestCommit(table_));
    for (; version <= state_->version(); ++version) {
      SLUICE_ASSIGN_OR_RETURN(
          const std::string text,
          table_.store().Get(internal::LogFolder(table_.root()) + internal::CommitName(version)),
          "commit {}", version);
      SLUICE_ASSIGN_OR_RETURN(const internal::Actions actions, internal::ParseActions(text),
                              "commit {}", version);
      for (const auto& add : actions.adds) {
        AddTo(named_, add.file.path, add.file.deletion_vector);
      }
      for (const auto& remove : actions.removes) AddTo(named_, remove.path, remove.vector);
      for (const auto& change : actions.changes) AddTo(named_, change.path);
    }
    return {};
  }

  void FindGarbage(std::vector<store::ObjectInfo> objects) {
    const std::string prefix = table_.InRoot("");
    for (auto& object : objects) {
      const std::string path = object.path.substr(prefix.size());
      if (!IsVisible(*state_, path)) continue;
      const int64_t modified_ms = internal::ModifiedMs(object);
      // A store that does not say when something was written may have written it just now; one
      // whose clock was behind says that it was long ago.
      const bool young =
          modified_ms > cutoff_ms_ || modified_ms == 0 || writing_.contains(object.path);
      const bool kept = kept_.contains(path);
      if (kept || (young && !named_.contains(path))) {
        ++report_.files_kept;
        if (!kept && options_.named_at_any_age && report_.unnamed.size() < kPathsMax) {
          report_.unnamed.push_back(path);
        }
      } else if (options_.in_use && options_.in_use(path)) {
        ++report_.files_in_use;
      } else {
        object.path = path;
        garbage_bytes_ += static_cast<int64_t>(object.size);
        garbage_.push_back(std::move(object));
      }
    }
    if (garbage_.size() > static_cast<uint64_t>(std::max<int64_t>(options_.files_max, 0))) {
      garbage_.resize(static_cast<size_t>(std::max<int64_t>(options_.files_max, 0)));
      report_.finished = false;
    }
  }

  void Count(const store::ObjectInfo& object) {
    ++report_.files_deleted;
    report_.bytes_deleted += static_cast<int64_t>(object.size);
    if (report_.paths.size() < kPathsMax) report_.paths.push_back(object.path);
  }

  Status Delete() {
    std::vector<std::string> paths;
    size_t deleted = 0;
    const auto flush = [&]() -> Status {
      SLUICE_RETURN_IF_ERROR(table_.store().DeleteAll(paths));
      for (size_t i = 0; i < paths.size(); ++i) Count(garbage_[deleted++]);
      paths.clear();
      return {};
    };
    for (const auto& object : garbage_) {
      if (options_.go_on && !options_.go_on()) {
        report_.finished = false;
        break;
      }
      paths.push_back(table_.InRoot(object.path));
      if (paths.size() == kDeletedAtOnce) SLUICE_RETURN_IF_ERROR(flush());
    }
    return flush();
  }

  // A commit that says what happens, and changes nothing.
  Status Note(std::string operation, std::map<std::string, std::string> parameters,
              std::map<std::string, std::string> metrics) {
    const TableChange note{.operation = std::move(operation),
                           .parameters = std::move(parameters),
                           .metrics = std::move(metrics),
                           .data_change = false};
    SLUICE_ASSIGN_OR_RETURN(auto committed, internal::CommitChange(table_, state_, note, {}));
    state_ = std::move(committed.state);
    return {};
  }

  DeltaTable& table_;
  const VacuumOptions& options_;
  std::string folder_;  // Where the table lies, with its final '/'.
  StatePtr state_;
  int64_t cutoff_ms_ = 0;
  Paths kept_;
  Paths writing_;  // As the store spells them, with the table's folder.
  Paths named_;    // Those that commits have named; with `named_at_any_age`.
  std::vector<store::ObjectInfo> garbage_;
  int64_t garbage_bytes_ = 0;
  VacuumReport report_;
};

}  // namespace

Result<VacuumReport> Vacuum(DeltaTable& table, const VacuumOptions& options) {
  SLUICE_ASSIGN_OR_RETURN(auto report, VacuumRun(table, options).Run(), "table '{}'", table.root());
  return report;
}

}  // namespace sluice::lake
