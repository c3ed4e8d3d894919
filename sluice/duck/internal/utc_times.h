#pragma once
/// \file
/// Times with a zone, where the zone is UTC.

namespace duckdb {
class DatabaseInstance;
}

namespace sluice::duck::internal {

/// Has functions and casts of TIMESTAMP WITH TIME ZONE computed as those of TIMESTAMP. DuckDB asks
/// a calendar of the zone for each value, which takes some ten times as long; in UTC, the only zone
/// here (the engine sets and locks it), both are the same microseconds with the same parts, from
/// the year 1 on: before it the calendar counts years, decades and so on from 1 BC backwards.
///
/// Conditions on a column that is cast (`event_time::DATE = …`, or to TIMESTAMP) become conditions
/// on the column, which DuckDB pushes to the files; it does not push casts.
void RegisterUtcTimes(duckdb::DatabaseInstance& database);

}  // namespace sluice::duck::internal
