#pragma once
/// \file
/// The actions of the Delta log, as values.

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "sluice/lake/delta_table.h"
#include "sluice/lake/internal/file_chunk.h"

namespace sluice::lake::internal {

struct Protocol {
  int32_t reader = 1;
  int32_t writer = 2;
  std::optional<std::vector<std::string>> reader_features = {};
  std::optional<std::vector<std::string>> writer_features = {};

  bool operator==(const Protocol&) const = default;
};

struct Metadata {
  std::string id;
  std::optional<std::string> name = {};
  std::optional<std::string> description = {};
  std::string provider = "parquet";
  std::map<std::string, std::string> format_options = {};
  std::string schema;  ///< JSON, byte for byte as its writer made it.
  std::vector<std::string> partition_columns = {};
  std::map<std::string, std::string> configuration = {};
  std::optional<int64_t> created_ms = {};

  bool operator==(const Metadata&) const = default;
};

struct Add {
  DataFile file;
  bool data_change = true;
};

struct Remove {
  std::string path;
  int64_t deletion_ms = 0;
  bool data_change = true;
  std::optional<bool> extended = {};
  std::optional<PartitionValues> partition_values = {};
  std::optional<int64_t> size = {};
  std::shared_ptr<const DeletionVector> vector = {};
  std::optional<int64_t> base_row_id = {};
  std::optional<Version> row_commit_version = {};
};

/// A file of changed rows, for the change feed alone.
struct ChangeFile {
  std::string path;
  PartitionValues partition_values = {};
  int64_t size = 0;
};

struct Domain {
  std::string name;
  std::string configuration;
  bool removed = false;
};

/// All that one commit, or one JSON checkpoint, says. Unknown actions are left out.
struct Actions {
  std::optional<Protocol> protocol = {};
  std::optional<Metadata> metadata = {};
  std::vector<Add> adds = {};
  FileChunkPtr files = {};  ///< Those of a Parquet checkpoint, in the place of `adds`; may be null.
  std::vector<Remove> removes = {};
  std::vector<Transaction> transactions = {};
  std::vector<Domain> domains = {};
  std::vector<ChangeFile> changes = {};    ///< Kept only where they are asked for.
  std::vector<std::string> sidecars = {};  ///< Names of files in `_sidecars`; checkpoints only.
  std::string commit_id = {};              ///< commitInfo.txnId
  bool blind_append = false;               ///< commitInfo.isBlindAppend
  std::optional<int64_t> commit_ms = {};   ///< commitInfo.inCommitTimestamp
};

/// Returns the key by which newer references replace older ones.
std::string FileKey(std::string_view path, const DeletionVector* vector);
std::string FileKey(const DataFile& file);

/// Returns the file that was removed, as far as the action tells: without statistics.
DataFile FileOf(const Remove& remove);

/// Returns the action that removes a file of a snapshot.
Remove RemoveOf(const DataFile& file, int64_t now_ms, bool data_change);

/// Returns numRecords of a statistics text.
std::optional<int64_t> RowsOf(std::string_view stats);

/// Checks what was read of an add, and fills in what follows from it.
Status Complete(Add& add);
/// The parts of it. kCorrupt: the log names no file of the table.
Status CheckFilePath(std::string_view path);
void CompleteValues(PartitionValues& values);
Status CheckVector(const DeletionVector* vector);  ///< Null is fine.

/// Reads newline-delimited JSON. kCorrupt: a line is no action, with its number.
Result<Actions> ParseActions(std::string_view text);

/// What commitInfo tells people, and us: the id tells our own commit from another's.
struct CommitInfo {
  std::string id;
  int64_t at_ms = 0;
  std::string operation;
  std::map<std::string, std::string> parameters = {};
  std::map<std::string, std::string> metrics = {};
  bool blind_append = false;
  Version read_version = -1;
  std::optional<int64_t> in_commit_ms = {};  ///< Where the table has in-commit timestamps.
};

/// Each appends one line.
void AppendCommitInfo(std::string& out, const CommitInfo& info);
void AppendProtocol(std::string& out, const Protocol& protocol);
void AppendMetadata(std::string& out, const Metadata& metadata);
void AppendTransaction(std::string& out, const Transaction& transaction);
void AppendAdd(std::string& out, const DataFile& file, bool data_change = true);
void AppendRemove(std::string& out, const Remove& remove);
void AppendChange(std::string& out, const ChangeFile& change);
void AppendDomain(std::string& out, const Domain& domain);

}  // namespace sluice::lake::internal
