#pragma once
/// \file
/// Journal → tables: keeps the rows not yet landed for readers, and lands them exactly once.

#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "sluice/base/error.h"
#include "sluice/base/metrics.h"
#include "sluice/catalog/catalog.h"
#include "sluice/columnar/batch.h"
#include "sluice/columnar/parquet.h"
#include "sluice/journal/journal.h"
#include "sluice/lake/cluster_files.h"
#include "sluice/lake/compact_files.h"
#include "sluice/lake/delta_table.h"
#include "sluice/lake/row_changes.h"
#include "sluice/lake/vacuum.h"
#include "sluice/land/maintenance_log.h"
#include "sluice/ledger/entries.h"
#include "sluice/os/clock.h"
#include "sluice/os/expiry_clock.h"
#include "sluice/os/random.h"
#include "sluice/os/threads.h"
#include "sluice/privacy/keys.h"
#include "sluice/store/object_store.h"

namespace sluice::land {

namespace internal {
class DueTables;
class TableLander;
struct TailBytes;
class WriteMemory;
}  // namespace internal

struct LandOptions {
  std::chrono::milliseconds every{300'000};
  int64_t bytes_max = 128ll << 20;  ///< A table lands at once when this much waits.
  /// Rows in memory of all tables that land; beyond, Behind() says so. Tables whose landing stopped
  /// have half as much for themselves, so that they cannot close the door for the others.
  int64_t tail_bytes_max = 256ll << 20;
  /// What landings take at once to write files, of all tables: rows copied apart by date, encoded
  /// columns, the file. A commit has as many rows as that is enough for, at least one; the rest
  /// follows in further ones.
  int64_t write_bytes_max = 256ll << 20;
  int dates_max = 512;  ///< Event dates in one commit; the rest waits for the next.
  std::string tenant = "default";
  columnar::Compression compression = columnar::Compression::kZstd;
  /// Brings waiting rows under a rule that became stricter. Without them such rows stay as they
  /// are.
  std::optional<privacy::Keys> keys = {};
  /// By which files and entries of a log become old; must outlive the lander. Null: its clock.
  const os::ExpiryClock* expiry = nullptr;
};

/// One consistent state of a table: landed files and the rows behind them.
struct ReadView {
  columnar::Schema schema;
  std::vector<std::string> files;  ///< Locations, in the order of the snapshot's files.
  std::vector<columnar::Batch> tail;
  int64_t tail_rows = 0;
  std::shared_ptr<const lake::Snapshot> snapshot;
  std::shared_ptr<const lake::DeltaTable> table;  ///< Valid for as long as the lander is.
};

/// A table of which rows are about to be changed.
struct TableToChange {
  std::shared_ptr<lake::DeltaTable> table;  ///< Valid for as long as the lander is.
  /// Begins with a state that has all rows that were added before; later ones are not in its way.
  lake::ChangeOptions options;
  std::shared_ptr<const event::Contract> contract;
};

/// A state of the past: a version of each table, or what it was at a time.
using AsOf = std::variant<lake::Version, os::Timestamp>;

/// Returns the version of the table that was there, by number or time; kNotFound with what there
/// is.
Result<lake::Version> VersionAsOf(const lake::DeltaTable& table, const AsOf& when);

struct TableStatus {
  std::string topic;
  std::string table;  ///< `bronze.flights`
  uint32_t partition = 0;
  journal::Offset landed = -1;  ///< Last offset in the table; -1: none.
  journal::Offset end = 0;      ///< Next offset; pending = end - landed - 1.
  int64_t files = 0;
  int64_t version = -1;
  int64_t landed_rows = 0;      ///< By the table's statistics, foreign rows included.
  std::string stopped;          ///< Why landing stopped; empty while it works.
  std::string path;             ///< Of the table in the store.
  int64_t duplicates = 0;       ///< Events that were answered so.
  bool compaction_off = false;  ///< The table's `delta.autoOptimize.autoCompact` is false.
};

/// Lands all tables of one journal.
///
/// Thread-safe. One thread lands; Add() is called by one thread at a time, as the journal does.
class Lander {
 public:
  /// All references must outlive the lander.
  Lander(const LandOptions& options, store::ObjectStore& store, const os::Clock& clock,
         os::Random& random, os::Threads& threads, Metrics& metrics, std::string journal_uuid);
  ~Lander();

  /// Opens the topic's table, made if it does not exist, or brings it to the contract's next
  /// version. Returns the first offset that the table does not have.
  Result<journal::Offset> Open(const catalog::Topic& topic);

  /// Tells where the journal's kept frames begin for a partition, once, before the first Add().
  /// Offsets between the table's end and `first` are lost: landing stops with a report.
  void SetFirstKept(uint32_t partition, journal::Offset first);

  /// Tells which offsets of a partition were given up, before SetFirstKept(): landing goes on
  /// behind them, with a commit that says how many there were.
  void AcceptLosses(uint32_t partition, const std::vector<journal::Loss>& losses);

  /// Takes durable rows, in the order of their offsets; from then on readers see them. Offsets that
  /// the table has are skipped.
  void Add(uint32_t partition, journal::Offset base, os::Timestamp received,
           const columnar::Batch& rows);

  /// Counts events that were answered `duplicate`: they have no rows, so that the table says how
  /// many there were. Those of no known partition are not counted.
  void AddDuplicates(uint32_t partition, int64_t rows);
  /// Raises that count to what the journal says there ever were; returns it.
  int64_t RaiseDuplicates(uint32_t partition, int64_t count);
  /// Counts events of the topic that became error rows, for its ledger: since when there are any.
  void AddErrors(uint32_t partition, int64_t rows);

  /// Whether more rows wait in memory than tail_bytes_max: whoever can should hold new ones back.
  bool Behind() const;

  /// Of the rows in memory, of all tables.
  int64_t TailBytes() const;

  /// That landings under way take to write files, of all tables.
  int64_t WriteBytes() const;

  /// kUnavailable with the reason: landing into the partition's table has stopped, and such tables
  /// have as many rows in memory as they may.
  Status CheckRoom(uint32_t partition) const;

  /// kNotFound: no such table.
  Result<ReadView> View(std::string_view schema, std::string_view table);

  /// The table as it was: what had landed by then, in the columns of then. kNotFound: no such
  /// table, version or time; with what there is.
  Result<ReadView> ViewAt(std::string_view schema, std::string_view table, const AsOf& when);

  /// Lands what waits, for a change of rows that is to reach it. kNotFound: no such table.
  /// kUnavailable: it does not land, with the reason, or not by the deadline.
  Result<TableToChange> BeginChange(std::string_view schema, std::string_view table,
                                    os::Monotonic deadline);
  /// Shows readers the state that a change made.
  void EndChange(std::string_view schema, std::string_view table,
                 std::shared_ptr<const lake::Snapshot> snapshot);

  /// Paths in the store of the partition's files that may have rows received in that time, both
  /// ends included, by default without a last one: what dedupe is rebuilt from. Where statistics do
  /// not tell, or tell of later rows alone, which a clock that was ahead makes, the time counts at
  /// which a file was made.
  Result<std::vector<std::string>> FilesReceived(uint32_t partition, os::Timestamp since,
                                                 std::optional<os::Timestamp> until = {}) const;

  /// Calls `done` when the offset has landed (true) or the deadline has passed (false).
  void WaitLanded(uint32_t partition, journal::Offset offset, os::Monotonic deadline,
                  std::function<void(bool)> done);

  /// Forgets a table, whose rows should all have landed; who waits for them is answered before.
  void Drop(uint32_t partition);

  /// Takes over a table that another journal filled: landing goes on behind its last offset.
  Status Adopt(std::string_view topic);

  /// Lands everything there is now, counts without rows too. The first error, after all tables were
  /// tried.
  Status LandAll();

  /// Starts the thread; `landed` is called after each commit with the first offset not landed, and
  /// before it returns for the tables that have rows which the journal has kept since an earlier
  /// process (SetFirstKept()).
  void Start(std::function<void(uint32_t partition, journal::Offset next)> landed);
  /// Stops the thread, then lands what is left.
  Status Stop();

  std::vector<TableStatus> Tables() const;

  /// Compacts the partition's table, with the settings with which it lands: `options.write` and
  /// `options.since` are set here. Errors as lake::CompactFiles(); kNotFound: there is none.
  Result<lake::CompactReport> Compact(uint32_t partition, lake::CompactOptions options);
  /// The same by lake::ClusterFiles().
  Result<lake::CompactReport> Cluster(uint32_t partition, lake::ClusterOptions options);

  /// Deletes files of the partition's table that left it longer ago than the table's own retention,
  /// or else `retention`, and than any query takes. Errors as lake::Vacuum().
  Result<lake::VacuumReport> Vacuum(uint32_t partition, std::chrono::milliseconds retention,
                                    std::function<bool()> go_on);

  /// What was done to tables besides landing into them.
  MaintenanceLog& maintenance() { return maintenance_; }

  /// What each commit of the partition's table did to its offsets, oldest first, then what waits.
  Result<std::vector<ledger::Entry>> Ledger(uint32_t partition);

 private:
  /// Lands what is due, and answers who waits for it.
  std::optional<os::Wait> Step();
  void LandDue();
  /// What may be due now: all, where memory is short.
  std::vector<std::shared_ptr<internal::TableLander>> ToLookAt(const std::set<uint32_t>& waited_for,
                                                               os::Monotonic now);
  void AnswerWaiters();
  /// How many bytes make a table due now.
  int64_t BytesMax() const;
  std::shared_ptr<internal::TableLander> Find(uint32_t partition) const;
  std::shared_ptr<internal::TableLander> Find(std::string_view schema,
                                              std::string_view table) const;
  std::vector<std::shared_ptr<internal::TableLander>> All() const;
  Status Land(internal::TableLander& table);
  /// Lands all that waits now, in as many commits as that takes.
  Status LandWhole(internal::TableLander& table);
  bool Stopping() const;

  const LandOptions options_;
  store::ObjectStore& store_;
  const os::Clock& clock_;
  os::Random& random_;
  os::Threads& threads_;
  Metrics& metrics_;
  const std::string journal_uuid_;
  const std::shared_ptr<internal::TailBytes> tail_bytes_;
  const std::shared_ptr<internal::WriteMemory> write_memory_;
  const std::shared_ptr<internal::DueTables> due_tables_;
  std::atomic<int64_t> written_until_trim_{0};  // Of what landings ever took.
  std::atomic<bool> trim_due_{false};
  MaintenanceLog maintenance_;

  mutable std::mutex mutex_;  // Guards tables_, dropped_, waiters_ and stopping_.
  std::map<uint32_t, std::shared_ptr<internal::TableLander>> tables_;
  std::set<uint32_t> dropped_;
  struct Waiter {
    uint32_t partition;
    journal::Offset offset;
    os::Monotonic deadline;
    std::function<void(bool)> done;
  };
  std::vector<Waiter> waiters_;
  bool stopping_ = false;
  std::function<void(uint32_t, journal::Offset)> landed_;
  std::map<uint32_t, os::Monotonic> retry_at_;  // Of the thread: a store that fails must not spin.
  std::unique_ptr<os::Thread> thread_;
};

}  // namespace sluice::land
