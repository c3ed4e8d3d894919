#include "sluice/event/privacy_rule.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <optional>
#include <vector>

#include "sluice/event/contract.h"

namespace sluice::event {

namespace {

constexpr std::array<std::string_view, 7> kActionNames = {
    "none", "hash", "tokenize", "encrypt", "mask", "generalise", "drop"};
constexpr std::array<std::string_view, 4> kUnitNames = {"hour", "day", "month", "year"};
constexpr size_t kGroupMax = 64;

std::vector<std::string_view> Words(std::string_view text) {
  std::vector<std::string_view> words;
  while (!text.empty()) {
    const size_t space = text.find(' ');
    if (space != 0) words.push_back(text.substr(0, space));
    text.remove_prefix(space == text.npos ? text.size() : space + 1);
  }
  return words;
}

template <typename Number>
std::optional<Number> ToNumber(std::string_view text) {
  Number number{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return number;
}

bool IsGroup(std::string_view text) {
  return !text.empty() && text.size() <= kGroupMax &&
         std::all_of(text.begin(), text.end(), [](char c) {
           return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                  c == '.' || c == '_' || c == '-';
         });
}

bool IsInteger(FieldType type) { return type >= FieldType::kInt8 && type <= FieldType::kUInt64; }
// Types whose values have one text each, so that they are equal or not.
bool HasText(FieldType type) {
  return type == FieldType::kBool || IsInteger(type) || type == FieldType::kText ||
         type == FieldType::kData || type == FieldType::kEnum || type == FieldType::kDecimal ||
         type == FieldType::kUuid;
}
bool IsFloat(FieldType type) { return type == FieldType::kFloat32 || type == FieldType::kFloat64; }

// How little a stored value tells; what is equally strict may still be another thing.
int Strictness(const PrivacyRule& rule) {
  switch (rule.action) {
    case PrivacyAction::kNone:
      return 0;
    case PrivacyAction::kMask:
    case PrivacyAction::kGeneralise:
      return 1;
    case PrivacyAction::kTokenize:
    case PrivacyAction::kEncrypt:
      return 2;
    case PrivacyAction::kHash:
      return rule.unkeyed.empty() ? 4 : 3;
    case PrivacyAction::kDrop:
      return 5;
  }
  return 0;
}

}  // namespace

std::string_view ToString(PrivacyAction action) {
  return kActionNames.at(static_cast<size_t>(action));
}

std::string ToString(const PrivacyRule& rule) {
  std::string text(ToString(rule.action));
  if (!rule.join_group.empty()) text += " group=" + rule.join_group;
  if (rule.trim) text += " trim";
  if (rule.lower) text += " lower";
  if (!rule.unkeyed.empty()) text += " unkeyed";
  if (rule.action == PrivacyAction::kMask) text += fmt::format(" keep={}", rule.keep);
  if (!rule.to.empty()) {
    std::string to = rule.to;
    std::replace(to.begin(), to.end(), ' ', '_');
    text += " to=" + to;
  }
  return text;
}

Result<PrivacyRule> ParsePrivacyRule(std::string_view text) {
  const std::vector<std::string_view> words = Words(text);
  PrivacyRule rule;
  const auto name =
      std::find(kActionNames.begin(), kActionNames.end(), words.empty() ? "" : words[0]);
  if (name == kActionNames.end()) {
    return Invalid("expected hash, tokenize, encrypt, mask, generalise, drop or none");
  }
  rule.action = static_cast<PrivacyAction>(name - kActionNames.begin());
  for (size_t i = 1; i < words.size(); ++i) {
    const std::string_view word = words[i];
    if (word == "trim") {
      rule.trim = true;
    } else if (word == "lower") {
      rule.lower = true;
    } else if (word == "unkeyed") {
      rule.unkeyed = "unstated";
    } else if (word.starts_with("group=") && IsGroup(word.substr(6))) {
      rule.join_group = word.substr(6);
    } else if (const auto keep = ToNumber<uint8_t>(word.substr(std::min<size_t>(5, word.size())));
               word.starts_with("keep=") && keep) {
      rule.keep = *keep;
    } else if (word.starts_with("to=")) {
      rule.to = word.substr(3);
      std::replace(rule.to.begin(), rule.to.end(), '_', ' ');
    } else {
      return Invalid("word {} is none of trim, lower, unkeyed, group=NAME, keep=N and to=WHAT",
                     i + 1);
    }
  }
  return rule;
}

Result<Generalisation> ParseGeneralisation(std::string_view text) {
  Generalisation made;
  if (const auto unit = std::find(kUnitNames.begin(), kUnitNames.end(), text);
      unit != kUnitNames.end()) {
    made.kind = Generalisation::Kind::kTime;
    made.unit = static_cast<Generalisation::Unit>(unit - kUnitNames.begin());
    return made;
  }
  if (text.starts_with("prefix ")) {
    made.kind = Generalisation::Kind::kPrefix;
    if (const auto count = ToNumber<int>(text.substr(7)); count && *count >= 1 && *count <= 64) {
      made.characters = *count;
      return made;
    }
  } else if (text.starts_with('/')) {
    made.kind = Generalisation::Kind::kNetwork;
    const size_t comma = text.find(',');
    const auto four = ToNumber<int>(text.substr(1, comma == text.npos ? text.npos : comma - 1));
    std::optional<int> six = made.bits6;
    if (comma != text.npos) {
      const std::string_view rest = text.substr(comma + 1);
      six = rest.starts_with('/') ? ToNumber<int>(rest.substr(1)) : std::nullopt;
    }
    if (four && six && *four >= 0 && *four <= 32 && *six >= 0 && *six <= 128) {
      made.bits4 = *four;
      made.bits6 = *six;
      return made;
    }
  } else if (const auto width = ToNumber<double>(text); width && *width > 0 && *width < 1e15) {
    made.kind = Generalisation::Kind::kBin;
    made.width = *width;
    return made;
  }
  return Invalid(
      "generalise takes hour, day, month, year, a width such as \"10\", a network such as "
      "\"/24,/48\", or \"prefix 3\"");
}

Status CheckRule(const PrivacyRule& rule, FieldType type) {
  const bool joins = rule.action == PrivacyAction::kHash || rule.action == PrivacyAction::kTokenize;
  if (!rule.join_group.empty() && (!joins || !rule.unkeyed.empty())) {
    return Invalid("joinGroup stands only beside a keyed hash or tokenize");
  }
  if (!rule.join_group.empty() && !IsGroup(rule.join_group)) {
    return Invalid("joinGroup takes at most {} letters, digits, '.', '_' and '-'", kGroupMax);
  }
  if ((rule.trim || rule.lower) && !joins) {
    return Invalid("normalise stands only beside hash or tokenize");
  }
  if ((rule.trim || rule.lower) && type != FieldType::kText) {
    return Invalid("normalise needs Text, found {}", ToString(type));
  }
  switch (rule.action) {
    case PrivacyAction::kNone:
    case PrivacyAction::kDrop:
      return {};
    case PrivacyAction::kHash:
    case PrivacyAction::kTokenize:
    case PrivacyAction::kEncrypt:
      if (!HasText(type)) {
        return Invalid(
            "{} needs a text, integer, decimal, enum or bytes, found {}; use generalise or drop",
            ToString(rule.action), ToString(type));
      }
      return {};
    case PrivacyAction::kMask:
      if (type != FieldType::kText) return Invalid("mask needs Text, found {}", ToString(type));
      return {};
    case PrivacyAction::kGeneralise:
      break;
  }
  SLUICE_ASSIGN_OR_RETURN(const Generalisation to, ParseGeneralisation(rule.to));
  const bool whole = to.width == static_cast<double>(static_cast<int64_t>(to.width));
  switch (to.kind) {
    case Generalisation::Kind::kTime:
      if (type == FieldType::kText || type == FieldType::kInt64 || type == FieldType::kTimestamp) {
        return {};
      }
      return Invalid(
          "a time is Text (RFC 3339), Int64 (milliseconds since 1970) or has "
          "$Sl.timestamp, found {}",
          ToString(type));
    case Generalisation::Kind::kBin:
      if (IsFloat(type) || (IsInteger(type) && type != FieldType::kUInt64 && whole)) return {};
      return Invalid("a width of {} does not fit {}", rule.to, ToString(type));
    case Generalisation::Kind::kNetwork:
    case Generalisation::Kind::kPrefix:
      if (type == FieldType::kText) return {};
      return Invalid("generalise(\"{}\") needs Text, found {}", rule.to, ToString(type));
  }
  return {};
}

bool MakesText(PrivacyAction action) {
  return action == PrivacyAction::kHash || action == PrivacyAction::kTokenize ||
         action == PrivacyAction::kEncrypt || action == PrivacyAction::kMask;
}

Status CheckTightening(const PrivacyRule& from, const PrivacyRule& to) {
  const int before = Strictness(from);
  const int after = Strictness(to);
  if (after > before) return {};
  if (after < before) {
    return Conflict(
        "{} cannot become {}: stored rows were promised the stricter rule; use a new field",
        ToString(from.action), ToString(to.action));
  }
  if (from.action != to.action || from.keep != to.keep || from.to != to.to) {
    return Conflict("'{}' cannot become '{}': stored rows cannot follow", ToString(from),
                    ToString(to));
  }
  if (from.join_group != to.join_group || from.trim != to.trim || from.lower != to.lower) {
    return Conflict(
        "the join group and normalisation cannot change: stored rows would join no more");
  }
  return {};
}

}  // namespace sluice::event
