#pragma once
/// \file
/// The statistics text of an add action.

#include <arrow/type_fwd.h>

#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "sluice/base/error.h"
#include "sluice/columnar/batch.h"
#include "sluice/columnar/parquet.h"

namespace sluice::lake::internal {

/// Returns the JSON of a file's statistics. `schema` is the table's, and `in_files` the same
/// columns under their names in files and statistics; those in `left_out` (partition columns,
/// random ones) and those that the table's properties leave out, both by the table's names, get
/// none.
std::string MakeStatistics(const arrow::Schema& schema, const arrow::Schema& in_files,
                           const columnar::ParquetFile& file,
                           const std::map<std::string, std::string>& properties,
                           const std::set<std::string>& left_out);

/// Returns the columns that get statistics, by the table's properties, which name them as `schema`.
std::vector<std::string> IndexedColumns(const arrow::Schema& schema,
                                        const std::map<std::string, std::string>& properties,
                                        const std::set<std::string>& left_out);

/// Returns the statistics of a file of `rows` rows some of which are deleted: the same, but their
/// bounds need no longer be met. kCorrupt: `stats` is no JSON object.
Result<std::string> WithLooseBounds(const std::string& stats, int64_t rows);

enum class Bound { kLow, kHigh };

/// Returns the JSON of a bound, its text cut to so many UTF-16 units; nothing if it has none that
/// every engine reads the same.
std::optional<std::string> BoundJson(const arrow::Scalar& scalar, Bound bound, size_t units_max);

/// Returns a short text that is not greater than `text`; nothing if there is none.
std::optional<std::string> LowerBound(std::string_view text, size_t units_max);
/// Returns a short text that is not less than `text`, compared by UTF-8 bytes; nothing if there is
/// none.
std::optional<std::string> UpperBound(std::string_view text, size_t units_max);

}  // namespace sluice::lake::internal
