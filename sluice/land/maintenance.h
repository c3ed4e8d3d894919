#pragma once
/// \file
/// Keeps landed tables healthy by itself: few files, none that nobody needs.

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "sluice/base/metrics.h"
#include "sluice/land/lander.h"
#include "sluice/land/maintenance_log.h"
#include "sluice/land/pace.h"
#include "sluice/os/clock.h"

namespace sluice::land {

struct MaintenanceOptions {
  std::chrono::milliseconds every{60'000};  ///< So often each table is looked at.
  int64_t file_bytes = 128ll << 20;         ///< Of a full file.
  /// So many small files of a day are left alone; of a day that nothing was written to for
  /// `quiet`, none.
  int files_min = 8;
  std::chrono::milliseconds quiet{3'600'000};
  /// Files with more than this part deleted are rewritten without.
  double deleted_part_max = 0.3;
  /// By which columns the tables of topics are clustered, one to four.
  std::map<std::string, std::vector<std::string>> cluster_by = {};
  /// A day is clustered when it has so many bytes that are not, or is quiet; so many at once.
  int64_t cluster_bytes = 64ll << 20;
  /// What rewriting files takes, as lake::RewriteMemory has it.
  int64_t memory_bytes_max = 128ll << 20;
  /// So much is rewritten of one table before the next has its turn.
  int64_t bytes_max = 1ll << 30;
  /// Files that left the table so long ago are deleted, later if the table itself asks for more. No
  /// query may run so long.
  std::chrono::milliseconds vacuum_retention{7ll * 86'400'000};
  std::chrono::milliseconds vacuum_every{3'600'000};
  std::set<std::string> off = {};  ///< Topics whose tables are left alone.
};

/// Looks at the tables of a lander, one after the other: compacts their small files with the
/// settings with which they landed, rewrites files with many deleted rows, clusters those of topics
/// with columns for it, and deletes files that no version within the retention needs. Its
/// commits change no rows and give way to landing; one that a crash cuts short is none, and what it
/// wrote is deleted later as any file without a name.
///
/// Not thread-safe: one thread calls Look().
class Maintenance {
 public:
  /// References must outlive the object.
  Maintenance(const MaintenanceOptions& options, const PaceOptions& pace, Lander& lander,
              const os::Clock& clock, Metrics& metrics);

  /// Looks at each table once, and does what is due. What was done is in Lander::maintenance().
  /// False: the pace said that the work is to end.
  bool Look();

 private:
  struct Seen {
    lake::Version version = -1;  ///< With nothing to do.
    os::Monotonic next_look{};
    os::Monotonic next_vacuum{};
    std::string left_alone;     ///< Why, as it was last noted.
    std::string not_clustered;  ///< The same.
  };

  bool LookAt(const TableStatus& table, Seen& seen);
  bool Compact(const TableStatus& table, Seen& seen);
  bool Cluster(const TableStatus& table, Seen& seen);
  bool Vacuum(const TableStatus& table, Seen& seen);
  /// Ends a compaction or clustering.
  bool EndRewrite(MaintenanceRun run, const Result<lake::CompactReport>& report, const Pace& pace,
                  bool go_on, Seen& seen);
  void NoteLeftAlone(const TableStatus& table, std::string reason, std::string& noted);
  // Milliseconds since 1970: a day that nothing was written to since then is quiet.
  int64_t QuietBefore() const;
  lake::RewriteMemory Memory();
  /// Tells the pace; gives free memory back now and then.
  bool Keep(Pace& pace, int64_t bytes);
  MaintenanceRun Begin(const TableStatus& table, std::string action) const;
  // Reports a run, as done or cut short if it has no outcome yet; returns `go_on`.
  bool End(MaintenanceRun run, const Pace& pace, bool go_on);

  const MaintenanceOptions options_;
  const PaceOptions pace_;
  Lander& lander_;
  const os::Clock& clock_;
  Metrics& metrics_;
  const os::Monotonic began_;
  int64_t rewritten_ = 0;          // Bytes, since free memory was given back.
  std::map<uint32_t, Seen> seen_;  // By partition.
};

}  // namespace sluice::land
