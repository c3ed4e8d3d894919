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
#include "sluice/ledger/offset_set.h"

namespace sluice::ledger {

/// Applications in a table's transactions that are landings begin with it:
/// `sluice/<journal>/<partition>-<incarnation>`. Counters of what has no rows follow behind `#`.
inline constexpr std::string_view kAppPrefix = lake::kLandingPrefix;
inline constexpr std::string_view kDuplicateCounter = "#duplicate";
/// The operation of a commit that raises the landed offset without rows: the table as it is was
/// declared to be right.
inline constexpr std::string_view kAdoptOperation = "ADOPT";
/// That of one which does so behind offsets that an operator gave up.
inline constexpr std::string_view kLossOperation = "LOSS";
/// Offsets that count as landed and never had rows: an operator accepted that they are lost.
inline constexpr std::string_view kLostCounter = "#lost";
/// Rows that a commit of ours took away because their time was over, and because somebody's data
/// had to go.
inline constexpr std::string_view kExpiredCounter = "#expired";
inline constexpr std::string_view kErasedCounter = "#erased";
/// Rows that others, or plain changes, took away in commits that may since have left the log:
/// without it nothing would tell why they are gone (carried_over.h).
inline constexpr std::string_view kRemovedCounter = "#removed";
/// The last version whose removals `#removed` counts. Where there is none, those before the first
/// state that the log has.
inline constexpr std::string_view kRemovedUntil = "#removed_until";

/// Whether an application is a landing itself, not a counter of one, nor another's.
bool IsLanding(std::string_view app_id);

/// Returns the last offset that has landed by the snapshot's transactions; -1: none.
int64_t LandedOffset(const lake::Snapshot& snapshot);

/// Returns the sum of a counter over all landings of the snapshot.
int64_t SumOfCounter(const lake::Snapshot& snapshot, std::string_view counter);

/// Why rows are gone.
enum class Cause : uint8_t {
  kRemoved,  ///< A commit took them away.
  kExpired,  ///< One of ours, which counts them in `#expired`.
  kErased,   ///< Likewise in `#erased`.
  kLost,     ///< There never were rows: an operator accepted that (`#lost`).
};

/// Rows that landed, and that a commit took away.
struct Removal {
  lake::Version version = 0;
  int64_t timestamp_ms = 0;  ///< By the clock of who did it; 0: not said.
  std::string operation = {};
  std::string engine = {};
  int64_t rows = 0;
  int64_t first_offset = -1;  ///< -1: not known.
  /// The files are gone, too: rows by the statistics that they had.
  bool by_statistics = false;
  Cause cause = Cause::kRemoved;
};

struct ProofOptions {
  /// The next offset of the topic when the snapshot was the newest: what was accepted. Absent: not
  /// known, and so is what is pending.
  std::optional<int64_t> end = {};
  int threads = 2;  ///< That read files.
  /// Only these offsets, and only files whose statistics do not rule them out.
  std::optional<OffsetRange> range = {};
  /// At most so many offsets are held at once, a bit each; beyond, files are read again.
  int64_t window = int64_t{1} << 30;
  size_t faults_max = 10;
  /// Every byte of the files is compared with their checksums, not only the column of offsets.
  bool all_bytes = false;
};

/// What the count found. Balanced if there are no faults: then
/// accepted = landed + removed + expired + erased + pending.
struct Proof {
  lake::Version version = 0;
  int64_t files = 0;
  int64_t files_read = 0;
  /// Only what changed since this version was counted; what is older was found balanced then.
  std::optional<lake::Version> counted_from = {};
  int64_t landed_end = 0;  ///< Offsets below it have landed, by the table's transactions.
  std::optional<int64_t> accepted = {};
  std::optional<int64_t> pending = {};
  int64_t landed = 0;   ///< Offsets that stand in the files.
  int64_t removed = 0;  ///< Offsets that commits took away, or that never had rows.
  int64_t expired = 0;
  int64_t erased = 0;
  int64_t foreign = 0;                   ///< Rows without an offset: others wrote them.
  int64_t duplicates = 0;                ///< That were answered before the last landing.
  std::vector<Removal> removals = {};    ///< Those that this count looked for.
  std::vector<std::string> faults = {};  ///< The first gap first.
  /// Files whose bytes are not those that were written, with what of them is damaged. Where rows
  /// cannot be read for that, they are not counted.
  std::vector<std::string> damaged = {};

  bool Balanced() const { return faults.empty() && damaged.empty(); }
};

/// Sets what was accepted, and what of it has not landed, where `end` is known.
void CountPending(const std::optional<int64_t>& end, Proof& proof);

/// Returns the offsets of the rows received in [from, to), by the rows themselves; with those that
/// are missing next to them. Absent: from the first, up to the last that landed.
Result<OffsetRange> OffsetsBetween(const lake::DeltaTable& table,
                                   const std::shared_ptr<const lake::Snapshot>& snapshot,
                                   std::optional<int64_t> from_us, std::optional<int64_t> to_us);

/// Counts the offsets in the files of a snapshot, and looks in the log for who took away those that
/// are missing. Reads one column of every file, after all of it with `all_bytes`; the log only if
/// offsets are missing.
///
/// Takes `window` / 8 bytes three times, and what a Scan takes. kNotFound, kCorrupt: a file of the
/// snapshot cannot be read, with its name.
Result<Proof> Prove(const lake::DeltaTable& table,
                    const std::shared_ptr<const lake::Snapshot>& snapshot,
                    const ProofOptions& options = {});

}  // namespace sluice::ledger
