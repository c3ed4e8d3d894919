#pragma once
/// \file
/// One field of a contract: its type, what it means, and the fields inside it.

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "sluice/event/privacy_rule.h"

namespace sluice::event {

/// What a field holds. docs/reference/schemas.md has the column of each.
enum class FieldType : uint8_t {
  kBool,
  kInt8,
  kInt16,
  kInt32,
  kInt64,
  kUInt8,
  kUInt16,
  kUInt32,
  kUInt64,
  kFloat32,
  kFloat64,
  kText,
  kData,       ///< Base64 text in JSON.
  kEnum,       ///< The enumerant's name in JSON and in the table.
  kTimestamp,  ///< `$Sl.timestamp`: in JSON as Field::unit says, in the table a moment.
  kDecimal,    ///< `$Sl.decimal`: a number, or a text that is one; never rounded.
  kUuid,       ///< `$Sl.uuid`: text in lower case.
  kStruct,     ///< A struct, group or named union: an object in JSON.
  kList,
  kVoid,   ///< An alternative that carries nothing: null in JSON, true in the table where chosen.
  kWhich,  ///< Not in JSON: the name of the alternative that an object's unnamed union has.
};

/// Returns the name as Cap'n Proto spells it, such as "Int64".
std::string_view ToString(FieldType type);

/// How a moment is written in JSON.
enum class TimeUnit : uint8_t {
  kRfc3339,  ///< Text with a zone.
  kSeconds,  ///< This and what follows: an integer, counted from 1970 in UTC.
  kMilliseconds,
  kMicroseconds,
  kNanoseconds,  ///< Cut to microseconds.
};

/// Returns the name as the annotation spells it, such as "milliseconds".
std::string_view ToString(TimeUnit unit);

/// One field of a contract, or of a struct or list in it.
struct Field {
  std::string name;  ///< As in events: `userId`.
  /// As in tables: `user_id`. The `$Sl.eventTime` field gets `event_time_sent` where its own name
  /// would collide with the envelope's `event_time`.
  std::string column;
  FieldType type = FieldType::kText;
  std::vector<std::string> enumerants;  ///< Of kEnum; of kWhich: the names of the alternatives.
  uint32_t id = 0;                      ///< The ordinal: stable through renames.
  PrivacyRule privacy;                  ///< Of a list: of its elements.
  std::string pii;       ///< `$Sl.pii("contact")`: the kind of personal data, empty if none.
  bool subject = false;  ///< `$Sl.subject`: names the person whom an erasure erases.

  std::vector<Field> children;  ///< Of kStruct: its fields. Of kList: one, the element.
  /// Whether it is an alternative of the unnamed union around it: at most one of them has a value.
  bool alternative = false;
  bool required = false;               ///< `$Sl.required`: absent and null are errors.
  TimeUnit unit = TimeUnit::kRfc3339;  ///< Of kTimestamp.
  uint8_t precision = 0;               ///< Of kDecimal: digits, 1 to 38.
  uint8_t scale = 0;                   ///< Of kDecimal: of these behind the point.
  /// Of kTimestamp and kDecimal: the type that the annotation stands on, which is what messages of
  /// Cap'n Proto hold.
  FieldType carrier = FieldType::kText;
  std::string default_json;  ///< JSON that an absent field stands for; empty: null.

  bool operator==(const Field&) const = default;
};

/// Ids of fields that have no ordinal of their own begin here: in Cap'n Proto their place among
/// their siblings plus this; in JSON Schema made of their name, from kNamed on.
inline constexpr uint32_t kUnnumbered = 1 << 16;
inline constexpr uint32_t kNamed = 1u << 31;

/// Where a field stands: its index among the fields of its contract, then those among the children
/// on the way down. The same indices lead to its Arrow column: child `i` of a struct is its field
/// `i`, child 0 of a list its values.
using FieldPath = std::vector<size_t>;

/// Returns the field at `path`, which must lead to one.
const Field& FieldAt(const std::vector<Field>& fields, const FieldPath& path);

/// Returns `path` as messages show it: `items[].price`.
std::string PathName(const std::vector<Field>& fields, const FieldPath& path);

/// The type of the field, or of a list's elements, however deep.
FieldType InnermostType(const Field& field);

/// Calls `visit` for every field, from the outside inward, in order.
void ForEachField(const std::vector<Field>& fields,
                  const std::function<void(const FieldPath&, const Field&)>& visit);

/// The type of the field's column as Delta tables name it: `long`, `decimal(20,0)`,
/// `array<struct<sku:string,count:integer>>`.
std::string ColumnTypeName(const Field& field);

}  // namespace sluice::event
