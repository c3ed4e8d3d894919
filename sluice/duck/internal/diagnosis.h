#pragma once
/// \file
/// DuckDB's errors → ours.

#include "duckdb/common/error_data.hpp"

#include <string_view>

#include "sluice/base/diagnostic.h"
#include "sluice/duck/engine.h"

namespace sluice::duck::internal {

/// Turns DuckDB's error into ours: its first line, as our messages look.
Error FromDuck(const duckdb::ErrorData& error);

/// Returns the id of the error, its place in `sql`, and what was probably meant.
Diagnostic Diagnose(const duckdb::ErrorData& error, std::string_view sql);

}  // namespace sluice::duck::internal
