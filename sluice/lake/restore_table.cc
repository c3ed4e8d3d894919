#include "sluice/lake/restore_table.h"

#include <arrow/api.h>

#include <algorithm>
#include <charconv>
#include <chrono>
#include <unordered_set>

#include "sluice/base/ascii.h"
#include "sluice/lake/internal/column_mapping.h"
#include "sluice/lake/internal/commit_lines.h"
#include "sluice/lake/internal/data_file_reader.h"
#include "sluice/lake/internal/deletion_vector.h"
#include "sluice/lake/internal/file_places.h"
#include "sluice/lake/internal/schema_json.h"
#include "sluice/lake/internal/schema_tree.h"
#include "sluice/lake/internal/table_features.h"
#include "sluice/lake/internal/table_log.h"

namespace sluice::lake {

namespace {

using internal::ColumnMapping;
using internal::MappingOf;
using internal::Metadata;
using internal::StatePtr;
using internal::TableLog;
using internal::TableState;

constexpr const char* kMaxId = "delta.columnMapping.maxColumnId";
constexpr const char* kClusteringDomain = "delta.clustering";
constexpr const char* kHighWaterMark = "delta.identity.highWaterMark";

// Properties that say what is true of all commits since they were set.
bool StaysAsItIs(std::string_view property) {
  return property == "delta.enableInCommitTimestamps" ||
         property.starts_with("delta.inCommitTimestampEnablement") ||
         property.starts_with("delta.enableRowTracking") ||
         property.starts_with("delta.rowTracking");
}

int64_t NumberIn(std::string_view text) {
  int64_t number = 0;
  std::from_chars(text.data(), text.data() + text.size(), number);
  return number;
}

int64_t NumberOf(const Metadata& metadata, const std::string& property) {
  return NumberIn(internal::Property(metadata.configuration, property, "0"));
}

// Values of identity columns are given out once, whatever became of their rows.
Status KeepIdentities(const TableState& target, const TableState& now, Metadata& metadata) {
  for (const auto& field : now.annotated_schema()->fields()) {
    const std::string last = internal::Annotation(*field, kHighWaterMark);
    const auto before = target.annotated_schema()->GetFieldByName(field->name());
    if (last.empty() || before == nullptr) continue;
    const std::string step = internal::Annotation(*before, "delta.identity.step");
    if (step.empty()) continue;
    const std::string then = internal::Annotation(*before, kHighWaterMark);
    const bool further =
        NumberIn(step) > 0 ? NumberIn(last) > NumberIn(then) : NumberIn(last) < NumberIn(then);
    if (!then.empty() && !further) continue;
    SLUICE_ASSIGN_OR_RETURN(metadata.schema, internal::SetAnnotation(metadata.schema, field->name(),
                                                                     kHighWaterMark, last));
  }
  return {};
}

Result<Metadata> RestoredMetadata(const TableState& target, const TableState& now) {
  Metadata metadata = target.metadata();
  metadata.id = now.metadata().id;
  std::erase_if(metadata.configuration,
                [](const auto& property) { return StaysAsItIs(property.first); });
  for (const auto& [name, value] : now.metadata().configuration) {
    if (StaysAsItIs(name)) metadata.configuration[name] = value;
  }
  const int64_t max_id = std::max(NumberOf(metadata, kMaxId), NumberOf(now.metadata(), kMaxId));
  if (MappingOf(now.metadata()) != ColumnMapping::kNone) {
    metadata.configuration[kMaxId] = std::to_string(max_id);
    if (MappingOf(metadata) == ColumnMapping::kNone) {
      // Its files were written before columns were mapped: under the names that it had then.
      SLUICE_ASSIGN_OR_RETURN(auto schema, internal::ParseSchemaTree(metadata.schema));
      internal::MapFieldsAsNamed(schema, metadata);
      metadata.schema = internal::ToJson(schema);
    }
  }
  SLUICE_RETURN_IF_ERROR(KeepIdentities(target, now, metadata));
  return metadata;
}

/// One restore. Not thread-safe.
class Restoration {
 public:
  Restoration(const DeltaTable& table, const RestoreOptions& options)
      : table_(table),
        options_(options),
        log_(table.store(), table.root()),
        places_(table.store(), table.root(), table.foreign()) {}

  Result<RestoreReport> Run(Version version) {
    SLUICE_ASSIGN_OR_RETURN(StatePtr state, log_.Load(std::nullopt));
    SLUICE_ASSIGN_OR_RETURN(target_, log_.Load(version));
    if (target_->table_id() != state->table_id()) {
      return Unsupported("version {} is of another table that was in this folder", version);
    }
    for (const DataFile& file : target_->files()) target_keys_.insert(internal::FileKey(file));
    SLUICE_ASSIGN_OR_RETURN(const bool differs, Differs(*state));
    RestoreReport report;
    report.snapshot = state;
    if (!differs) return report;
    internal::Proposal proposal{.id = table_.random().Uuid(), .make = {}};
    proposal.attempts_max = options_.attempts_max;
    proposal.make = [&](const TableState& now) { return Make(now, proposal.id, report); };
    SLUICE_ASSIGN_OR_RETURN(auto committed, log_.Commit(state, proposal));
    report.snapshot = std::move(committed.state);
    return report;
  }

 private:
  struct Differences {
    std::vector<DataFile> restored;
    std::vector<DataFile> removed;
  };
  Differences FindDifferences(const TableState& now) const {
    Differences found;
    std::unordered_set<std::string> present;
    for (const DataFile& file : now.files()) {
      std::string key = internal::FileKey(file);
      if (!target_keys_.contains(key)) found.removed.push_back(file);
      present.insert(std::move(key));
    }
    for (const DataFile& file : target_->files()) {
      if (!present.contains(internal::FileKey(file))) found.restored.push_back(file);
    }
    return found;
  }

  Result<bool> Differs(const TableState& now) const {
    SLUICE_ASSIGN_OR_RETURN(const Metadata metadata, RestoredMetadata(*target_, now));
    const Differences files = FindDifferences(now);
    return !(metadata == now.metadata()) || !files.restored.empty() || !files.removed.empty() ||
           ClusteringOf(*target_) != ClusteringOf(now);
  }

  static std::optional<std::string> ClusteringOf(const TableState& state) {
    const auto found = state.domains().find(kClusteringDomain);
    if (found == state.domains().end()) return std::nullopt;
    return found->second.configuration;
  }

  Result<std::string> Make(const TableState& now, const std::string& id, RestoreReport& report) {
    SLUICE_RETURN_IF_ERROR(now.CheckWritable());
    if (internal::IsOn(now.properties(), "delta.appendOnly")) {
      return Unsupported("the table only appends (property delta.appendOnly)");
    }
    Differences files = FindDifferences(now);
    SLUICE_RETURN_IF_ERROR(CheckThere(files.restored));
    SLUICE_ASSIGN_OR_RETURN(const Metadata metadata, RestoredMetadata(*target_, now));
    const int64_t now_ms = internal::StampMs(table_);
    SLUICE_ASSIGN_OR_RETURN(const auto in_commit_ms, internal::NextCommitTime(now, now_ms));
    report.files_restored = static_cast<int64_t>(files.restored.size());
    report.files_removed = static_cast<int64_t>(files.removed.size());
    std::string lines;
    internal::AppendCommitInfo(
        lines, {.id = id,
                .at_ms = now_ms,
                .operation = "RESTORE",
                .parameters = {{"version", std::to_string(target_->version())}},
                .metrics = {{"numRestoredFiles", std::to_string(report.files_restored)},
                            {"numRemovedFiles", std::to_string(report.files_removed)}},
                .read_version = now.version(),
                .in_commit_ms = in_commit_ms});
    // Others may have upgraded the table, or, having replaced it, gone back.
    const auto protocol = internal::WithFeatures(now.protocol(), target_->writer_features());
    if (!(protocol == now.protocol())) internal::AppendProtocol(lines, protocol);
    if (!(metadata == now.metadata())) internal::AppendMetadata(lines, metadata);
    if (const auto clustering = ClusteringOf(*target_); clustering != ClusteringOf(now)) {
      internal::AppendDomain(lines, {.name = kClusteringDomain,
                                     .configuration = clustering.value_or(""),
                                     .removed = !clustering});
    }
    for (const DataFile& file : files.removed) {
      internal::AppendRemove(lines, internal::RemoveOf(file, now_ms, /*data_change=*/true));
    }
    SLUICE_RETURN_IF_ERROR(NumberRows(lines, now, files.restored));
    for (const DataFile& file : files.restored) internal::AppendAdd(lines, file);
    return lines;
  }

  // Files that were there before rows were tracked have no ids yet.
  Status NumberRows(std::string& lines, const TableState& now, std::vector<DataFile>& restored) {
    const std::vector<std::string> features = now.writer_features();
    if (std::ranges::find(features, "rowTracking") == features.end()) return {};
    const auto first = std::ranges::partition(
        restored, [](const DataFile& file) { return file.base_row_id.has_value(); });
    std::vector<DataFile> without(first.begin(), first.end());
    for (DataFile& file : without) {
      if (file.rows) continue;
      SLUICE_ASSIGN_OR_RETURN(file.rows, internal::CountRows(places_, file));
    }
    SLUICE_RETURN_IF_ERROR(internal::AssignRowIds(lines, now, without));
    std::ranges::copy(without, first.begin());
    return {};
  }

  Status CheckThere(const std::vector<DataFile>& files) {
    int64_t gone = 0;
    std::string first;
    const auto check = [&](const std::string& path) -> Status {
      if (!looked_at_.insert(path).second) return {};
      SLUICE_ASSIGN_OR_RETURN(const internal::FilePlace place, places_.Find(path));
      const auto info = place.store->Head(place.path);
      if (info.ok()) return {};
      if (info.error().code() != ErrorCode::kNotFound) return info.status();
      if (gone++ == 0) first = path;
      return {};
    };
    for (const DataFile& file : files) {
      SLUICE_RETURN_IF_ERROR(check(file.path));
      if (file.deletion_vector == nullptr || file.deletion_vector->storage == "i") continue;
      SLUICE_ASSIGN_OR_RETURN(const std::string vector,
                              internal::DeletionVectorPath(*file.deletion_vector));
      SLUICE_RETURN_IF_ERROR(check(vector));
    }
    if (gone == 0) return {};
    return NotFound(
        "version {} cannot be restored: {} of its files are gone, first '{}'; a vacuum deletes "
        "what "
        "newer versions do not have",
        target_->version(), gone, first);
  }

  const DeltaTable& table_;
  const RestoreOptions& options_;
  const TableLog log_;
  const internal::FilePlaces places_;
  StatePtr target_;
  std::unordered_set<std::string> target_keys_;
  std::unordered_set<std::string> looked_at_;  // Paths that need not be looked for again.
};

}  // namespace

Result<RestoreReport> RestoreTable(DeltaTable& table, Version target,
                                   const RestoreOptions& options) {
  SLUICE_ASSIGN_OR_RETURN(RestoreReport report, Restoration(table, options).Run(target),
                          "table '{}'", table.root());
  return report;
}

}  // namespace sluice::lake
