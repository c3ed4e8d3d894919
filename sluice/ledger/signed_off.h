#pragma once
/// \file
/// A count that found a table balanced, kept so that the next one reads only what changed since.

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "sluice/base/error.h"
#include "sluice/lake/delta_table.h"
#include "sluice/ledger/proof.h"

namespace sluice::ledger {

/// What was found balanced: one version of one table.
struct SignedOff {
  std::string table_id;
  lake::Version version = 0;
  uint32_t files_digest = 0;  ///< Of the version's list of files.
  int64_t files = 0;
  int64_t landed_end = 0;
  int64_t landed = 0;
  int64_t removed = 0;
  int64_t expired = 0;
  int64_t erased = 0;
  int64_t foreign = 0;
  int64_t counted_ms = 0;  ///< When.

  bool operator==(const SignedOff&) const = default;
};

/// Signs off what `proof`, a whole and balanced one, found in `snapshot`.
SignedOff SignOff(const lake::Snapshot& snapshot, const Proof& proof, int64_t now_ms);

/// One line of text with a checksum.
std::string Encode(const SignedOff& signed_off);
/// kCorrupt: not what Encode() wrote.
Result<SignedOff> DecodeSignedOff(std::string_view text);

/// As Prove(), but reads only files that came or went since the version that was signed off: bits
/// that flipped in older ones show in a full count alone.
///
/// kNotFound, kConflict: what changed is more than landings and rewrites of the same rows, or can
/// no longer be told, so that only a full count can say what is true; not whether something is
/// wrong.
Result<Proof> ProveSince(const lake::DeltaTable& table,
                         const std::shared_ptr<const lake::Snapshot>& snapshot,
                         const SignedOff& since, const ProofOptions& options = {});

}  // namespace sluice::ledger
