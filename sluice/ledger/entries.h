#pragma once
/// \file
/// What each commit of a table did to its topic's offsets.

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "sluice/base/error.h"
#include "sluice/lake/delta_table.h"

namespace sluice::ledger {

/// A line of the ledger. Sums over a topic balance: accepted = landed + removed + expired + erased
/// + what is PENDING, and foreign is what others have in the table now.
struct Entry {
  std::optional<lake::Version> version = {};  ///< Absent: what has not landed yet.
  int64_t timestamp_ms = 0;                   ///< By the clock of who committed; 0: not said.
  std::string operation = {};  ///< `LAND`; another's, such as `DELETE`; `PENDING`; `BEFORE`.
  std::string engine = {};     ///< Of another writer.
  int64_t first_offset = -1;   ///< -1: the commit landed nothing.
  int64_t last_offset = -1;
  int64_t accepted = 0;  ///< Offsets first_offset to last_offset.
  int64_t landed = 0;    ///< Rows with an offset that it added, less those that it took away.
  int64_t removed = 0;   ///< Rows with an offset that it took away; below 0: put back.
  int64_t expired = 0;   ///< By its counter, as `erased` is; the rest of what is gone is removed.
  int64_t erased = 0;
  int64_t foreign = 0;    ///< Rows without an offset that it added, less those it took away.
  int64_t duplicate = 0;  ///< Events answered so since the commit before.
  int64_t error = 0;      ///< Of `ERROR`: events of the topic that could not be taken.
};

/// The lines of one table, by the statistics of its log: no data file is read. The proof that
/// counts is Prove().
///
/// Keeps what it read, about 150 bytes a commit and 100 a file. Not thread-safe.
class Entries {
 public:
  /// Forgets what was read, and begins with a state: its line, `BEFORE`, stands for all that it
  /// has.
  void Begin(const lake::Snapshot& snapshot);

  /// Reads the commits up to the snapshot's that were not read yet. Where the log no longer
  /// reaches back to version 0 the first line, `BEFORE`, stands for all that is gone.
  Status Extend(const lake::DeltaTable& table, const lake::Snapshot& snapshot);

  const std::vector<Entry>& entries() const { return entries_; }

 private:
  struct Rows {
    int64_t own = 0;
    int64_t foreign = 0;
  };
  /// By the file's statistics; where those tell nothing of offsets, at most `own_max` have one.
  static Rows Count(const lake::DataFile& file, int64_t own_max);

  std::vector<Entry> entries_;
  std::map<std::string, Rows> files_;  ///< Of the version read last, by path.
  lake::Version next_ = 0;
  int64_t landed_end_ = 0;
  std::map<std::string, int64_t> counters_;  ///< By application.
};

}  // namespace sluice::ledger
