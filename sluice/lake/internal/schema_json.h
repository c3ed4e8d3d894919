#pragma once
/// \file
/// Delta's schema text ↔ Arrow's schema.

#include <arrow/type_fwd.h>

#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "sluice/base/error.h"
#include "sluice/columnar/batch.h"

namespace sluice::lake::internal {

struct ParsedSchema {
  columnar::Schema schema;
  /// Table features that annotations of fields switch on, such as `generatedColumns`.
  std::set<std::string> features;
};

/// Reads a schemaString. kCorrupt: it is none. kUnsupported: a type of it is unknown, by name.
Result<ParsedSchema> ParseSchema(std::string_view json);

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

/// Whether `type` is, or holds, a timestamp without a zone: these need a table feature.
bool HasTimestampNtz(const arrow::DataType& type);

/// Returns the name that comparisons use: column names are unique without regard to case.
std::string LowerCase(std::string_view name);

}  // namespace sluice::lake::internal
