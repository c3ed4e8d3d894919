#pragma once
/// \file
/// The contract of a topic: which fields its events have, and what they mean.

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "sluice/base/error.h"
#include "sluice/event/field.h"

namespace sluice::event {

/// What to do with members of an event that the contract does not name.
enum class UnknownFields : uint8_t {
  kKeep,    ///< Kept as JSON in the column `_extra`.
  kError,   ///< The event is an error row.
  kIgnore,  ///< Dropped.
};

/// What identifies an event, for dedupe: the first of these that the event has. The envelope's
/// `event_id` always counts, behind `id_field`.
struct IdentityRules {
  std::optional<size_t> id_field;  ///< Index into fields: `$Sl.id`.
  bool by_producer = false;        ///< (producer, epoch, sequence) of the envelope counts.
  bool by_batch = false;  ///< (client, batch, row) of the request counts, before all others.

  bool operator==(const IdentityRules&) const = default;
};

/// Which producers a next version of a contract must not break (compatibility.h).
enum class Compatibility : uint8_t {
  kNone,      ///< Stored rows alone count.
  kBackward,  ///< Events of the version before are taken as they were.
  kForward,   ///< Events of the new version could be taken by the version before.
  kFull,      ///< Both.
};

/// The contract of one topic, at one version.
///
/// Immutable once made.
struct Contract {
  std::string topic;  ///< `shop.user-events`
  std::string table;  ///< `shop_user_events`, in schema bronze
  int32_t version = 1;
  /// Without a schema, rows are (id, data): declared `schema: none`.
  bool schemaless = false;
  std::vector<Field> fields;
  std::optional<size_t> event_time_field;
  std::optional<size_t> key_field;
  IdentityRules identity;
  UnknownFields unknown = UnknownFields::kKeep;
  Compatibility compatibility = Compatibility::kBackward;
  /// Of versions before: not in events any more, but still columns of the table.
  std::vector<Field> retired;
  std::string retain;  ///< `$Sl.retain("400d")`, empty if none.
  std::string source;  ///< The schema's text, as given.

  bool operator==(const Contract&) const = default;
};

/// Whether a field is annotated pii, or has a privacy action. What such a topic's events hold
/// beside their fields may be as private as these, and is sealed.
bool IsSensitive(const Contract& contract);

/// The group whose values of equal content are stored as equal ones: the field's own
/// `$Sl.joinGroup`, else one that no other field has, made of topic and ordinals.
std::string JoinGroup(const Contract& contract, const FieldPath& path);

/// A schema text by its file name, such as {"flights.capnp", "@0x..; struct .."}.
using SchemaFiles = std::map<std::string, std::string>;

/// Compiles the file `name` of `files`: CompileCapnp() or CompileJsonSchema(), by its ending.
/// kInvalid also: it ends with neither `.capnp` nor `.json`.
Result<std::vector<Contract>> CompileSchema(const SchemaFiles& files, std::string_view name);
/// Whether CompileSchema() takes files of that name.
bool IsSchemaFile(std::string_view name);

/// The same for JSON Schema (draft 2020-12): one contract, of a root with `x-sluice: {"event":
/// "topic"}`; none without. Fields stand in the order of the text. `$ref` reaches into other files.
///
/// kUnsupported also: a keyword that a contract cannot hold. Nothing that a schema promises is
/// passed over; docs/reference/schemas.md has what is taken.
Result<std::vector<Contract>> CompileJsonSchema(const SchemaFiles& files, std::string_view name);

/// Compiles the Cap'n Proto file `name` of `files` and returns one contract for each struct
/// annotated
/// `$Sl.event`. "sluice.capnp" (BuiltinSchema()) can be imported from anywhere.
///
/// Fields stand in the order of their ordinals.
///
/// kInvalid: the text does not compile, or means nothing we know.
/// kUnsupported: valid, but not flat (nested structs, lists, unions). The message lists every
/// error, one a line, as `file:line:column: SLnnnn: what`; codes are in schema_codes. Limits: 1 MiB
/// of text, 1,000 fields, 64 levels of brackets.
Result<std::vector<Contract>> CompileCapnp(const SchemaFiles& files, std::string_view name);

/// The text of `sluice.capnp`: the annotations.
std::string_view BuiltinSchema();

/// The contract of a topic declared `schema: none`: columns `id` (text, the key) and `data` (the
/// bytes of the JSON value, or of the text if it is one).
Contract SchemalessContract(std::string_view topic);

/// The contract as JSON, and back. Reading does not compile: a contract means what it meant when
/// written.
///
/// kCorrupt: not what ToJson() wrote. kUnsupported: written by a newer release.
std::string ToJson(const Contract& contract);
Result<Contract> FromJson(std::string_view json);

/// Checks a topic's name: letters, digits, '.', '_', '-', at most 128, beginning with a letter.
Status CheckTopicName(std::string_view topic);
/// `shop.user-events` → `shop_user_events`; `userId` → `user_id`.
std::string TableName(std::string_view topic);
std::string ColumnName(std::string_view field);

/// Columns that every bronze table has; a field whose column collides with one is refused.
const std::vector<std::string_view>& ReservedColumns();

/// Codes in CompileSchema()'s messages (docs/reference/errors.md explains each).
namespace schema_codes {
inline constexpr std::string_view kSyntax = "SL1101";    ///< No Cap'n Proto, or no JSON.
inline constexpr std::string_view kNoColumn = "SL1102";  ///< A type that has no column.
inline constexpr std::string_view kColumn =
    "SL1103";  ///< Two names, one column; or a reserved one.
inline constexpr std::string_view kAnnotation =
    "SL1104";                                           ///< An annotation where it means nothing.
inline constexpr std::string_view kTopic = "SL1105";    ///< Not a topic's name, or one used twice.
inline constexpr std::string_view kPrivacy = "SL1106";  ///< A privacy action that does not fit.
inline constexpr std::string_view kParentheses = "SL1107";  ///< `$Sl.hash.sha256`
inline constexpr std::string_view kLimit = "SL1108";        ///< Too much text, nesting or fields.
/// What JSON Schema can say and a contract cannot hold.
inline constexpr std::string_view kKeyword = "SL1109";
}  // namespace schema_codes

}  // namespace sluice::event
