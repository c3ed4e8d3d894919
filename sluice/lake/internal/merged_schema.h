#pragma once
/// \file
/// One schema for files that have their own.

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "sluice/base/error.h"
#include "sluice/columnar/batch.h"
#include "sluice/lake/internal/schema_tree.h"

namespace sluice::lake::internal {

/// What a table of some files has as its columns: all of them, in the order in which they first
/// come; each of the widest type that a file has, if the others can become that type.
///
/// Not thread-safe.
class MergedSchema {
 public:
  struct Merged {
    SchemaType schema;                  ///< All nullable; notes which types were narrower.
    std::vector<std::string> widened;   ///< Columns of which they are.
    std::vector<std::string> left_out;  ///< Columns that have no type in any file, only nulls.
  };

  /// Takes the columns of one more file, of types that tables have. kInvalid: more kinds of schema
  /// than fit in memory.
  Status Add(const arrow::Schema& schema, const std::string& path);

  /// kInvalid: two files do not fit together; names them and the column.
  Result<Merged> Merge() const;

 private:
  std::vector<std::pair<std::string, std::string>> kinds_;  // JSON, and the first file that has it.
  std::map<std::string, size_t, std::less<>> known_;        // By JSON.
};

}  // namespace sluice::lake::internal
