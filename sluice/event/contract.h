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

namespace sluice::event {

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
  kData,  ///< Base64 text in JSON.
  kEnum,  ///< The enumerant's name in JSON and in the table.
};

/// Returns the name as Cap'n Proto spells it, such as "Int64".
std::string_view ToString(FieldType type);

/// One field of a contract.
struct Field {
  std::string name;    ///< As in events: `userId`.
  std::string column;  ///< As in tables: `user_id`.
  FieldType type = FieldType::kText;
  std::vector<std::string> enumerants;  ///< Of kEnum only.
  uint32_t id = 0;  ///< The ordinal: stable through renames.
};

/// What to do with members of an event that the contract does not name.
enum class UnknownFields : uint8_t {
  kKeep,    ///< Kept as JSON in the column `_extra`.
  kError,   ///< The event is an error row.
  kIgnore,  ///< Dropped.
};

/// What identifies an event, for dedupe (the first of these that an event has).
struct IdentityRules {
  std::optional<size_t> id_field;  ///< Index into fields: `$Sl.id`.
  bool by_producer = true;         ///< (producer, epoch, sequence) of the envelope counts.
};

/// The contract of one topic, at one version.
///
/// Immutable once made.
struct Contract {
  std::string topic;   ///< `shop.user-events`
  std::string table;   ///< `shop_user_events`, in schema bronze
  int32_t version = 1;
  /// Without a schema, rows are (id, data): declared `schema: none`.
  bool schemaless = false;
  std::vector<Field> fields;
  std::optional<size_t> event_time_field;
  std::optional<size_t> key_field;
  IdentityRules identity;
  UnknownFields unknown = UnknownFields::kKeep;
  std::string source;  ///< The schema's text, as given.
};

/// A schema text by its file name, such as {"flights.capnp", "@0x..; struct .."}.
using SchemaFiles = std::map<std::string, std::string>;

/// Compiles the Cap'n Proto file `name` of `files` and returns one contract for each struct annotated
/// `$Sl.event`. "sluice.capnp" (BuiltinSchema()) can be imported from anywhere.
///
/// kInvalid: the text does not compile, or means nothing we know: the message has file, line and column.
/// kUnsupported: valid, but not flat (nested structs, lists, unions).
/// Limits: 1 MiB of text, 1,000 fields.
Result<std::vector<Contract>> CompileCapnp(const SchemaFiles& files, std::string_view name);

/// The text of `sluice.capnp`: the annotations.
std::string_view BuiltinSchema();

/// Checks a topic's name: letters, digits, '.', '_', '-', at most 128, beginning with a letter.
Status CheckTopicName(std::string_view topic);
/// `shop.user-events` → `shop_user_events`; `userId` → `user_id`.
std::string TableName(std::string_view topic);
std::string ColumnName(std::string_view field);

/// Columns that every bronze table has; a field whose column collides with one is refused.
const std::vector<std::string_view>& ReservedColumns();

/// Whether `next` can follow `previous` in the same table: fields may be added or renamed by ordinal only
/// where stored data still reads (thin rule: same columns keep their type; none disappears).
/// kConflict: naming the first field that cannot.
Status CheckSuccessor(const Contract& previous, const Contract& next);

}  // namespace sluice::event
