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
  std::string elsewhere;
  VisitFiles(files_.pieces(), [&](const FileChunk& chunk, size_t i) {
    if (elsewhere.empty() && IsAbsolute(chunk.path(i))) elsewhere = chunk.path(i);
  });
  if (!elsewhere.empty()) return Unsupported("file '{}' lies elsewhere", elsewhere);
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

std::string_view Replay::KeyOf(std::string_view path, const DeletionVector* vector,
                               std::string& buffer) {
  if (vector == nullptr && IsCanonicalPath(path)) return path;
  buffer = FileKey(path, vector);
  return buffer;
}

bool Replay::IsNew(std::string_view path, const DeletionVector* vector) const {
  if (seen_.empty()) return true;
  std::string buffer;
  return !seen_.contains(KeyOf(path, vector, buffer));
}

bool Replay::MarkSeen(std::string_view path, const DeletionVector* vector) {
  std::string buffer;
  const std::string_view key = KeyOf(path, vector, buffer);
  if (key.data() == path.data()) return seen_.insert(key).second;
  if (seen_.contains(key)) return false;
  return seen_.insert(own_keys_.emplace_back(std::move(buffer))).second;
}

std::vector<FileChunkPtr> Replay::Pack(const std::vector<Add>& adds) {
  std::vector<FileChunkPtr> chunks;
  FileChunkBuilder builder;
  const auto finish = [&] {
    auto chunk = builder.Finish();
    if (chunk.ok()) {
      chunks.push_back(std::move(*chunk));
    } else {
      failure_ = std::move(chunk).error();
    }
  };
  for (const Add& add : adds) {
    if (!IsNew(add.file.path, add.file.deletion_vector.get())) continue;
    if (builder.full()) finish();
    builder.Add(add.file);
  }
  if (builder.size() > 0) finish();
  return chunks;
}

void Replay::AddCommit(Actions actions) {
  if (commit_files_.empty()) commit_ms_ = actions.commit_ms;  // The newest comes first.
  std::vector<FilePiece>& pieces = commit_files_.emplace_back();
  // Order within a commit means nothing: a remove must not hide the same commit's add.
  for (FileChunkPtr& chunk : Pack(actions.adds)) {
    std::shared_ptr<std::vector<bool>> twice;
    size_t live = chunk->size();
    for (size_t i = 0; i < chunk->size(); ++i) {
      if (MarkSeen(chunk->path(i), chunk->rare(i).deletion_vector.get())) continue;
      if (twice == nullptr) twice = std::make_shared<std::vector<bool>>(chunk->size());
      (*twice)[i] = true;
      --live;
    }
    pieces.push_back({.chunk = std::move(chunk), .gone = std::move(twice), .live = live});
  }
  for (Remove& remove : actions.removes) {
    // The tombstone moves on, so its text cannot be the key.
    std::string key = FileKey(remove.path, remove.vector.get());
    if (seen_.contains(key)) continue;
    seen_.insert(own_keys_.emplace_back(std::move(key)));
    tombstones_.push_back(std::move(remove));
  }
  TakeRest(actions);
}

void Replay::AddCheckpoint(Actions actions) {
  std::vector<FileChunkPtr> chunks = Pack(actions.adds);
  if (actions.files != nullptr) chunks.push_back(std::move(actions.files));
  for (FileChunkPtr& chunk : chunks) {
    const size_t live = chunk->size();
    older_files_.push_back({.chunk = std::move(chunk), .live = live});
  }
  for (Remove& remove : actions.removes) {
    if (IsNew(remove.path, remove.vector.get())) tombstones_.push_back(std::move(remove));
  }
  TakeRest(actions);
}

void Replay::AddOlder(const TableState& state) {
  SLUICE_CHECK(older_ == nullptr && older_files_.empty());
  older_ = &state;
  older_files_ = state.files_.pieces().pieces;
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
  for (auto pieces = commit_files_.rbegin(); pieces != commit_files_.rend(); ++pieces) {
    VisitFiles({.pieces = *pieces},
               [&lines](const FileChunk& chunk, size_t i) { AppendAdd(lines, chunk.Get(i)); });
  }
  for (const Remove& remove : tombstones_) AppendRemove(lines, remove);
  return lines;
}

Status Replay::PutFilesTogether(FileList& files) {
  SLUICE_RETURN_IF_ERROR(failure_);
  auto together = std::make_shared<FilePieces>();
  const auto is_gone = [this](const FileChunk& chunk, size_t i) {
    return !IsNew(chunk.path(i), chunk.rare(i).deletion_vector.get());
  };
  for (FilePiece& piece : older_files_) {
    if (!seen_.empty()) {
      SLUICE_ASSIGN_OR_RETURN(piece, Without(piece, is_gone));
    }
    if (piece.live == 0) continue;
    together->size += piece.live;
    together->pieces.push_back(std::move(piece));
  }
  // What was seen are texts of these chunks, and nothing is looked up from here on.
  for (auto pieces = commit_files_.rbegin(); pieces != commit_files_.rend(); ++pieces) {
    for (FilePiece& piece : *pieces) {
      SLUICE_RETURN_IF_ERROR(AppendPiece(*together, std::move(piece)));
    }
  }
  files = FileList(std::move(together));
  return {};
}

std::shared_ptr<const std::vector<Remove>> Replay::PutTombstonesTogether() {
  if (older_ != nullptr) {
    const auto is_new = [this](const Remove& remove) {
      return IsNew(remove.path, remove.vector.get());
    };
    const std::vector<Remove>& older = *older_->tombstones_;
    if (tombstones_.empty() && std::ranges::all_of(older, is_new)) return older_->tombstones_;
    std::ranges::copy_if(older, std::back_inserter(tombstones_), is_new);
  }
  return std::make_shared<const std::vector<Remove>>(std::move(tombstones_));
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
  state->tombstones_ = PutTombstonesTogether();
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

  SLUICE_RETURN_IF_ERROR(PutFilesTogether(state->files_));
  state->checkpointed_ =
      older_ != nullptr ? older_->checkpointed_ : std::make_shared<std::atomic<Version>>(-1);
  state->NoteCheckpoint(checkpointed);
  return StatePtr(std::move(state));
}

}  // namespace sluice::lake::internal
