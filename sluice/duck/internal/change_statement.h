#pragma once
/// \file
/// Statements that change rows, as queries that tell which rows those are.

#include "duckdb/common/error_data.hpp"
#include "duckdb/main/client_context.hpp"
#include "duckdb/parser/sql_statement.hpp"

#include <string_view>

#include "sluice/base/diagnostic.h"
#include "sluice/base/error.h"
#include "sluice/duck/change_plan.h"

namespace sluice::duck::internal {

/// The column of a relation to change that has the position of each row in its file.
inline constexpr const char* kRowColumn = "_sluice_row";

struct ChangeQuery {
  duckdb::unique_ptr<duckdb::SQLStatement> select;
  ChangePlan plan;  ///< Of the rows that it gives.
};

/// Turns one INSERT, UPDATE, DELETE or MERGE into a query; looks its table up. kInvalid: it is
/// none, or names what the table does not have. kDenied, kUnsupported: it would do more, or what
/// cannot be done. `diagnosis` gets the code.
Result<ChangeQuery> ParseChange(duckdb::ClientContext& context, std::string_view sql,
                                Diagnostic& diagnosis);

/// Whether the error says that rows to insert have not as many values as there are columns.
bool HasOtherCount(const duckdb::ErrorData& error);

}  // namespace sluice::duck::internal
