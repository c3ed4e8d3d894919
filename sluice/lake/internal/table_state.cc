#include "sluice/lake/internal/table_state.h"

#include <arrow/type.h>

#include <algorithm>
#include <iterator>

#include "sluice/lake/internal/path_encoding.h"
#include "sluice/lake/internal/schema_json.h"
#include "sluice/lake/internal/table_features.h"

namespace sluice::lake::internal {

std::optional<int64_t> TableState::TransactionVersion(std::string_view app_id) const {
  const auto found = transactions_.find(std::string(app_id));
  if (found == transactions_.end()) return std::nullopt;
  return found->second.version;
}

Status TableState::CheckWritable() const {
  return CheckAppendable(protocol_, metadata_, field_features_);
}

std::vector<std::string> TableState::reader_features() const { return ReaderFeatures(protocol_); }
std::vector<std::string> TableState::writer_features() const { return WriterFeatures(protocol_); }

namespace {

bool HasVariant(const arrow::Field& field) {
  if (!Annotation(field, kVariantKey).empty()) return true;
  return std::ranges::any_of(field.type()->fields(),
                             [](const auto& child) { return HasVariant(*child); });
}

}  // namespace

Status TableState::CheckOwnFiles() const {
  // Then parts of the values are in columns of their own, and what is left alone is not the value.
  const std::vector<std::string> features = reader_features();
  const bool shredded = std::ranges::any_of(
      features, [](const std::string& feature) { return feature.starts_with("variantShredding"); });
  for (const auto& field : annotated_schema_->fields()) {
    if (shredded && HasVariant(*field)) {
      return Unsupported(
          "column '{}' may keep parts of its variants as typed columns (feature "
          "'variantShredding')",
          field->name());
    }
  }
  for (const DataFile& file : files_) {
    if (IsAbsolute(file.path)) return Unsupported("file '{}' lies elsewhere", file.path);
  }
  return {};
}

void TableState::NoteCheckpoint(Version version) const {
  Version known = *checkpointed_;
  while (known < version && !checkpointed_->compare_exchange_weak(known, version)) {
  }
}

void Replay::TakeRest(Actions& actions) {
  if (!protocol_) protocol_ = std::move(actions.protocol);
  if (!metadata_) metadata_ = std::move(actions.metadata);
  for (Transaction& transaction : actions.transactions) {
    const std::string app_id = transaction.app_id;
    transactions_.try_emplace(app_id, std::move(transaction));
  }
  for (Domain& domain : actions.domains) {
    const std::string name = domain.name;
    domains_.try_emplace(name, std::move(domain));
  }
}

void Replay::AddCommit(Actions actions) {
  if (commit_files_.empty()) commit_ms_ = actions.commit_ms;  // The newest comes first.
  std::vector<DataFile>& files = commit_files_.emplace_back();
  // Order within a commit means nothing, so all its keys are looked up before any is marked: a
  // remove must not hide the same commit's add, nor the other way round.
  for (Add& add : actions.adds) {
    if (seen_.insert(FileKey(add.file.path, add.file.deletion_vector)).second) {
      files.push_back(std::move(add.file));
    }
  }
  for (Remove& remove : actions.removes) {
    if (seen_.insert(FileKey(remove.path, remove.vector)).second) {
      tombstones_.push_back(std::move(remove));
    }
  }
  TakeRest(actions);
}

bool Replay::IsNew(std::string_view path,
                   const std::shared_ptr<const DeletionVector>& vector) const {
  return seen_.empty() || !seen_.contains(FileKey(path, vector));
}

void Replay::AddCheckpoint(Actions actions) {
  for (Add& add : actions.adds) {
    if (IsNew(add.file.path, add.file.deletion_vector)) {
      older_files_.push_back(std::move(add.file));
    }
  }
  for (Remove& remove : actions.removes) {
    if (IsNew(remove.path, remove.vector)) tombstones_.push_back(std::move(remove));
  }
  TakeRest(actions);
}

void Replay::AddOlder(const TableState& state) {
  SLUICE_CHECK(older_ == nullptr && older_files_.empty());
  older_ = &state;
  for (const Remove& remove : state.tombstones_) {
    if (IsNew(remove.path, remove.vector)) tombstones_.push_back(remove);
  }
  Actions rest{.protocol = state.protocol_, .metadata = state.metadata_};
  for (const auto& [app_id, transaction] : state.transactions_) {
    rest.transactions.push_back(transaction);
  }
  for (const auto& [name, domain] : state.domains_) rest.domains.push_back(domain);
  TakeRest(rest);
}

std::string Replay::Lines() const {
  std::string lines;
  if (protocol_) AppendProtocol(lines, *protocol_);
  if (metadata_) AppendMetadata(lines, *metadata_);
  for (const auto& [app_id, transaction] : transactions_) AppendTransaction(lines, transaction);
  for (const auto& [name, domain] : domains_) AppendDomain(lines, domain);
  for (auto files = commit_files_.rbegin(); files != commit_files_.rend(); ++files) {
    for (const DataFile& file : *files) AppendAdd(lines, file);
  }
  for (const Remove& remove : tombstones_) AppendRemove(lines, remove);
  return lines;
}

Result<StatePtr> Replay::Finish(Version version, Version checkpointed) {
  if (!protocol_) return Corrupt("the log of version {} has no protocol", version);
  if (!metadata_) return Corrupt("the log of version {} has no metadata", version);
  SLUICE_RETURN_IF_ERROR(CheckReadable(*protocol_, *metadata_));

  std::shared_ptr<TableState> state(new TableState());
  state->version_ = version;
  state->protocol_ = std::move(*protocol_);
  state->metadata_ = std::move(*metadata_);
  state->transactions_ = std::move(transactions_);
  state->commit_ms_ = commit_ms_;
  state->tombstones_ = std::move(tombstones_);
  for (auto& [name, domain] : domains_) {
    if (!domain.removed) state->domains_.emplace(name, std::move(domain));
  }
  if (older_ != nullptr && older_->metadata_.schema == state->metadata_.schema) {
    state->schema_ = older_->schema_;
    state->annotated_schema_ = older_->annotated_schema_;
    state->field_features_ = older_->field_features_;
  } else {
    SLUICE_ASSIGN_OR_RETURN(auto parsed, ParseSchema(state->metadata_.schema));
    state->schema_ = std::move(parsed.schema);
    state->annotated_schema_ = std::move(parsed.annotated);
    state->field_features_ = std::move(parsed.features);
  }

  state->files_ = std::move(older_files_);
  size_t count = state->files_.size() + (older_ != nullptr ? older_->files_.size() : 0);
  for (const auto& files : commit_files_) count += files.size();
  state->files_.reserve(count);
  if (older_ != nullptr) {
    std::ranges::copy_if(
        older_->files_, std::back_inserter(state->files_),
        [&](const DataFile& file) { return IsNew(file.path, file.deletion_vector); });
    state->checkpointed_ = older_->checkpointed_;
  } else {
    state->checkpointed_ = std::make_shared<std::atomic<Version>>(-1);
  }
  for (auto files = commit_files_.rbegin(); files != commit_files_.rend(); ++files) {
    std::ranges::move(*files, std::back_inserter(state->files_));
  }
  state->NoteCheckpoint(checkpointed);
  return StatePtr(std::move(state));
}

}  // namespace sluice::lake::internal
