#pragma once
/// \file
/// The state of a table, and how it comes from the log.

#include <atomic>
#include <deque>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <unordered_set>
#include <vector>

#include "sluice/lake/internal/actions.h"

namespace sluice::lake::internal {

/// What Snapshot hides.
///
/// Immutable, but for the shared note of the newest checkpoint. Thread-safe.
class TableState final : public Snapshot {
 public:
  Version version() const override { return version_; }
  const std::string& table_id() const override { return metadata_.id; }
  const columnar::Schema& schema() const override { return schema_; }
  const std::vector<std::string>& partition_columns() const override {
    return metadata_.partition_columns;
  }
  const std::map<std::string, std::string>& properties() const override {
    return metadata_.configuration;
  }
  const FileList& files() const override { return files_; }
  std::optional<int64_t> TransactionVersion(std::string_view app_id) const override;
  const std::map<std::string, Transaction>& transactions() const override { return transactions_; }
  Status CheckWritable() const override;
  const columnar::Schema& annotated_schema() const override { return annotated_schema_; }
  const std::string& schema_json() const override { return metadata_.schema; }
  std::vector<std::string> reader_features() const override;
  std::vector<std::string> writer_features() const override;
  Status CheckOwnFiles() const override;

  const Protocol& protocol() const { return protocol_; }
  const Metadata& metadata() const { return metadata_; }
  const std::vector<Remove>& tombstones() const { return *tombstones_; }
  const std::map<std::string, Domain>& domains() const { return domains_; }

  /// The in-commit timestamp of this version; absent if it is not known.
  std::optional<int64_t> commit_ms() const { return commit_ms_; }

  /// Newest checkpoint known in this state's lineage; -1 if none.
  Version checkpointed() const { return *checkpointed_; }
  void NoteCheckpoint(Version version) const;

 private:
  friend class Replay;
  TableState() = default;

  Version version_ = -1;
  Protocol protocol_;
  Metadata metadata_;
  columnar::Schema schema_;
  columnar::Schema annotated_schema_;
  std::set<std::string> field_features_;
  FileList files_;
  std::shared_ptr<const std::vector<Remove>> tombstones_;
  std::map<std::string, Transaction> transactions_;
  std::map<std::string, Domain> domains_;
  std::optional<int64_t> commit_ms_;
  std::shared_ptr<std::atomic<Version>> checkpointed_;
};

using StatePtr = std::shared_ptr<const TableState>;

/// Puts a state together, from the newest source to the oldest: first commits, then one older state
/// or the parts of one checkpoint.
///
/// Not thread-safe.
class Replay {
 public:
  void AddCommit(Actions actions);
  void AddCheckpoint(Actions actions);
  /// Where the newest commit itself is not replayed: its in-commit timestamp.
  void NoteCommitTime(std::optional<int64_t> commit_ms) { commit_ms_ = commit_ms; }
  /// `state` must outlive the replay.
  void AddOlder(const TableState& state);

  /// Returns what the commits added so far come to, as the lines of one commit: removed files and
  /// domains stay, as older commits may have them.
  std::string Lines() const;

  /// kCorrupt: a table needs a protocol and metadata. kUnsupported: naming what we cannot read.
  Result<StatePtr> Finish(Version version, Version checkpointed);

 private:
  void TakeRest(Actions& actions);
  Status PutFilesTogether(FileList& files);
  std::shared_ptr<const std::vector<Remove>> PutTombstonesTogether();
  /// Chunks of what is new of the adds.
  std::vector<FileChunkPtr> Pack(const std::vector<Add>& adds);
  /// Returns the key by which newer references replace older ones; it may stand in `buffer`.
  static std::string_view KeyOf(std::string_view path, const DeletionVector* vector,
                                std::string& buffer);
  bool IsNew(std::string_view path, const DeletionVector* vector) const;
  /// False: it was there already.
  bool MarkSeen(std::string_view path, const DeletionVector* vector);

  // Keys that newer sources have decided: texts of chunks and tombstones, or of `own_keys_`.
  std::unordered_set<std::string_view> seen_;
  std::deque<std::string> own_keys_;
  std::vector<std::vector<FilePiece>> commit_files_;  // The newest first.
  std::vector<FilePiece> older_files_;
  std::vector<Remove> tombstones_;
  Status failure_;
  std::map<std::string, Transaction> transactions_;
  std::map<std::string, Domain> domains_;
  std::optional<Protocol> protocol_;
  std::optional<Metadata> metadata_;
  std::optional<int64_t> commit_ms_;
  const TableState* older_ = nullptr;
};

}  // namespace sluice::lake::internal
