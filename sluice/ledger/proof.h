#pragma once
/// \file
/// The proof that a table has every event that landed in it, once.

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "sluice/base/error.h"
#include "sluice/lake/delta_table.h"

namespace sluice::ledger {

/// Applications in a table's transactions that are landings begin with it:
/// `sluice/<journal>/<partition>-<incarnation>`. Counters of what has no rows follow behind `#`.
inline constexpr std::string_view kAppPrefix = "sluice/";
inline constexpr std::string_view kDuplicateCounter = "#duplicate";
/// The operation of a commit that raises the landed offset without rows: the table as it is was
/// declared to be right.
inline constexpr std::string_view kAdoptOperation = "ADOPT";
/// That of one which does so behind offsets that an operator gave up.
inline constexpr std::string_view kLossOperation = "LOSS";
/// Offsets that count as landed and never had rows: an operator accepted that they are lost.
inline constexpr std::string_view kLostCounter = "#lost";

/// Whether an application is a landing itself, not a counter of one, nor another's.
bool IsLanding(std::string_view app_id);

/// Returns the last offset that has landed by the snapshot's transactions; -1: none.
int64_t LandedOffset(const lake::Snapshot& snapshot);

/// Returns the sum of a counter over all landings of the snapshot.
int64_t SumOfCounter(const lake::Snapshot& snapshot, std::string_view counter);

/// Rows that landed, and that a commit took away.
struct Removal {
  lake::Version version = 0;
  int64_t timestamp_ms = 0;  ///< By the clock of who did it; 0: not said.
  std::string operation;
  std::string engine;
  int64_t rows = 0;
  int64_t first_offset = -1;  ///< -1: not known.
  /// The files are gone, too: rows by the statistics that they had.
  bool by_statistics = false;
  /// Rows that were lost with a journal before they landed, which an operator accepted.
  bool accepted_loss = false;
};

struct ProofOptions {
  /// The next offset of the topic when the snapshot was the newest: what was accepted. Absent: not
  /// known, and so is what is pending.
  std::optional<int64_t> end = {};
  int threads = 2;  ///< That read files.
  /// At most so many offsets are held at once, a bit each; beyond, files are read again.
  int64_t window = int64_t{1} << 30;
  size_t faults_max = 10;
};

/// What the count found. Balanced if there are no faults: then
/// accepted = landed + removed + pending.
struct Proof {
  lake::Version version = 0;
  int64_t files = 0;
  int64_t landed_end = 0;  ///< Offsets below it have landed, by the table's transactions.
  std::optional<int64_t> accepted;
  std::optional<int64_t> pending;
  int64_t landed = 0;      ///< Offsets that stand in the files.
  int64_t removed = 0;     ///< Offsets that commits took away: the sum of `removals`.
  int64_t foreign = 0;     ///< Rows without an offset: others wrote them.
  int64_t duplicates = 0;  ///< That were answered before the last landing.
  std::vector<Removal> removals;
  std::vector<std::string> faults;  ///< The first gap first.

  bool Balanced() const { return faults.empty(); }
};

/// Counts the offsets in the files of a snapshot, and looks in the log for who took away those that
/// are missing. Reads one column of every file; the log only if offsets are missing.
///
/// Takes `window` / 8 bytes three times, and what a Scan takes. kNotFound, kCorrupt: a file of the
/// snapshot cannot be read, with its name.
Result<Proof> Prove(const lake::DeltaTable& table,
                    const std::shared_ptr<const lake::Snapshot>& snapshot,
                    const ProofOptions& options = {});

}  // namespace sluice::ledger
