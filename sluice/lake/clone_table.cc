#include "sluice/lake/clone_table.h"

#include <algorithm>
#include <set>

#include "sluice/base/ascii.h"
#include "sluice/base/percent.h"
#include "sluice/lake/internal/commit_lines.h"
#include "sluice/lake/internal/deletion_vector.h"
#include "sluice/lake/internal/file_places.h"
#include "sluice/lake/internal/path_encoding.h"
#include "sluice/lake/internal/table_features.h"
#include "sluice/lake/internal/table_log.h"

namespace sluice::lake {

namespace {

using internal::TableState;

constexpr uint64_t kPieceBytes = uint64_t{8} << 20;

// Where everybody finds the object that a log names by `path`.
std::string AddressOf(const DeltaTable& table, const std::string& path) {
  if (internal::IsAbsolute(path)) return path;
  const std::string location = table.store().Location(table.InRoot(PercentDecode(path)));
  return location.starts_with('/') ? "file://" + internal::UriEncode(location) : location;
}

/// One clone. Not thread-safe.
class Clone {
 public:
  Clone(const DeltaTable& source, const TableState& state, DeltaTable& target, CloneKind kind)
      : source_(source),
        state_(state),
        target_(target),
        kind_(kind),
        places_(source.store(), source.root(), source.foreign()) {}

  Result<CloneReport> Run() {
    SLUICE_RETURN_IF_ERROR(state_.CheckWritable());
    const internal::TableLog log(target_.store(), target_.root());
    // Before files are copied for nothing; Create() looks again.
    if (const auto present = log.Load(std::nullopt);
        present.ok() || present.error().code() != ErrorCode::kNotFound) {
      if (!present.ok()) return present.error();
      return Conflict("there is a table already");
    }
    std::string adds;
    for (DataFile file : state_.files()) {
      SLUICE_RETURN_IF_ERROR(kind_ == CloneKind::kDeep ? Copy(file) : Refer(file), "file '{}'",
                             file.path);
      internal::AppendAdd(adds, file);
      ++report_.files;
    }
    const std::string id = target_.random().Uuid();
    SLUICE_ASSIGN_OR_RETURN(report_.snapshot, log.Create(id, Head(id) + adds));
    return std::move(report_);
  }

 private:
  Status Refer(DataFile& file) const {
    file.path = AddressOf(source_, file.path);
    if (file.deletion_vector == nullptr || file.deletion_vector->storage != "u") return {};
    SLUICE_ASSIGN_OR_RETURN(const std::string path,
                            internal::DeletionVectorPath(*file.deletion_vector));
    DeletionVector vector = *file.deletion_vector;
    vector.storage = "p";
    vector.data = AddressOf(source_, path);
    file.deletion_vector = std::make_shared<const DeletionVector>(std::move(vector));
    return {};
  }

  Status Copy(const DataFile& file) {
    SLUICE_RETURN_IF_ERROR(CopyObject(file.path));
    if (file.deletion_vector == nullptr || file.deletion_vector->storage == "i") return {};
    SLUICE_ASSIGN_OR_RETURN(const std::string path,
                            internal::DeletionVectorPath(*file.deletion_vector));
    return CopyObject(path);
  }

  Status CopyObject(const std::string& path) {
    if (internal::IsAbsolute(path)) {
      return Unsupported("it lies outside of its table: such a table cannot be copied");
    }
    if (!copied_.insert(path).second) return {};
    SLUICE_ASSIGN_OR_RETURN(const internal::FilePlace from, places_.Find(path));
    const std::string to = target_.InRoot(PercentDecode(path));
    SLUICE_ASSIGN_OR_RETURN(const store::ObjectInfo info, from.store->Head(from.path));
    // A put is whole or not at all, so one of the same size is from a call before.
    const auto there = target_.store().Head(to);
    if (there.ok() && there->size == info.size) return {};
    SLUICE_ASSIGN_OR_RETURN(const auto writer, target_.store().StartPut(to));
    for (uint64_t at = 0; at < info.size;) {
      const uint64_t size = std::min(kPieceBytes, info.size - at);
      SLUICE_ASSIGN_OR_RETURN(const std::string bytes, from.store->GetRange(from.path, at, size));
      if (bytes.size() != size) return Unavailable("it became shorter while it was copied");
      SLUICE_RETURN_IF_ERROR(writer->Write(bytes));
      at += size;
    }
    SLUICE_RETURN_IF_ERROR(writer->Finish());
    ++report_.files_copied;
    report_.bytes_copied += static_cast<int64_t>(info.size);
    return {};
  }

  // All of the commit but its files.
  std::string Head(const std::string& id) const {
    const int64_t now_ms = internal::StampMs(target_);
    internal::Metadata metadata = state_.metadata();
    metadata.id = target_.random().Uuid();
    metadata.created_ms = now_ms;
    // The clone has commit times from its beginning.
    std::erase_if(metadata.configuration, [](const auto& property) {
      return property.first.starts_with("delta.inCommitTimestampEnablement");
    });
    const bool timed = internal::IsOn(metadata.configuration, "delta.enableInCommitTimestamps");
    std::string lines;
    internal::AppendCommitInfo(
        lines, {.id = id,
                .at_ms = now_ms,
                .operation = "CLONE",
                .parameters = {{"source", source_.store().Location(source_.root())},
                               {"sourceVersion", std::to_string(state_.version())},
                               {"isShallow", kind_ == CloneKind::kShallow ? "true" : "false"}},
                .metrics = {{"sourceNumOfFiles", std::to_string(report_.files)},
                            {"numCopiedFiles", std::to_string(report_.files_copied)},
                            {"copiedFilesSize", std::to_string(report_.bytes_copied)}},
                .in_commit_ms = timed ? std::optional(now_ms) : std::nullopt});
    internal::AppendProtocol(lines, state_.protocol());
    internal::AppendMetadata(lines, metadata);
    // How far row ids have come, and what clusters the files; nothing that others keep for this
    // very table.
    for (const auto& [name, domain] : state_.domains()) {
      if (name.starts_with("delta.")) internal::AppendDomain(lines, domain);
    }
    return lines;
  }

  const DeltaTable& source_;
  const TableState& state_;
  DeltaTable& target_;
  const CloneKind kind_;
  const internal::FilePlaces places_;
  CloneReport report_;
  std::set<std::string> copied_;  // Paths; vectors of several files share one.
};

}  // namespace

Result<CloneReport> CloneTable(const DeltaTable& source, const Snapshot& snapshot,
                               DeltaTable& target, CloneKind kind) {
  const auto* state = dynamic_cast<const TableState*>(&snapshot);
  SLUICE_CHECK(state != nullptr);  // Every snapshot comes from this module.
  SLUICE_ASSIGN_OR_RETURN(CloneReport report, Clone(source, *state, target, kind).Run(),
                          "clone '{}' of table '{}'", target.name(), source.name());
  return report;
}

}  // namespace sluice::lake
