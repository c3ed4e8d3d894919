#pragma once
/// \file
/// A schema text of the log, taken apart to be changed.

#include <cstddef>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "sluice/base/error.h"

namespace sluice::lake::internal {

/// Members of a JSON object in their order; values are JSON.
using JsonMembers = std::vector<std::pair<std::string, std::string>>;

struct SchemaField;

/// A type as the log has it.
struct SchemaType {
  enum class Kind : uint8_t { kPrimitive, kStruct, kArray, kMap };
  Kind kind = Kind::kPrimitive;
  std::string name = {};                 ///< Of a primitive one: `long`, `decimal(10,2)`.
  std::vector<SchemaField> fields = {};  ///< Of a struct.
  std::vector<SchemaType> inner = {};    ///< The element; or key and value.
  bool inner_nullable = true;            ///< Whether elements, or values, may be null.
};

struct SchemaField {
  std::string name;
  SchemaType type = {};
  bool nullable = true;
  JsonMembers metadata = {};
  JsonMembers others = {};  ///< Members of the field that the protocol does not know.
};

/// Reads a schemaString. What other writers put into it stays as they wrote it. kCorrupt: it is
/// none.
Result<SchemaType> ParseSchemaTree(std::string_view json);
std::string ToJson(const SchemaType& schema);

/// What a path of names leads to.
struct FoundField {
  SchemaType* holder = nullptr;  ///< The struct that has the nearest field.
  size_t index = 0;              ///< Of that field in it.
  SchemaType* type = nullptr;    ///< The field's own, or one inside it.
  std::string inside = {};       ///< The way from the field to the type: `value.element`.
  bool only_structs = true;      ///< No list or map lies on the way.

  SchemaField& field() const { return holder->fields[index]; }
};

/// Follows names of fields, matched without regard to case, and `element`, `key`, `value` into
/// lists and maps. kInvalid: there is no such field.
Result<FoundField> FindField(SchemaType& schema, const std::vector<std::string>& path);

/// The place of a struct's field; -1: it has none of that name.
int IndexOf(const SchemaType& holder, std::string_view name);

/// Returns a value of a field's metadata, which is JSON; null if there is none.
const std::string* FindAnnotation(const SchemaField& field, std::string_view key);
/// Sets it; removes it if `json` is empty.
void Annotate(SchemaField& field, std::string_view key, std::string json);

/// `text` as JSON.
std::string JsonText(std::string_view text);
/// Texts as a JSON list.
std::string JsonList(const std::vector<std::string>& texts);

}  // namespace sluice::lake::internal
