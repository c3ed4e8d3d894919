#pragma once
/// \file
/// Delta tables: read the log, append, checkpoint
/// (protocol: https://github.com/delta-io/delta/blob/master/PROTOCOL.md).

#include <arrow/type_fwd.h>

#include <compare>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "sluice/base/error.h"
#include "sluice/columnar/batch.h"
#include "sluice/columnar/parquet.h"
#include "sluice/lake/file_list.h"
#include "sluice/os/clock.h"
#include "sluice/os/expiry_clock.h"
#include "sluice/os/random.h"
#include "sluice/store/object_store.h"

namespace sluice::lake {

namespace internal {
class FilesInWriting;
}

/// The largest value of an integer column in the file, by its statistics; absent if they do not
/// say.
std::optional<int64_t> MaximumOf(const DataFile& file, std::string_view column);
/// The smallest, likewise.
std::optional<int64_t> MinimumOf(const DataFile& file, std::string_view column);

/// How many rows of the file have no value in the column, by its statistics; absent if they do not
/// say.
std::optional<int64_t> NullsOf(const DataFile& file, std::string_view column);

/// Progress of an application, committed with its rows.
struct Transaction {
  std::string app_id;
  int64_t version = 0;
  std::optional<int64_t> last_updated_ms = {};
};

/// Applications whose name begins so land rows, or count for who does. Who forgot one of their
/// transactions would land rows twice, so they never expire here.
inline constexpr std::string_view kLandingPrefix = "sluice/";
/// The property that lets engines forget transactions that were not renewed for so long.
inline constexpr std::string_view kTransactionRetention = "delta.setTransactionRetentionDuration";

/// The state of a table at one version.
///
/// Immutable. Thread-safe.
class Snapshot {
 public:
  virtual ~Snapshot() = default;
  virtual Version version() const = 0;
  virtual const std::string& table_id() const = 0;
  virtual const columnar::Schema& schema() const = 0;
  virtual const std::vector<std::string>& partition_columns() const = 0;
  virtual const std::map<std::string, std::string>& properties() const = 0;
  virtual const FileList& files() const = 0;
  virtual std::optional<int64_t> TransactionVersion(std::string_view app_id) const = 0;
  virtual const std::map<std::string, Transaction>& transactions() const = 0;
  /// The schema with what Delta annotates fields with, nested ones too: keys and values of Arrow's
  /// field metadata; values that are no text are JSON.
  virtual const columnar::Schema& annotated_schema() const = 0;
  /// The schema as the log has it; empty if it has none.
  virtual const std::string& schema_json() const = 0;
  /// The table features that a reader must know, and those that a writer must; with those that
  /// older protocol versions imply.
  virtual std::vector<std::string> reader_features() const = 0;
  virtual std::vector<std::string> writer_features() const = 0;
  /// kUnsupported: naming why an engine that reads the files by itself, with what stored_files.h
  /// tells, would not see the table: a file lies outside of its folder, variants may be shredded.
  virtual Status CheckOwnFiles() const = 0;
  /// kUnsupported: naming the first writer feature that Append() cannot honour.
  virtual Status CheckWritable() const = 0;
};

struct CreateOptions {
  std::vector<std::string> partition_columns = {};
  std::map<std::string, std::string> properties = {};
  std::string description = {};
};

/// Rows of one partition, to become one file.
struct NewFile {
  std::map<std::string, std::optional<std::string>> partition_values = {};
  std::vector<columnar::Batch> batches = {};  ///< Partition columns in them are not written.
};

struct AppendOptions {
  /// Recorded for people in commitInfo.
  std::string operation = "WRITE";
  /// All written to the same commit.
  std::vector<Transaction> transactions = {};
  /// Compare-and-swap: the commit is legal only on a snapshot whose version of this application is
  /// `expected` (absent: none). Needs a Transaction of the same application.
  struct Expectation {
    std::string app_id;
    std::optional<int64_t> expected;
  };
  std::optional<Expectation> expect = {};
  /// Random and private columns get no statistics in the log either.
  columnar::ParquetOptions parquet = {};
  /// Columns whose values must never stand in the log.
  std::vector<std::string> columns_without_statistics = {};
  /// Files written at once, copies at most one a processor; 1 where the table gives out identities.
  int threads = 1;
  int attempts_max = 20;
};

/// An object of another store than the table's.
struct ForeignFile {
  store::ObjectStore* store = nullptr;
  std::string path;
};

/// Finds the object at an absolute address (`/a/b`, `s3://bucket/b`): shallow clones have such.
/// Called by several threads at once; the store must outlive the table.
using ForeignFiles = std::function<Result<ForeignFile>(const std::string& address)>;

/// Whether a checkpoint is due by `delta.checkpointInterval`; without it after 10 commits, up to 50
/// where files are many. Knows of checkpoints that were loaded from, or written with a snapshot
/// that this one derives from.
bool CheckpointDue(const Snapshot& snapshot);

/// A range of commits, both ends included.
struct CommitRange {
  Version first = 0;
  Version last = 0;
};

/// The newest commits that CompactLog() should stand for now: every ten of them, where the table
/// asks for checkpoints so seldom that its readers would have to read more than twenty. Absent:
/// none.
std::optional<CommitRange> CompactionDue(const Snapshot& snapshot);

/// A table that other engines may read and write at the same time. Copies of it are the same table:
/// none vacuums what another is writing.
///
/// Thread-safe. Holds no lock while it does I/O.
class DeltaTable {
 public:
  /// `root` is the folder of the table inside `store`, "" for the store's own root. `store`,
  /// `clock` and `random` must outlive the table, as must `expiry`: by which files, and what the
  /// log remembers, become old, and before whose Stamp() no commit is dated; null: `clock`. Without
  /// `foreign` files that lie elsewhere are refused.
  DeltaTable(store::ObjectStore& store, std::string root, const os::Clock& clock,
             os::Random& random, ForeignFiles foreign = nullptr,
             const os::ExpiryClock* expiry = nullptr);

  /// Makes the table's first commit. kConflict: there is a table already. Nullability and types of
  /// `schema` are those of Delta; kUnsupported names a field whose type has no counterpart.
  Result<std::shared_ptr<const Snapshot>> Create(const columnar::Schema& schema,
                                                 const CreateOptions& options = {});

  /// Returns the newest state. kNotFound: there is no table. `since`, if given, is brought up to
  /// date instead of reading everything again.
  Result<std::shared_ptr<const Snapshot>> Load(
      const std::shared_ptr<const Snapshot>& since = nullptr) const;

  /// Returns the state at `version`. kNotFound: that version is not, or no longer, there.
  Result<std::shared_ptr<const Snapshot>> LoadAt(Version version) const;

  /// Writes the files, then adds them in one commit on top of the newest version; when other
  /// writers get there first, checks what they did and tries again on top.
  ///
  /// With an expectation, an own commit whose outcome was unknown is recognised: the returned
  /// snapshot then already has our transaction version. kConflict: the expectation does not hold,
  /// or the schema changed; nothing was committed. kUnavailable: the store failed; the last try may
  /// have landed: Load() and look at the transaction.
  Result<std::shared_ptr<const Snapshot>> Append(const std::shared_ptr<const Snapshot>& base,
                                                 std::span<const NewFile> files,
                                                 const AppendOptions& options = {});

  /// Adds columns at the end, all nullable, and fields to structs in columns that exist, which then
  /// have the order of `wanted`. Files that lack them read as null. kConflict: a column exists with
  /// another type, or its struct has a field that is not wanted.
  Result<std::shared_ptr<const Snapshot>> AddColumns(const std::shared_ptr<const Snapshot>& base,
                                                     const columnar::Schema& wanted);

  /// Writes a checkpoint of the snapshot and points `_last_checkpoint` at it: a classic one, or one
  /// of the second kind where `delta.checkpointPolicy` is `v2`. Its checksum file comes with it.
  Status WriteCheckpoint(const Snapshot& snapshot) const;

  /// Writes one file that stands for the commits `first` to `last`, so that who reads them reads
  /// one instead; they themselves stay. kInvalid: fewer than two versions, or newer than the
  /// snapshot. kNotFound: one of them is no longer there.
  Status CompactLog(const Snapshot& snapshot, Version first, Version last) const;

  /// Deletes commits, checkpoints and checksums that are older than `delta.logRetentionDuration`
  /// (30 days if the table does not say), and returns how many files went. What is needed to load
  /// any younger version stays; a table without an old enough checkpoint keeps all.
  ///
  /// `before` is called once where there are any, with the version that the log begins with then:
  /// what the commits up to it did can no longer be told. Its error ends it, with nothing deleted.
  Result<int64_t> CleanUpLog(const Snapshot& snapshot,
                             const std::function<Status(Version first)>& before = {}) const;

  /// Makes durable the commits that Load() saw before: the process that made the newest may have
  /// died before it was. To be called before something is thrown away because the table has it.
  Status SyncLog() const;

  /// Where an engine on this machine finds a file of this table.
  std::string Location(const DataFile& file) const;

  /// A path in the table, as the store spells it.
  std::string InRoot(const std::string& path) const;

  /// The file's path in the store; empty if the log names it by an absolute address.
  std::string StorePath(const DataFile& file) const;

  /// Puts copies of the files onto this machine, where the store is elsewhere and keeps such.
  /// kNotFound: one is gone, as another writer's VACUUM takes those that only older versions name.
  Status MakeLocal(std::span<const DataFile> files) const;
  Status MakeLocal(const FileList& files) const;

  const std::string& root() const { return root_; }
  /// What messages call the table: its root, or where a store on this machine is if that is the
  /// whole of it.
  const std::string& name() const { return name_; }
  store::ObjectStore& store() const { return store_; }
  const ForeignFiles& foreign() const { return foreign_; }
  const os::Clock& clock() const { return clock_; }
  /// Null: `clock()` is all there is.
  const os::ExpiryClock* expiry() const { return expiry_; }
  internal::FilesInWriting& writing() const { return *writing_; }
  os::Random& random() const { return random_; }

 private:
  store::ObjectStore& store_;
  const std::string root_;
  const std::string name_;
  const os::Clock& clock_;
  const os::ExpiryClock* const expiry_;
  os::Random& random_;
  const ForeignFiles foreign_;
  const std::shared_ptr<internal::FilesInWriting> writing_;
};

}  // namespace sluice::lake
