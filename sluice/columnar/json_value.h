#pragma once
/// \file
/// A value of a column as JSON.

#include <arrow/type_fwd.h>

#include <cstdint>
#include <string>

namespace sluice::columnar {

/// Appends the value of `row` as JSON text.
///
/// Numbers and booleans are JSON's own; a decimal with digits behind its point is text, since
/// readers that take numbers for doubles would round it, as are "NaN", "Infinity" and "-Infinity".
/// Dates, times of day and timestamps are RFC 3339 text, their fraction left out where it is zero,
/// timestamps with a zone in UTC with `Z`; years beyond four digits have as many as they need, with
/// a sign, as ISO 8601 says. Intervals are ISO 8601 durations, binary values Base64. A list is an
/// array, a struct an object, a map with text keys an object and another one an array of pairs; of
/// a dictionary or a union it is the value itself. What is left is Arrow's text for it.
///
/// Thread-safe as long as nobody else writes `out`.
void AppendJson(std::string& out, const arrow::Array& column, int64_t row);

/// Appends the value of `row` as a field of CSV (RFC 4180): nothing for null, text as it is, other
/// values as their JSON without its quotes.
void AppendCsvValue(std::string& out, const arrow::Array& column, int64_t row);

}  // namespace sluice::columnar
