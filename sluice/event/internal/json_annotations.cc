#include "sluice/event/internal/json_annotations.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <string_view>

#include "sluice/base/diagnostic.h"

namespace sluice::event::internal {

namespace {

constexpr std::array<std::string_view, 8> kFlags = {"eventTime", "id",       "key",     "subject",
                                                    "uuid",      "tokenize", "encrypt", "drop"};
constexpr std::array<std::string_view, 6> kWords = {"pii",        "hash",      "unkeyed",
                                                    "generalise", "joinGroup", "timestamp"};
constexpr std::array<std::string_view, 5> kOthers = {"mask", "decimal", "normalise", "ordinal",
                                                     "column"};
constexpr std::array<std::string_view, 2> kDigests = {"hmacSha256", "sha256"};
constexpr std::array<std::string_view, 5> kUnits = {"rfc3339", "seconds", "milliseconds",
                                                    "microseconds", "nanoseconds"};
constexpr std::array<std::string_view, 2> kNormals = {"trim", "lower"};

template <size_t N>
const std::string_view* FindIn(const std::array<std::string_view, N>& names,
                               std::string_view name) {
  const auto* const found = std::ranges::find(names, name);
  return found == names.end() ? nullptr : found;
}

template <size_t N>
std::string ListOf(const std::array<std::string_view, N>& names) {
  return fmt::format("\"{}\"", fmt::join(names, "\", \""));
}

std::optional<int64_t> IntegerOf(const JsonNode& node, int64_t maximum) {
  int64_t number = 0;
  const char* const end = node.text.data() + node.text.size();
  if (node.kind != JsonNode::Kind::kNumber) return std::nullopt;
  const auto [stop, error] = std::from_chars(node.text.data(), end, number);
  if (error != std::errc() || stop != end || number < 0 || number > maximum) return std::nullopt;
  return number;
}

bool IsColumn(std::string_view text) {
  const auto small = [](char c) { return (c >= 'a' && c <= 'z') || c == '_'; };
  return !text.empty() && text.size() <= 128 && small(text[0]) &&
         std::ranges::all_of(text, [&](char c) { return small(c) || (c >= '0' && c <= '9'); });
}

// Reads the annotations of one field.
class NotesReader {
 public:
  NotesReader(Place place, const std::string& path, FieldNotes& notes, Problems& problems)
      : place_(place), path_(path), notes_(notes), problems_(problems) {}

  void Read(const JsonMember& member) {
    const JsonNode& value = member.value;
    if (const auto* flag = FindIn(kFlags, member.name)) {
      if (value.kind != JsonNode::Kind::kBool) return Refuse(*flag, "true", value);
      if (value.truth) notes_.annotations.push_back({.name = *flag});
    } else if (const auto* word = FindIn(kWords, member.name)) {
      Word(*word, value);
    } else if (member.name == "mask") {
      const auto kept = IntegerOf(value, 255);
      if (!kept) return Refuse("mask", "a number from 0 to 255", value);
      notes_.annotations.push_back({.name = "mask", .number = *kept});
    } else if (member.name == "decimal") {
      Decimal(value);
    } else if (member.name == "normalise") {
      Normalise(value);
    } else if (member.name == "ordinal") {
      const auto ordinal = IntegerOf(value, kUnnumbered - 1);
      if (!ordinal) return Refuse("ordinal", "a number from 0 to 65535", value);
      notes_.ordinal = static_cast<uint32_t>(*ordinal);
    } else if (member.name == "column") {
      if (!IsColumn(value.text)) return Refuse("column", "small letters, digits and '_'", value);
      notes_.column = value.text;
    } else {
      Unknown(member.name);
    }
  }

 private:
  void Word(std::string_view name, const JsonNode& value) {
    if (value.kind != JsonNode::Kind::kString) return Refuse(name, "a string", value);
    if (name == "hash" && FindIn(kDigests, value.text) == nullptr) {
      return Refuse(name, ListOf(kDigests), value);
    }
    if (name == "timestamp" && FindIn(kUnits, value.text) == nullptr) {
      return Refuse(name, ListOf(kUnits), value);
    }
    notes_.annotations.push_back({.name = name, .word = value.text});
  }

  void Decimal(const JsonNode& value) {
    constexpr std::string_view kForm = "{\"precision\": 1 to 38, \"scale\": 0 to precision}";
    Annotation decimal{.name = "decimal"};
    if (value.kind != JsonNode::Kind::kObject) return Refuse("decimal", kForm, value);
    for (const JsonMember& member : value.members) {
      const auto digits = IntegerOf(member.value, 255);
      if (!digits || (member.name != "precision" && member.name != "scale")) {
        return Refuse("decimal", kForm, value);
      }
      (member.name == "scale" ? decimal.scale : decimal.precision) = *digits;
    }
    notes_.annotations.push_back(std::move(decimal));
  }

  void Normalise(const JsonNode& value) {
    Annotation normalise{.name = "normalise"};
    for (const JsonNode& item : value.items) {
      if (FindIn(kNormals, item.text) == nullptr) break;
      normalise.words.push_back(item.text);
    }
    if (value.items.empty() || normalise.words.size() != value.items.size()) {
      return Refuse("normalise", fmt::format("a list of {}", ListOf(kNormals)), value);
    }
    notes_.annotations.push_back(std::move(normalise));
  }

  void Refuse(std::string_view name, std::string_view wanted, const JsonNode& found) {
    problems_.Add(
        place_, schema_codes::kAnnotation, "field '{}': {} takes {}, found {}", path_, name, wanted,
        found.kind == JsonNode::Kind::kString && !found.text.empty() ? "another word"
                                                                     : ToString(found.kind));
  }

  void Unknown(std::string_view name) {
    std::vector<std::string_view> names(kFlags.begin(), kFlags.end());
    names.insert(names.end(), kWords.begin(), kWords.end());
    names.insert(names.end(), kOthers.begin(), kOthers.end());
    const auto closest = Closest(name, names);
    problems_.Add(place_, schema_codes::kAnnotation, "field '{}': x-sluice has no '{}'{}", path_,
                  name, closest ? fmt::format("; did you mean '{}'?", *closest) : "");
  }

  const Place place_;
  const std::string& path_;
  FieldNotes& notes_;
  Problems& problems_;
};

}  // namespace

void ReadFieldNotes(const JsonNode& node, Place place, const std::string& path, FieldNotes& notes,
                    Problems& problems) {
  if (node.kind != JsonNode::Kind::kObject) {
    problems.Add(place, schema_codes::kAnnotation, "field '{}': x-sluice is an object, found {}",
                 path, ToString(node.kind));
    return;
  }
  NotesReader reader(place, path, notes, problems);
  for (const JsonMember& member : node.members) reader.Read(member);
}

EventNotes ReadEventNotes(const JsonNode& node, Problems& problems) {
  static const std::vector<std::string_view> kNames = {"event", "retain", "unchecked"};
  EventNotes notes;
  if (node.kind != JsonNode::Kind::kObject) {
    problems.Add(node.place, schema_codes::kAnnotation, "x-sluice is an object, found {}",
                 ToString(node.kind));
    return notes;
  }
  const auto refuse = [&](const JsonMember& member, std::string_view wanted) {
    problems.Add(member.value.place, schema_codes::kAnnotation, "{} takes {}, found {}",
                 member.name, wanted, ToString(member.value.kind));
  };
  for (const JsonMember& member : node.members) {
    const bool text = member.value.kind == JsonNode::Kind::kString;
    if (member.name == "event" || member.name == "retain") {
      if (!text) {
        refuse(member, "a string");
      } else if (member.name == "event") {
        notes.topic = member.value.text;
      } else {
        notes.retain = member.value.text;
      }
    } else if (member.name == "unchecked") {
      for (const JsonNode& item : member.value.items) notes.unchecked.push_back(item.text);
      if (member.value.kind != JsonNode::Kind::kArray) refuse(member, "a list of keywords");
    } else {
      const auto closest = Closest(member.name, kNames);
      problems.Add(member.place, schema_codes::kAnnotation, "x-sluice of an event has no '{}'{}",
                   member.name, closest ? fmt::format("; did you mean '{}'?", *closest) : "");
    }
  }
  return notes;
}

}  // namespace sluice::event::internal
