#include "sluice/event/compatibility.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

namespace sluice::event {

namespace {

constexpr std::array<std::string_view, 4> kLevels = {"none", "backward", "forward", "full"};

const Field* FindByName(const std::vector<Field>& fields, std::string_view name) {
  const auto found =
      std::ranges::find_if(fields, [&](const Field& field) { return field.name == name; });
  return found == fields.end() ? nullptr : &*found;
}

const Field* FindByColumn(const std::vector<Field>& fields, std::string_view column) {
  const auto found =
      std::ranges::find_if(fields, [&](const Field& field) { return field.column == column; });
  return found == fields.end() ? nullptr : &*found;
}

// How a type reads in a message.
std::string TypeText(const Field& field) {
  switch (field.type) {
    case FieldType::kList:
      return fmt::format("List({})", TypeText(field.children.at(0)));
    case FieldType::kTimestamp:
      return fmt::format("Timestamp({})", ToString(field.unit));
    case FieldType::kDecimal:
      return fmt::format("Decimal({},{})", field.precision, field.scale);
    default:
      return std::string(ToString(field.type));
  }
}

bool IsInteger(FieldType type) { return type >= FieldType::kInt8 && type <= FieldType::kUInt64; }
bool IsUnsigned(FieldType type) { return type >= FieldType::kUInt8 && type <= FieldType::kUInt64; }

// Whether every JSON value of `from` is one of `to`, with the same meaning.
bool Reads(const Field& from, const Field& to) {
  if (from.type == to.type) {
    return from.type != FieldType::kTimestamp || from.unit == to.unit;
  }
  const FieldType to_type = to.type;
  if (IsInteger(from.type) && IsInteger(to_type)) {
    const auto bits = [](FieldType type) {
      const int first = static_cast<int>(IsUnsigned(type) ? FieldType::kUInt8 : FieldType::kInt8);
      return 8 << (static_cast<int>(type) - first);
    };
    if (IsUnsigned(from.type) == IsUnsigned(to_type)) return bits(from.type) <= bits(to_type);
    return IsUnsigned(from.type) && bits(from.type) < bits(to_type);
  }
  const bool text = from.type == FieldType::kEnum || from.type == FieldType::kUuid ||
                    from.type == FieldType::kData;
  return text && to_type == FieldType::kText;
}

class Comparison {
 public:
  Comparison(const Contract& previous, const Contract& next) : previous_(previous), next_(next) {}

  std::vector<Change> Run() {
    CompareWholes();
    CompareFields(previous_.fields, next_.fields, "", /*nested=*/false);
    for (const Field& field : next_.fields) {
      const Field* retired = FindByColumn(previous_.retired, field.column);
      if (retired != nullptr && ColumnTypeName(*retired) != ColumnTypeName(field)) {
        Add(field.name, fmt::format("column '{}' again, as {}", field.column, TypeText(field)),
            fmt::format("stored rows have it as {}; give the field another name",
                        ColumnTypeName(*retired)),
            {.stored = true});
      }
    }
    return std::move(changes_);
  }

 private:
  void Add(std::string path, std::string what, std::string why = {}, Change::Breaks breaks = {}) {
    changes_.push_back({std::move(path), std::move(what), std::move(why), breaks});
  }

  void CompareWholes() {
    if (previous_.topic != next_.topic || previous_.table != next_.table) {
      Add("", fmt::format("topic '{}' became '{}'", previous_.topic, next_.topic),
          "a topic keeps its name and its table", {.stored = true});
    }
    if (previous_.schemaless != next_.schemaless) {
      Add("", next_.schemaless ? "the schema went" : "a schema came",
          "rows with and without a schema cannot share a table", {.stored = true});
    }
    // Both are decided outside of the schema, or follow from its privacy: whoever changes them
    // knows.
    if (previous_.unknown != next_.unknown) Add("", "another way with unknown fields");
    if (previous_.identity.by_producer != next_.identity.by_producer ||
        previous_.identity.by_batch != next_.identity.by_batch) {
      Add("", "another identity by producer or batch");
    }
    const auto name = [](const Contract& contract, const std::optional<size_t>& index) {
      return index ? contract.fields[*index].name : std::string("none");
    };
    const auto role = [&](const std::optional<size_t>& before, const std::optional<size_t>& after,
                          std::string_view what, std::string_view why, bool breaks) {
      const std::string from = name(previous_, before);
      const std::string to = name(next_, after);
      if (from == to) return;
      Add("", fmt::format("the {} was {}, and is {}", what, from, to),
          std::string(breaks ? why : ""), {.backward = breaks, .forward = breaks});
    };
    role(previous_.identity.id_field, next_.identity.id_field, "id",
         "events that were kept would not be recognised when they are sent again", true);
    role(previous_.event_time_field, next_.event_time_field, "event time",
         "events without it would be errors, and rows of one day would lie under two dates", true);
    role(previous_.key_field, next_.key_field, "key", "", false);
  }

  // `nested`: the fields stand inside a column. It may get more of them; none may go, as what went
  // could not be told from what a table's other writers added.
  void CompareFields(const std::vector<Field>& before, const std::vector<Field>& after,
                     const std::string& prefix, bool nested) {
    for (const Field& field : after) {
      const Field* old = FindByName(before, field.name);
      if (old == nullptr) {
        AddedField(before, after, field, prefix + field.name, nested);
      } else {
        CompareField(*old, field, prefix + field.name);
      }
    }
    for (const Field& field : before) {
      if (FindByName(after, field.name) == nullptr)
        RemovedField(after, field, prefix + field.name, nested);
    }
  }

  void AddedField(const std::vector<Field>& before, const std::vector<Field>& after,
                  const Field& field, const std::string& path, bool nested) {
    const auto renamed = std::ranges::find_if(before, [&](const Field& old) {
      return old.id == field.id && FindByName(after, old.name) == nullptr;
    });
    const bool unknown = previous_.unknown == UnknownFields::kError;
    if (renamed != before.end()) {
      return Add(
          path, fmt::format("was '{}' (ordinal {})", renamed->name, field.id),
          fmt::format("producers that send '{}' would lose it; keep that field, and add this "
                      "one with a new ordinal",
                      renamed->name),
          {.stored = nested, .backward = true, .forward = true});
    }
    if (field.required) {
      return Add(path, fmt::format("added as {}, required", TypeText(field)),
                 "events of the version before do not have it; let it have a default",
                 {.backward = true, .forward = unknown});
    }
    Add(path, fmt::format("added as {}", TypeText(field)),
        unknown ? "the version before takes unknown fields for errors" : "", {.forward = unknown});
  }

  void RemovedField(const std::vector<Field>& after, const Field& field, const std::string& path,
                    bool nested) {
    if (nested) {
      return Add(path, "removed from inside a column",
                 "stored structs keep their fields; keep it, and stop sending it",
                 {.stored = true});
    }
    const bool renamed = std::ranges::any_of(after, [&](const Field& other) {
      return other.id == field.id && FindByName(previous_.fields, other.name) == nullptr;
    });
    if (renamed) return;  // Told with its new name.
    const bool unknown = next_.unknown == UnknownFields::kError;
    std::string why;
    if (unknown) why = "events that still have it would be errors; keep it, and stop sending it";
    if (field.required) why = "the version before requires it";
    Add(path, "removed; its column stays", why, {.backward = unknown, .forward = field.required});
  }

  void CompareField(const Field& old, const Field& field, const std::string& path) {
    if (old.id != field.id && old.id < kUnnumbered) {
      Add(path, fmt::format("ordinal @{} became @{}", old.id, field.id),
          "messages of the version before would be read as other fields; give the ordinal back",
          {.backward = true, .forward = true});
    }
    if (old.alternative != field.alternative) {
      Add(path, field.alternative ? "became an alternative of a union" : "left its union",
          "events may have it beside other alternatives",
          {.backward = field.alternative, .forward = old.alternative});
    }
    CompareTypes(old, field, path);
    ComparePrivacy(old, field, path);
    if (old.required != field.required) {
      Add(path, field.required ? "became required" : "is no more required",
          field.required ? "events of the version before may lack it"
                         : "the version before requires it",
          {.backward = field.required, .forward = old.required});
    }
    if (old.default_json != field.default_json) Add(path, "another default");
  }

  void CompareTypes(const Field& old, const Field& field, const std::string& path) {
    if (old.column != field.column) {
      return Add(path, fmt::format("column '{}' became '{}'", old.column, field.column),
                 "stored rows have it under that name; give it back", {.stored = true});
    }
    const bool both_structs = old.type == FieldType::kStruct && field.type == FieldType::kStruct;
    const bool both_lists = old.type == FieldType::kList && field.type == FieldType::kList;
    if (both_structs) return CompareFields(old.children, field.children, path + ".", true);
    if (both_lists) {
      return CompareTypes(old.children.at(0), field.children.at(0), path + "[]");
    }
    if (ColumnTypeName(old) != ColumnTypeName(field)) {
      return Add(path, fmt::format("{} became {}", TypeText(old), TypeText(field)),
                 fmt::format("stored rows have a column of {}; add a field with another name",
                             ColumnTypeName(old)),
                 {.stored = true});
    }
    if (TypeText(old) != TypeText(field)) {
      const bool forward = Reads(field, old);
      const bool backward = Reads(old, field);
      std::string why;
      if (!backward) {
        why = fmt::format("not every {} is a {}; add a field with another name", TypeText(old),
                          TypeText(field));
      } else if (!forward) {
        why = fmt::format("not every {} is a {}", TypeText(field), TypeText(old));
      }
      return Add(path, fmt::format("{} became {}", TypeText(old), TypeText(field)), std::move(why),
                 {.backward = !backward, .forward = !forward});
    }
    if (field.type == FieldType::kEnum) CompareEnumerants(old, field, path);
  }

  void CompareEnumerants(const Field& old, const Field& field, const std::string& path) {
    const auto lacks = [](const std::vector<std::string>& names, const std::string& name) {
      return std::ranges::find(names, name) == names.end();
    };
    for (const std::string& name : field.enumerants) {
      if (lacks(old.enumerants, name)) {
        Add(path, fmt::format("enumerant '{}' added", name), "the version before does not know it",
            {.forward = true});
      }
    }
    for (const std::string& name : old.enumerants) {
      if (lacks(field.enumerants, name)) {
        Add(path, fmt::format("enumerant '{}' removed", name),
            "events of the version before may have it; keep it", {.backward = true});
      }
    }
  }

  void ComparePrivacy(const Field& old, const Field& field, const std::string& path) {
    const auto loosens = [&](std::string what, std::string_view why) {
      Add(path, std::move(what), std::string(why) + "; add a field with another name",
          {.privacy = true});
    };
    if (old.privacy != field.privacy) {
      std::string what =
          fmt::format("privacy: {} became {}", ToString(old.privacy), ToString(field.privacy));
      const Status tighter = CheckTightening(old.privacy, field.privacy);
      const bool drops = field.privacy.action == PrivacyAction::kDrop;
      if (!tighter.ok()) {
        loosens(std::move(what), tighter.error().message());
      } else if (MakesText(field.privacy.action) != MakesText(old.privacy.action) && !drops &&
                 ColumnTypeName(old) != "string") {
        Add(path, std::move(what),
            fmt::format("it would make text of a column of {}; add a field with another name",
                        ColumnTypeName(old)),
            {.stored = true});
      } else {
        Add(path, std::move(what));
      }
    }
    if (!old.pii.empty() && field.pii.empty()) {
      loosens("is no more marked as personal data", "whom it is about was promised more");
    } else if (old.pii != field.pii) {
      Add(path, fmt::format("personal data of kind '{}'", field.pii));
    }
    if (old.subject && !field.subject) {
      loosens("names no person any more", "an erasure would not find the row");
    } else if (old.subject != field.subject) {
      Add(path, "names the person whom an erasure erases");
    }
  }

  const Contract& previous_;
  const Contract& next_;
  std::vector<Change> changes_;
};

}  // namespace

std::optional<Compatibility> ParseCompatibility(std::string_view name) {
  const auto found = std::ranges::find(kLevels, name);
  if (found == kLevels.end()) return std::nullopt;
  return static_cast<Compatibility>(found - kLevels.begin());
}

std::string_view ToString(Compatibility level) { return kLevels.at(static_cast<size_t>(level)); }

std::vector<Change> Compare(const Contract& previous, const Contract& next) {
  return Comparison(previous, next).Run();
}

bool Allows(Compatibility level, const Change& change) {
  if (change.breaks.stored || change.breaks.privacy) return false;
  if (level == Compatibility::kNone) return true;
  const bool backward = level != Compatibility::kForward;
  const bool forward = level != Compatibility::kBackward;
  return !(backward && change.breaks.backward) && !(forward && change.breaks.forward);
}

Status CheckSuccessor(const Contract& previous, const Contract& next) {
  std::string refused;
  for (const Change& change : Compare(previous, next)) {
    if (Allows(next.compatibility, change)) continue;
    refused += fmt::format("\n{}{}: {}",
                           change.path.empty() ? "" : "field '" + change.path + "': ", change.what,
                           change.why);
  }
  if (refused.empty()) return {};
  return Conflict("the new schema cannot follow version {} (compatibility: {}):{}",
                  previous.version, ToString(next.compatibility), refused);
}

std::vector<Field> RetiredFields(const Contract& previous, const Contract& next) {
  std::vector<Field> retired;
  for (const std::vector<Field>* fields : {&previous.fields, &previous.retired}) {
    for (const Field& field : *fields) {
      if (FindByColumn(next.fields, field.column) == nullptr &&
          FindByColumn(retired, field.column) == nullptr) {
        retired.push_back(field);
      }
    }
  }
  return retired;
}

}  // namespace sluice::event
