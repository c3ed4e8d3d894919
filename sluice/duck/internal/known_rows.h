#pragma once
/// \file
/// Counts rows without opening files.

namespace duckdb {
class DatabaseInstance;
}

namespace sluice::duck::internal {

/// Has `count(*)` over whole relations take the rows of files whose number the index knows from
/// there (`rows`, Relation::indexed_files). Runs behind DuckDB's own optimizers, so that only scans
/// without conditions are left to be counted; batches and other files are read as ever.
void RegisterKnownRows(duckdb::DatabaseInstance& database);

}  // namespace sluice::duck::internal
