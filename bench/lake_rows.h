#pragma once
/// \file
/// Rows that lake_operations measures with, made and kept in Arrow files.

#include <cstdint>
#include <string>
#include <vector>

#include "sluice/columnar/batch.h"
#include "sluice/lake/delta_table.h"

namespace sluice::bench {

/// `id`, `at`, `value`, `city`, `name`.
const columnar::Schema& RowSchema();

/// Makes rows `first` to `first + count` - 1: ids and times that grow, random numbers, a hundred
/// cities, names of which none is twice.
Result<columnar::Batch> MakeRows(int64_t first, int64_t count);

/// Writes rows 0 to `rows` - 1.
Status WriteRows(const std::string& path, int64_t rows);

/// Writes `rows` for a table of `table_rows`: one half are of ids that it has, all over it, the
/// other half of ids that follow its own.
Status WriteSource(const std::string& path, int64_t rows, int64_t table_rows);

/// Reads such a file, as the contents of files of 2,500,000 rows.
Result<std::vector<lake::NewFile>> ReadRows(const std::string& path);

}  // namespace sluice::bench
