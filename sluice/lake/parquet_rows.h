#pragma once
/// \file
/// The rows of one Parquet file of a store, as they stand in it.

#include <functional>
#include <string>
#include <vector>

#include "sluice/base/error.h"
#include "sluice/columnar/batch.h"
#include "sluice/store/object_store.h"

namespace sluice::lake {

/// Hands on the named columns of a file's rows, at most 64 Ki rows at once, whatever a table's log
/// says of them: deletion vectors, mapped names, widened types. Columns that the file does not have
/// are absent. Holds a MiB of each column, four where requests take their time, or a page if that
/// is more. An error of `use` ends it. kNotFound, kCorrupt, kUnavailable: naming the file.
Status ReadParquetRows(store::ObjectStore& store, const std::string& path,
                       const std::vector<std::string>& columns,
                       const std::function<Status(const columnar::Batch&)>& use);

}  // namespace sluice::lake
