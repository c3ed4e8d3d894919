#include "sluice/event/internal/field_annotations.h"

#include <algorithm>
#include <array>

namespace sluice::event::internal {

namespace {

// What an annotation of the values says it says of a list's elements.
Field& Innermost(Field& field) {
  Field* inner = &field;
  while (inner->type == FieldType::kList) inner = &inner->children[0];
  return *inner;
}

bool IsInteger(FieldType type) { return type >= FieldType::kInt8 && type <= FieldType::kUInt64; }

// The annotations that make another type of a text or a number; at most one of them may stand.
class TypeReader {
 public:
  TypeReader(Place place, const std::string& path, Field& field, Problems& problems)
      : place_(place),
        path_(path),
        field_(Innermost(field)),
        declared_(field_.type),
        problems_(problems) {}

  bool Read(const Annotation& annotation) {
    if (annotation.name == "timestamp") {
      Timestamp(annotation);
    } else if (annotation.name == "decimal") {
      Decimal(annotation);
    } else if (annotation.name == "uuid") {
      if (Take("uuid", declared_ == FieldType::kText, "Text")) field_.type = FieldType::kUuid;
    } else {
      return false;
    }
    return true;
  }

 private:
  bool Take(std::string_view name, bool fits, std::string_view wanted) {
    if (field_.type != declared_) {
      problems_.Add(place_, schema_codes::kAnnotation,
                    "field '{}': {} and another annotation both say what its values are", path_,
                    name);
      return false;
    }
    if (!fits) {
      problems_.Add(place_, schema_codes::kAnnotation, "field '{}': {} is for {}, found {}", path_,
                    name, wanted, ToString(declared_));
    }
    return fits;
  }

  void Timestamp(const Annotation& annotation) {
    static constexpr std::array kUnits = {TimeUnit::kRfc3339, TimeUnit::kSeconds,
                                          TimeUnit::kMilliseconds, TimeUnit::kMicroseconds,
                                          TimeUnit::kNanoseconds};
    const auto found = std::ranges::find_if(
        kUnits, [&](TimeUnit unit) { return ToString(unit) == annotation.word; });
    if (found == kUnits.end()) return;
    const TimeUnit unit = *found;
    const bool fits = unit == TimeUnit::kRfc3339
                          ? declared_ == FieldType::kText
                          : declared_ == FieldType::kInt64 || declared_ == FieldType::kUInt64 ||
                                declared_ == FieldType::kInt32 || declared_ == FieldType::kUInt32;
    if (!Take("timestamp", fits, "Text as rfc3339, Int32, Int64, UInt32 and UInt64 otherwise")) {
      return;
    }
    field_.type = FieldType::kTimestamp;
    field_.unit = unit;
    field_.carrier = declared_;
  }

  void Decimal(const Annotation& annotation) {
    constexpr int64_t kPrecisionMax = 38;
    const int64_t precision = annotation.precision;
    const int64_t scale = annotation.scale;
    if (!Take("decimal", declared_ == FieldType::kText || declared_ == FieldType::kFloat64,
              "Text and Float64")) {
      return;
    }
    if (precision < 1 || precision > kPrecisionMax || scale < 0 || scale > precision) {
      problems_.Add(place_, schema_codes::kAnnotation,
                    "field '{}': decimal takes precision = 1 to 38 and scale = 0 to precision",
                    path_);
      return;
    }
    field_.type = FieldType::kDecimal;
    field_.precision = static_cast<uint8_t>(precision);
    field_.scale = static_cast<uint8_t>(scale);
    field_.carrier = declared_;
  }

  const Place place_;
  const std::string& path_;
  Field& field_;
  const FieldType declared_;
  Problems& problems_;
};

void CheckRoles(Roles roles, Place place, const std::string& path, const Field& field,
                Problems& problems) {
  if (roles.event_time && field.type != FieldType::kText && field.type != FieldType::kInt64 &&
      field.type != FieldType::kUInt64 && field.type != FieldType::kTimestamp) {
    problems.Add(place, schema_codes::kAnnotation,
                 "field '{}': the event time is Text (RFC 3339), Int64 or UInt64 (milliseconds "
                 "since 1970), or a timestamp; found {}",
                 path, ToString(field.type));
  } else if ((roles.id || roles.key) && !IsInteger(field.type) && field.type != FieldType::kText &&
             field.type != FieldType::kData && field.type != FieldType::kEnum &&
             field.type != FieldType::kUuid && field.type != FieldType::kTimestamp) {
    problems.Add(place, schema_codes::kAnnotation, "field '{}': {} cannot be id or key", path,
                 ToString(field.type));
  }
  if (roles.any() && field.privacy.action == PrivacyAction::kDrop) {
    problems.Add(place, schema_codes::kAnnotation,
                 "field '{}' is dropped, so it cannot be event time, id or key", path);
  } else if (roles.event_time && field.privacy.action != PrivacyAction::kNone) {
    problems.Add(place, schema_codes::kPrivacy,
                 "field '{}' is the event time, which every table has in clear; it takes no {}",
                 path, ToString(field.privacy.action));
  }
}

}  // namespace

Roles ReadAnnotations(const std::vector<Annotation>& annotations, Place place,
                      const std::string& path, Field& field, Problems& problems) {
  Roles roles;
  TypeReader types(place, path, field, problems);
  for (const Annotation& annotation : annotations) {
    if (annotation.name == "eventTime") {
      roles.event_time = true;
    } else if (annotation.name == "id") {
      roles.id = true;
    } else if (annotation.name == "key") {
      roles.key = true;
    } else if (annotation.name == "required") {
      field.required = true;
    } else if (annotation.name == "name" && annotation.own) {
      field.name = annotation.word;
    } else if (!IsPrivacy(annotation) && !types.Read(annotation)) {
      // Somebody may count on what an annotation promises, so none is passed over.
      problems.Add(place, schema_codes::kAnnotation,
                   "'{}' has an annotation that is not of sluice.capnp, or not for this place; if "
                   "it means one of these, declare it with $Sl.alias(\"hash\")",
                   path);
    }
  }
  ReadPrivacy(annotations, place, path, field, problems);
  CheckRoles(roles, place, path, field, problems);
  return roles;
}

}  // namespace sluice::event::internal
