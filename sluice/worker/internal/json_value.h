#pragma once
/// \file
/// A value of a column as JSON.

#include <arrow/type_fwd.h>

#include <cstdint>
#include <string>

namespace sluice::worker::internal {

/// Appends one value as JSON: times as RFC 3339 text, decimals with a scale, binary (Base64) and
/// what JSON has no word for as text.
void AppendJson(std::string& out, const arrow::Array& column, int64_t row);

}  // namespace sluice::worker::internal
