#include "sluice/lake/delta_table.h"

#include <arrow/api.h>

#include <algorithm>
#include <chrono>
#include <set>

#include "sluice/base/ascii.h"
#include "sluice/base/in_parallel.h"
#include "sluice/base/percent.h"
#include "sluice/columnar/arrow_bridge.h"
#include "sluice/lake/expression.h"
#include "sluice/lake/internal/column_mapping.h"
#include "sluice/lake/internal/commit_checks.h"
#include "sluice/lake/internal/commit_lines.h"
#include "sluice/lake/internal/data_file.h"
#include "sluice/lake/internal/files_in_writing.h"
#include "sluice/lake/internal/new_table.h"
#include "sluice/lake/internal/path_encoding.h"
#include "sluice/lake/internal/schema_json.h"
#include "sluice/lake/internal/table_editor.h"
#include "sluice/lake/internal/table_features.h"
#include "sluice/lake/internal/table_log.h"

namespace sluice::lake {

namespace {

using internal::ExpiryMs;
using internal::StampMs;
using internal::Standing;
using internal::StatePtr;
using internal::TableLog;
using internal::TableState;

// Every snapshot comes from this module.
StatePtr AsState(const std::shared_ptr<const Snapshot>& snapshot) {
  auto state = std::dynamic_pointer_cast<const TableState>(snapshot);
  SLUICE_CHECK(state != nullptr);
  return state;
}

constexpr int64_t kCheckpointInterval = 10;

std::optional<int64_t> OwnCheckpointInterval(const Snapshot& snapshot) {
  const std::string text(internal::Property(snapshot.properties(), "delta.checkpointInterval", ""));
  const long long interval = std::strtoll(text.c_str(), nullptr, 10);
  return interval > 0 ? std::optional<int64_t>(interval) : std::nullopt;
}

// A checkpoint names all files, so where they are many and commits small it costs more than these.
// More than 50 commits nobody shall have to read one by one.
int64_t CheckpointInterval(const Snapshot& snapshot) {
  constexpr int64_t kFilesACommit = 200;
  constexpr int64_t kIntervalMax = 50;
  if (const auto own = OwnCheckpointInterval(snapshot)) return *own;
  return std::clamp(static_cast<int64_t>(snapshot.files().size()) / kFilesACommit,
                    kCheckpointInterval, kIntervalMax);
}

}  // namespace

bool CheckpointDue(const Snapshot& snapshot) {
  const auto* state = dynamic_cast<const TableState*>(&snapshot);
  if (state == nullptr || !snapshot.CheckWritable().ok()) return false;
  return snapshot.version() - state->checkpointed() >= CheckpointInterval(snapshot);
}

std::optional<CommitRange> CompactionDue(const Snapshot& snapshot) {
  constexpr Version kCommits = 10;
  const auto* state = dynamic_cast<const TableState*>(&snapshot);
  if (state == nullptr || !snapshot.CheckWritable().ok()) return std::nullopt;
  if (OwnCheckpointInterval(snapshot).value_or(kCheckpointInterval) <= 2 * kCommits) {
    return std::nullopt;
  }
  const CommitRange range{.first = snapshot.version() - kCommits + 1, .last = snapshot.version()};
  // Versions, not commits since the last one: so several writers agree on the ranges.
  if (range.last % kCommits != 0 || range.first <= state->checkpointed()) return std::nullopt;
  return range;
}

DeltaTable::DeltaTable(store::ObjectStore& store, std::string root, const os::Clock& clock,
                       os::Random& random, ForeignFiles foreign, const os::ExpiryClock* expiry)
    : store_(store),
      root_(std::move(root)),
      name_(root_.empty() && !store_.is_remote() ? store_.Location("") : root_),
      clock_(clock),
      expiry_(expiry),
      random_(random),
      foreign_(std::move(foreign)),
      writing_(std::make_shared<internal::FilesInWriting>()) {}

Result<std::shared_ptr<const Snapshot>> DeltaTable::Create(const columnar::Schema& schema,
                                                           const CreateOptions& options) {
  SLUICE_ASSIGN_OR_RETURN(const columnar::Schema table_schema, internal::TableSchema(*schema));
  const int64_t now_ms = StampMs(*this);
  SLUICE_ASSIGN_OR_RETURN(
      const internal::NewTable made,
      internal::PlanNewTable(internal::SchemaToJson(*table_schema), options, now_ms, random_));
  const bool timed = internal::IsOn(options.properties, "delta.enableInCommitTimestamps");
  const std::string id = random_.Uuid();
  std::string bytes;
  internal::AppendCommitInfo(
      bytes, {.id = id,
              .at_ms = now_ms,
              .operation = "CREATE TABLE",
              .parameters = {{"partitionBy", internal::JsonList(options.partition_columns)}},
              .blind_append = true,
              .in_commit_ms = timed ? std::optional(now_ms) : std::nullopt});
  internal::AppendProtocol(bytes, made.protocol);
  internal::AppendMetadata(bytes, made.metadata);
  SLUICE_ASSIGN_OR_RETURN(auto state, TableLog(store_, root_).Create(id, bytes), "table '{}'",
                          name());
  return std::shared_ptr<const Snapshot>(std::move(state));
}

Result<std::shared_ptr<const Snapshot>> DeltaTable::Load(
    const std::shared_ptr<const Snapshot>& since) const {
  const TableLog log(store_, root_);
  SLUICE_ASSIGN_OR_RETURN(auto state, log.NewestSince(since), "table '{}'", name());
  return std::shared_ptr<const Snapshot>(std::move(state));
}

Result<std::shared_ptr<const Snapshot>> DeltaTable::LoadAt(Version version) const {
  SLUICE_ASSIGN_OR_RETURN(auto state, TableLog(store_, root_).Load(version), "table '{}'", name());
  return std::shared_ptr<const Snapshot>(std::move(state));
}

Result<std::shared_ptr<const Snapshot>> DeltaTable::Append(
    const std::shared_ptr<const Snapshot>& base, std::span<const NewFile> files,
    const AppendOptions& options) {
  SLUICE_RETURN_IF_ERROR(internal::CheckOptions(options));
  const TableLog log(store_, root_);
  std::shared_ptr<const Snapshot> start = base;
  if (start == nullptr) {
    SLUICE_ASSIGN_OR_RETURN(start, Load());
  }
  StatePtr state = AsState(start);
  if (internal::Judge(*state, options) != Standing::kFree) {
    // The caller's snapshot may be old.
    SLUICE_ASSIGN_OR_RETURN(state, log.Advance(state), "table '{}'", name());
    const Standing standing = internal::Judge(*state, options);
    if (standing == Standing::kDone) return std::shared_ptr<const Snapshot>(state);
    if (standing == Standing::kBroken) {
      return internal::BrokenExpectation(*state, *options.expect)
          .Wrap(fmt::format("table '{}'", name()));
    }
  }
  SLUICE_RETURN_IF_ERROR(state->CheckWritable(), "table '{}'", name());
  SLUICE_ASSIGN_OR_RETURN(const internal::RowRules rules, internal::RowRules::Of(*state),
                          "table '{}'", name());
  std::map<std::string, internal::Identity> identities = rules.identities();

  const int64_t now_ms = StampMs(*this);
  std::vector<DataFile> entries;
  std::vector<std::string> written;
  // Best effort: a file that the log never names costs space alone.
  const auto discard = [&] {
    for (const std::string& path : written) {
      if (store_.Delete(path).ok()) writing_->End(path);
    }
  };
  std::vector<const NewFile*> full;
  for (const NewFile& file : files) {
    const bool empty = std::ranges::all_of(
        file.batches, [](const columnar::Batch& batch) { return batch->num_rows() == 0; });
    if (!empty) full.push_back(&file);
  }
  std::vector<std::string> uuids(full.size());
  for (std::string& uuid : uuids) uuid = random_.Uuid();
  std::vector<std::optional<Result<internal::EncodedFile>>> done(full.size());
  std::vector<Status> puts(full.size());
  const auto write = [&](size_t i) {
    auto& file = done[i];
    file.emplace(
        internal::EncodeFile(*state, rules, *full[i], options, uuids[i], now_ms, identities));
    if (!file->ok()) return false;
    writing_->Begin(InRoot((*file)->store_path), clock_.Steady());
    puts[i] = store_.Put(InRoot((*file)->store_path), (*file)->bytes);
    (*file)->bytes = {};
    return puts[i].ok();
  };
  InParallel(full.size(), identities.empty() ? options.threads : 1, write);
  int64_t rows = 0;
  int64_t bytes = 0;
  std::optional<Error> failed;
  for (size_t i = 0; i < done.size(); ++i) {
    auto& file = done[i];
    if (!file) continue;  // Not begun: another one failed.
    if (!file->ok()) {
      if (!failed) failed = file->error();
      continue;
    }
    internal::EncodedFile& encoded = **file;
    written.push_back(InRoot(encoded.store_path));
    if (!puts[i].ok() && !failed) failed = puts[i].error();
    rows += encoded.entry.rows.value_or(0);
    bytes += encoded.entry.size;
    entries.push_back(std::move(encoded.entry));
  }
  if (failed) {
    discard();
    return std::move(*failed).Wrap(fmt::format("table '{}'", name()));
  }
  if (entries.empty() && options.transactions.empty()) {
    return std::shared_ptr<const Snapshot>(state);
  }

  internal::Proposal proposal{.id = random_.Uuid(), .make = {}};
  proposal.attempts_max = options.attempts_max;
  proposal.done = [&](const TableState& now) {
    return internal::Judge(now, options) == Standing::kDone;
  };
  proposal.make = [&](const TableState& now) -> Result<std::string> {
    if (internal::Judge(now, options) != Standing::kFree)
      return internal::BrokenExpectation(now, *options.expect);
    SLUICE_RETURN_IF_ERROR(internal::CheckStillFits(*state, now, options));
    SLUICE_ASSIGN_OR_RETURN(const auto in_commit_ms, internal::NextCommitTime(now, StampMs(*this)));
    std::string lines;
    internal::AppendCommitInfo(
        lines, {.id = proposal.id,
                .at_ms = StampMs(*this),
                .operation = options.operation,
                .parameters = {{"mode", "Append"},
                               {"partitionBy", internal::JsonList(now.partition_columns())}},
                .metrics = {{"numFiles", std::to_string(entries.size())},
                            {"numOutputRows", std::to_string(rows)},
                            {"numOutputBytes", std::to_string(bytes)}},
                .blind_append = true,
                .read_version = now.version(),
                .in_commit_ms = in_commit_ms});
    for (const Transaction& transaction : options.transactions) {
      internal::AppendTransaction(lines, transaction);
    }
    SLUICE_RETURN_IF_ERROR(internal::AppendIdentities(lines, now, identities));
    // Row ids depend on what others have committed, so they are given anew at each try.
    SLUICE_RETURN_IF_ERROR(internal::AssignRowIds(lines, now, entries));
    for (const DataFile& entry : entries) internal::AppendAdd(lines, entry);
    return lines;
  };
  auto committed = log.Commit(state, proposal);
  if (!committed.ok()) {
    // Only where other writers decided is it sure that no try of ours lands late: then the log
    // would name these files.
    const ErrorCode code = committed.error().code();
    if (code == ErrorCode::kConflict || code == ErrorCode::kUnsupported) discard();
    return std::move(committed).error().Wrap(fmt::format("table '{}'", name()));
  }
  if (!committed->ours) discard();
  for (const std::string& path : written) writing_->End(path);
  return std::shared_ptr<const Snapshot>(std::move(committed->state));
}

namespace {

// What a table's schema lacks of a wanted one.
struct Additions {
  arrow::FieldVector columns;
  arrow::FieldVector wider;  // Present columns, with structs that get more fields.

  bool empty() const { return columns.empty() && wider.empty(); }
  std::vector<std::string> Names() const {
    std::vector<std::string> names;
    for (const auto* const fields : {&columns, &wider}) {
      for (const auto& field : *fields) names.push_back(field->name());
    }
    return names;
  }
};

// The type of a column that holds what it has and also values of `want`: the fields that only
// structs of `want` have come behind. Nothing: the two differ in more than fields of structs, or
// `want` lacks one that may not be null. Other writers may add fields of their own; they are null
// in our rows.
std::shared_ptr<arrow::DataType> Widened(const std::shared_ptr<arrow::DataType>& have,
                                         const arrow::DataType& want) {
  if (have->Equals(want)) return have;
  if (have->id() != want.id()) return nullptr;
  if (have->id() == arrow::Type::LIST) {
    const auto element = Widened(have->field(0)->type(), *want.field(0)->type());
    return element == nullptr ? nullptr : arrow::list(have->field(0)->WithType(element));
  }
  if (have->id() != arrow::Type::STRUCT) return nullptr;
  const auto& structure = static_cast<const arrow::StructType&>(want);
  arrow::FieldVector fields;
  std::set<std::string> names;  // Delta tells names apart by letters alone, not by their case.
  for (const auto& field : have->fields()) {
    names.insert(LowerCase(field->name()));
    const auto found = structure.GetFieldByName(field->name());
    const auto type = found == nullptr ? field->type() : Widened(field->type(), *found->type());
    if (type == nullptr || (found == nullptr && !field->nullable())) return nullptr;
    fields.push_back(field->WithType(type));
  }
  for (const auto& field : want.fields()) {
    if (static_cast<const arrow::StructType&>(*have).GetFieldByName(field->name()) != nullptr) {
      continue;
    }
    if (!names.insert(LowerCase(field->name())).second) return nullptr;
    fields.push_back(field->WithNullable(true));
  }
  return arrow::struct_(std::move(fields));
}

Result<Additions> FindAdditions(const arrow::Schema& table, const arrow::Schema& wanted) {
  std::map<std::string, std::shared_ptr<arrow::Field>> columns;
  for (const auto& field : table.fields()) {
    columns.emplace(LowerCase(field->name()), field);
  }
  Additions additions;
  for (const auto& field : wanted.fields()) {
    const auto found = columns.find(LowerCase(field->name()));
    if (found == columns.end()) {
      additions.columns.push_back(field->WithNullable(true));
      continue;
    }
    const arrow::Field& present = *found->second;
    const auto widened = Widened(present.type(), *field->type());
    if (present.name() != field->name() || widened == nullptr) {
      return Conflict("column '{}' is {}, wanted '{}' as {}", present.name(),
                      present.type()->ToString(), field->name(), field->type()->ToString());
    }
    if (!widened->Equals(*present.type())) additions.wider.push_back(field->WithType(widened));
  }
  return additions;
}

}  // namespace

Result<std::shared_ptr<const Snapshot>> DeltaTable::AddColumns(
    const std::shared_ptr<const Snapshot>& base, const columnar::Schema& wanted) {
  SLUICE_ASSIGN_OR_RETURN(const columnar::Schema table_schema, internal::TableSchema(*wanted));
  const auto missing = [&](const TableState& now) {
    return FindAdditions(*now.schema(), *table_schema);
  };

  StatePtr state = AsState(base);
  SLUICE_ASSIGN_OR_RETURN(const Additions first, missing(*state), "table '{}'", name());
  if (first.empty()) return base;
  internal::Proposal proposal{.id = random_.Uuid(), .make = {}};
  proposal.done = [&](const TableState& now) {
    const auto added = missing(now);
    return added.ok() && added->empty();
  };
  proposal.make = [&](const TableState& now) -> Result<std::string> {
    SLUICE_RETURN_IF_ERROR(now.CheckWritable());
    SLUICE_RETURN_IF_ERROR(internal::CheckColumnNames(*table_schema, now.metadata()));
    SLUICE_ASSIGN_OR_RETURN(const auto in_commit_ms, internal::NextCommitTime(now, StampMs(*this)));
    SLUICE_ASSIGN_OR_RETURN(const Additions added, missing(now));
    internal::Metadata metadata = now.metadata();
    if (!added.wider.empty()) {
      SLUICE_ASSIGN_OR_RETURN(metadata.schema, internal::WidenFields(metadata.schema, added.wider));
    }
    SLUICE_ASSIGN_OR_RETURN(metadata.schema,
                            internal::AppendFields(metadata.schema, added.columns));
    SLUICE_RETURN_IF_ERROR(internal::MapNewFields(metadata, random_));
    std::string lines;
    internal::AppendCommitInfo(lines,
                               {.id = proposal.id,
                                .at_ms = StampMs(*this),
                                .operation = "ADD COLUMNS",
                                .parameters = {{"columns", internal::JsonList(added.Names())}},
                                .read_version = now.version(),
                                .in_commit_ms = in_commit_ms});
    const auto has_ntz = [](const auto& field) {
      return internal::HasTimestampNtz(*field->type());
    };
    const bool needs_feature =
        std::ranges::any_of(added.columns, has_ntz) || std::ranges::any_of(added.wider, has_ntz);
    if (needs_feature && !internal::HasTimestampNtz(*arrow::struct_(now.schema()->fields()))) {
      return Unsupported(
          "a timestamp without a zone cannot be added: the table's protocol would "
          "have to change");
    }
    internal::AppendMetadata(lines, metadata);
    return lines;
  };
  SLUICE_ASSIGN_OR_RETURN(auto committed, TableLog(store_, root_).Commit(state, proposal),
                          "table '{}'", name());
  return std::shared_ptr<const Snapshot>(std::move(committed.state));
}

Status DeltaTable::WriteCheckpoint(const Snapshot& snapshot) const {
  const auto* state = dynamic_cast<const TableState*>(&snapshot);
  SLUICE_CHECK(state != nullptr);
  SLUICE_RETURN_IF_ERROR(state->CheckWritable(), "table '{}'", name());
  SLUICE_RETURN_IF_ERROR(
      TableLog(store_, root_).WriteCheckpoint(*state, ExpiryMs(*this), random_.Uuid()),
      "checkpoint {} of table '{}'", snapshot.version(), name());
  return {};
}

Status DeltaTable::CompactLog(const Snapshot& snapshot, Version first, Version last) const {
  if (first < 0 || first >= last || last > snapshot.version()) {
    return Invalid("versions {} to {} of {} cannot be compacted", first, last, snapshot.version());
  }
  SLUICE_RETURN_IF_ERROR(snapshot.CheckWritable(), "table '{}'", name());
  SLUICE_RETURN_IF_ERROR(TableLog(store_, root_).Compact(first, last), "table '{}'", name());
  return {};
}

Result<int64_t> DeltaTable::CleanUpLog(const Snapshot& snapshot,
                                       const std::function<Status(Version first)>& before) const {
  const auto* state = dynamic_cast<const TableState*>(&snapshot);
  SLUICE_CHECK(state != nullptr);
  SLUICE_RETURN_IF_ERROR(state->CheckWritable(), "table '{}'", name());
  return TableLog(store_, root_).CleanUp(*state, ExpiryMs(*this), before);
}

std::string DeltaTable::Location(const DataFile& file) const {
  if (!internal::IsAbsolute(file.path)) return store_.Location(StorePath(file));
  if (file.path.starts_with('/') || file.path.starts_with("file:")) {
    return internal::CanonicalPath(file.path);
  }
  return file.path;
}

namespace {

template <typename Files>
Status MakeFilesLocal(const DeltaTable& table, const Files& files) {
  if (!table.store().is_remote()) return {};
  std::vector<std::string> paths;
  paths.reserve(files.size());
  for (const DataFile& file : files) paths.push_back(table.StorePath(file));
  SLUICE_RETURN_IF_ERROR(table.store().MakeLocal(paths), "table '{}'", table.name());
  return {};
}

}  // namespace

Status DeltaTable::MakeLocal(std::span<const DataFile> files) const {
  return MakeFilesLocal(*this, files);
}

Status DeltaTable::MakeLocal(const FileList& files) const { return MakeFilesLocal(*this, files); }

std::string DeltaTable::StorePath(const DataFile& file) const {
  if (internal::IsAbsolute(file.path)) return {};
  return InRoot(PercentDecode(file.path));
}

Status DeltaTable::SyncLog() const { return store_.SyncFolder(InRoot("_delta_log")); }

std::string DeltaTable::InRoot(const std::string& path) const {
  return root_.empty() ? path : root_ + "/" + path;
}

}  // namespace sluice::lake
