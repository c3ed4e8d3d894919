#pragma once
/// \file
/// What differs between two versions of a contract, and whom that breaks.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "sluice/base/error.h"
#include "sluice/event/contract.h"

namespace sluice::event {

/// Reads `none`, `backward`, `forward` or `full`.
std::optional<Compatibility> ParseCompatibility(std::string_view name);
std::string_view ToString(Compatibility level);

/// One difference.
struct Change {
  /// What it breaks; none of them: nobody has to do anything.
  struct Breaks {
    bool stored = false;    ///< Rows in the table, or their columns: never allowed.
    bool backward = false;  ///< Producers of the old version: their events would fail or lose data.
    bool forward = false;   ///< Producers of the new version, should the old one come back.
    /// The promise made to those whom the data is about: never allowed, as rows under the older
    /// rule would be as open as the newer one lets them be.
    bool privacy = false;

    bool operator==(const Breaks&) const = default;
  };
  std::string path;  ///< `items[].price`; empty for the contract as a whole.
  std::string what;  ///< `added as Int32`, `Int32 became Text`
  std::string why;   ///< Why it breaks, and what to do instead; empty if it does not.
  Breaks breaks;
};

/// Returns what differs, field by field, in the order of `next`. Fields are told by name. Retired
/// columns of `previous` count as stored.
std::vector<Change> Compare(const Contract& previous, const Contract& next);

/// Whether a change is allowed at a level: kNone allows all that stored rows can take and that
/// loosens no privacy.
bool Allows(Compatibility level, const Change& change);

/// Whether `next` can follow `previous` under `next.compatibility`. kConflict: with every change
/// that cannot be, a line each.
Status CheckSuccessor(const Contract& previous, const Contract& next);

/// The fields of `previous`, retired ones included, whose columns `next` has no more: `next`'s
/// table keeps them.
std::vector<Field> RetiredFields(const Contract& previous, const Contract& next);

}  // namespace sluice::event
