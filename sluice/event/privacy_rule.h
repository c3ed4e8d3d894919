#pragma once
/// \file
/// What happens to a field's values before they are stored.

#include <cstdint>
#include <string>
#include <string_view>

#include "sluice/base/error.h"

namespace sluice::event {

enum class FieldType : uint8_t;

/// The kinds of rules. What each writes: sluice/privacy/protect.h.
enum class PrivacyAction : uint8_t {
  kNone,
  kHash,        ///< `$Sl.hash`: a keyed hash; equal values stay equal, nobody gets them back.
  kTokenize,    ///< `$Sl.tokenize`: deterministic encryption; those allowed get the value back.
  kEncrypt,     ///< `$Sl.encrypt`: under a key of the event's subject; gone when that key is.
  kMask,        ///< `$Sl.mask(n)`: all but the last n characters become '*'.
  kGeneralise,  ///< `$Sl.generalise("month")`: a coarser value.
  kDrop,        ///< `$Sl.drop`: the column is always null; the value is kept nowhere.
};

/// Returns the name as the annotation spells it, such as "tokenize"; "none" for kNone.
std::string_view ToString(PrivacyAction action);

/// How a field's values are protected.
struct PrivacyRule {
  PrivacyAction action = PrivacyAction::kNone;
  /// Of kHash and kTokenize: fields of one group map equal values to equal ones. Empty: the field
  /// stands alone.
  std::string join_group = {};
  bool trim = false;         ///< Of kHash and kTokenize: ASCII white space around the value goes.
  bool lower = false;        ///< Of kHash and kTokenize: ASCII letters become small.
  std::string unkeyed = {};  ///< Of kHash: the reason for plain SHA-256 instead of a keyed hash.
  uint8_t keep = 0;          ///< Of kMask: how many characters at the end stay.
  std::string to = {};       ///< Of kGeneralise: as ParseGeneralisation() takes it.

  bool operator==(const PrivacyRule&) const = default;
};

/// The rule as one line of words, and back: `hash group=user trim lower`. The same rule has always
/// the same text. `unkeyed` is a word; its reason is not part of the line ("unstated" after
/// reading).
/// kInvalid: not such a line.
std::string ToString(const PrivacyRule& rule);
Result<PrivacyRule> ParsePrivacyRule(std::string_view text);

/// What `$Sl.generalise` makes of a value.
struct Generalisation {
  enum class Kind : uint8_t {
    kTime,     ///< `hour`, `day`, `month`, `year`: the beginning of it, in UTC.
    kBin,      ///< `10`: the largest multiple that is not above the number.
    kNetwork,  ///< `/24` or `/24,/48`: the IPv4 (and IPv6; /48 if not said) network.
    kPrefix,   ///< `prefix 3`: the first characters.
  };
  enum class Unit : uint8_t { kHour, kDay, kMonth, kYear };
  Kind kind = Kind::kTime;
  Unit unit = Unit::kDay;
  double width = 1;    ///< Of kBin; above 0.
  int bits4 = 24;      ///< Of kNetwork: 0..32.
  int bits6 = 48;      ///< Of kNetwork: 0..128.
  int characters = 1;  ///< Of kPrefix: 1..64.
};
Result<Generalisation> ParseGeneralisation(std::string_view text);

/// Whether values of the type can be protected like this. kInvalid: saying why not.
Status CheckRule(const PrivacyRule& rule, FieldType type);

/// Whether the rule makes text of values of any type.
bool MakesText(PrivacyAction action);

/// Whether rows stored under `from` may be followed by rows under `to`: the same rule, or one that
/// tells less. kConflict: saying what would be looser, or no longer join.
Status CheckTightening(const PrivacyRule& from, const PrivacyRule& to);

}  // namespace sluice::event
