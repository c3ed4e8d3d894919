#pragma once
/// \file
/// One table of the lander: its snapshot, its tail, and landing what lies between.

#include <atomic>
#include <condition_variable>
#include <deque>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "sluice/catalog/catalog.h"
#include "sluice/columnar/batch.h"
#include "sluice/journal/journal.h"
#include "sluice/lake/delta_table.h"
#include "sluice/land/internal/due_tables.h"
#include "sluice/land/internal/rows_to_land.h"
#include "sluice/land/internal/write_memory.h"
#include "sluice/land/lander.h"
#include "sluice/ledger/entries.h"
#include "sluice/privacy/protect.h"

namespace sluice::land::internal {

/// Bytes of the rows in memory, of all tables together.
struct TailBytes {
  std::atomic<int64_t> landing{0};  ///< Of tables that land.
  std::atomic<int64_t> stopped{0};  ///< Of those whose landing stopped.
};

/// Thread-safe. Holds no lock while it does I/O on the store, but for the refresh of View().
class TableLander {
 public:
  /// `tail_bytes` is where it counts what it has in memory, `write_memory` what landing takes from,
  /// `due_tables` where it asks for a look when DueAt() becomes something earlier.
  TableLander(const LandOptions& options, store::ObjectStore& store, const os::Clock& clock,
              os::Random& random, std::string app_id, catalog::Topic topic,
              std::shared_ptr<TailBytes> tail_bytes, std::shared_ptr<WriteMemory> write_memory,
              std::shared_ptr<DueTables> due_tables);
  ~TableLander();

  /// Makes or loads the table; returns the first offset it does not have.
  Result<journal::Offset> Open();
  /// Adds the columns of the topic's next contract.
  Status Evolve(const catalog::Topic& topic);

  void SetFirstKept(journal::Offset first);
  /// Returns the first offset that has not landed, if the journal keeps rows of an earlier process
  /// before it, once no power loss can take the commits that have them.
  Result<std::optional<journal::Offset>> ReleasableAtStart();
  void AcceptLosses(std::vector<journal::Loss> losses);
  void Add(journal::Offset base, os::Timestamp received, const columnar::Batch& rows);
  /// Counts rows that were answered `duplicate`; committed with the next rows that land.
  void AddDuplicates(int64_t rows);
  int64_t RaiseDuplicates(int64_t count);
  void AddErrors(int64_t rows);
  /// Commits counts that no landing has committed yet.
  Status CommitCounts();
  /// What each commit of the log did to the topic's offsets, and what waits.
  Result<std::vector<ledger::Entry>> Ledger();
  Result<ReadView> View();
  Result<ReadView> ViewAt(const AsOf& when);
  Status Adopt();
  /// Compacts or clusters the files of the table, by the kind of the options, and takes over what
  /// it is then. Defined for both.
  template <typename Options>
  Result<lake::CompactReport> Rewrite(Options options);
  Result<lake::VacuumReport> Vacuum(std::chrono::milliseconds retention,
                                    std::function<bool()> go_on);
  /// What a change of rows needs, as of now.
  TableToChange ToChange() const;
  /// Takes over a newer state of the table that this program made.
  void Follow(std::shared_ptr<const lake::Snapshot> snapshot);

  std::vector<std::string> FilesReceived(os::Timestamp since,
                                         std::optional<os::Timestamp> until) const;

  /// Lands what waits, in one commit: of many rows or dates the first ones. Returns the first
  /// offset not landed then. Of two calls at the same time the table lets one win.
  Result<journal::Offset> Land();

  /// When Land() is due: at once when `bytes_max` wait, else when the oldest row has waited for
  /// options.every. Nothing: no row waits, or it does not land.
  std::optional<os::Monotonic> DueAt(int64_t bytes_max) const;
  bool HasRows() const;
  TableStatus Describe() const;
  /// As SCHEMA.TABLE.
  std::string Name() const;
  uint32_t partition() const { return partition_; }

 private:
  struct Pending {
    journal::Offset base;
    os::Timestamp received;
    columnar::Batch rows;
    int64_t bytes;
  };

  /// Counts rows that came into memory, or left it.
  void Count(int64_t bytes);
  /// The oldest row that waits has done so from now on. The mutex must be held.
  void WaitFromNow() {
    oldest_ = clock_.Steady();
    due_tables_->LookAt(partition_, *oldest_ + options_.every);
  }
  /// Lands no more until it is adopted; rows are still taken, seen by readers, and counted apart.
  /// The mutex must be held.
  void StopLanding(std::string reason);
  /// Stops landing because the offsets before `first` are nowhere. The mutex must be held.
  void StopBefore(journal::Offset first);
  /// Turns pending frames into chunks of useful size. The mutex must be held.
  Status Coalesce();
  /// Drops chunks that the snapshot has. The mutex must be held.
  void DropLanded();
  /// A frame of this or an older contract → its structs as they are now, under the topic's rules
  /// where those are stricter than the rows'. The mutex must be held.
  Result<columnar::Batch> Reprotect(const columnar::Batch& frame);
  /// Land(), which counts those under way. Several may run: the table says which of them commits.
  Result<journal::Offset> LandWaiting();
  /// Behind the last of the offsets from `begin` on that were given up; `begin` if that was not.
  /// The mutex must be held.
  journal::Offset LossEnd(journal::Offset begin) const;
  /// How files of the table are written, whoever writes them.
  columnar::ParquetOptions FileOptions(const event::Contract& contract) const;
  /// Deletes the part of the log whose time is over; who took rows away in it is counted before.
  /// Once a day, and when the table's properties say otherwise how long that is: it lists all of
  /// the log, and time is over by the day.
  Status CleanUpLog(const std::shared_ptr<const lake::Snapshot>& snapshot);
  /// Commits that the offsets up to `end` are lost.
  Result<journal::Offset> LandLoss(journal::Offset end);
  /// After a failed commit: what the table says decides. `first` is what was to land.
  Result<journal::Offset> FindOutcome(const std::shared_ptr<const lake::Snapshot>& base,
                                      journal::Offset first, Error failure);
  /// The counter of offsets that never had rows, raised. The mutex must be held.
  lake::Transaction LostNow(int64_t rows) const;
  lake::Transaction CounterNow() const;  ///< The mutex must be held.
  int64_t NowMs() const;
  /// View(), again where a file of the state was gone.
  Result<ReadView> ViewNow(bool after_vacuum);
  /// The last offset that a row of the snapshot has, by the files' statistics; -1: none. The mutex
  /// must be held.
  journal::Offset LastRow() const;
  /// Commits that all up to landed_ counts as landed by us. The mutex must be held.
  Status CommitAdoption();
  Status CheckOwnership(const lake::Snapshot& snapshot);
  /// kConflict: other engines may forget the table's transactions, which say what has landed.
  Status CheckRemembers(const lake::Snapshot& snapshot) const;
  /// `rows_added`: how many of its rows are ours and new. Other changes of their number are traced;
  /// none where it is not said.
  void SetSnapshot(std::shared_ptr<const lake::Snapshot> snapshot,
                   std::optional<int64_t> rows_added = 0);
  /// Takes over a newer state of the table, and moves the tail with it in the same step. kByUs:
  /// a change of rows that this program made is in it. The mutex must be held.
  enum class Made : uint8_t { kByAnybody, kByUs };
  void Advance(std::shared_ptr<const lake::Snapshot> snapshot, Made made = Made::kByAnybody);

  const LandOptions& options_;
  const os::Clock& clock_;
  const std::string app_id_;
  const uint32_t partition_;
  const std::shared_ptr<TailBytes> tail_bytes_;
  const std::shared_ptr<WriteMemory> write_memory_;
  const std::shared_ptr<DueTables> due_tables_;

  std::mutex entries_mutex_;  // Guards entries_; never taken with mutex_ held.
  ledger::Entries entries_;

  mutable std::mutex mutex_;  // Guards what follows.
  int landings_ = 0;          // Under way, each with the contract that it began with.
  std::condition_variable landing_ended_;
  catalog::Topic topic_;
  lake::DeltaTable table_;
  columnar::Schema schema_;
  std::shared_ptr<const privacy::Protector> protector_;  // Of topic_; made when first needed.
  std::shared_ptr<const lake::Snapshot> snapshot_;
  std::optional<std::vector<std::string>> locations_;  // Of its files, once somebody asked.
  Status own_files_;  // Whether all of them are where queries may read.
  int64_t landed_rows_ = 0;
  os::Monotonic refreshed_{};
  journal::Offset landed_ = -1;
  journal::Offset end_ = 0;
  std::vector<Pending> pending_;
  std::deque<Chunk> chunks_;
  int64_t bytes_ = 0;  ///< Of pending frames and chunks.
  std::optional<os::Monotonic> oldest_;
  std::string stopped_;
  std::optional<journal::Offset> first_kept_;               // In the journal, at the start.
  std::vector<journal::Loss> losses_;                       // In the order of their offsets.
  int64_t duplicates_ = 0;                                  ///< Ever answered.
  int64_t counted_ = 0;                                     ///< Of them, those that the table says.
  int64_t errors_ = 0;                                      ///< Error rows of the topic.
  std::deque<std::shared_ptr<const lake::Snapshot>> past_;  // That queries asked for, newest first.
  /// The day, since 1970, and the properties by which the log was last cleaned up.
  std::pair<int64_t, std::vector<std::string>> log_cleaned_up_;
};

}  // namespace sluice::land::internal
