#pragma once
/// \file
/// Delta's schema text ↔ Arrow's schema.

#include <arrow/type_fwd.h>

#include <functional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "sluice/base/error.h"
#include "sluice/columnar/batch.h"

namespace sluice::lake::internal {

/// Key of the field metadata that tells a variant from a struct of the same members.
inline constexpr std::string_view kVariantKey = "sluice.variant";

struct ParsedSchema {
  columnar::Schema schema;
  columnar::Schema annotated;  ///< The same, with the metadata of all its fields.
  /// Table features that annotations of fields switch on, such as `generatedColumns`.
  std::set<std::string> features;
};

/// Reads a schemaString. kCorrupt: it is none. kUnsupported: a type of it is unknown, by name.
Result<ParsedSchema> ParseSchema(std::string_view json);

/// Returns the type that Delta calls `name`: `long`, `decimal(10,2)`. kUnsupported: there is none.
Result<std::shared_ptr<arrow::DataType>> ParseTypeName(std::string_view name);

/// Returns a field's annotation as text; empty if there is none.
std::string Annotation(const arrow::Field& field, std::string_view key);

/// Returns a type of the same shape with other fields: of a struct, a list, a map; other types stay
/// as they are.
std::shared_ptr<arrow::DataType> WithChildren(
    const std::shared_ptr<arrow::DataType>& type,
    const std::function<std::shared_ptr<arrow::Field>(const arrow::Field&)>& change);

/// Returns the field without its metadata, and that of the fields in it.
std::shared_ptr<arrow::Field> WithoutAnnotations(const arrow::Field& field);

/// Returns the type in which a table keeps values of `type`: unsigned integers in the next larger
/// signed one, dictionaries by value, times in microseconds. kUnsupported: Delta has no
/// counterpart.
Result<std::shared_ptr<arrow::DataType>> TableType(const arrow::DataType& type);

/// Returns `schema` with each type as TableType() has it.
Result<columnar::Schema> TableSchema(const arrow::Schema& schema);

/// Writes a schema whose types are those of TableType().
std::string SchemaToJson(const arrow::Schema& schema);

/// Returns `json` with `added` behind its last field. What stands there already stays byte for
/// byte.
Result<std::string> AppendFields(std::string_view json,
                                 const std::vector<std::shared_ptr<arrow::Field>>& added);

/// Returns `json` with the types of top-level fields widened to those of `wider`, by name: structs
/// inside get the fields that they lack, all nullable, and the order of `wider`. All annotations
/// stay. kCorrupt: `json` is no schema.
Result<std::string> WidenFields(std::string_view json,
                                const std::vector<std::shared_ptr<arrow::Field>>& wider);

/// Returns `json` with the annotation `key` of the top-level field `name` set to `value`, which is
/// JSON. All else stays byte for byte. kCorrupt: there is no such field.
Result<std::string> SetAnnotation(std::string_view json, std::string_view name,
                                  std::string_view key, std::string_view value);

/// Whether `type` is, or holds, a timestamp without a zone: these need a table feature.
bool HasTimestampNtz(const arrow::DataType& type);

}  // namespace sluice::lake::internal
