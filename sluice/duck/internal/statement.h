#pragma once
/// \file
/// What a user's text may contain.

#include "duckdb/main/client_context.hpp"
#include "duckdb/main/database.hpp"
#include "duckdb/parser/query_node.hpp"
#include "duckdb/parser/sql_statement.hpp"

#include <string_view>

#include "sluice/base/error.h"

namespace sluice::duck::internal {

/// Parses one statement, of whatever kind. kInvalid: it is not one.
Result<duckdb::unique_ptr<duckdb::SQLStatement>> ParseOne(duckdb::ClientContext& context,
                                                          std::string_view sql);

/// Refuses queries that would read anything but relations. kDenied, kUnsupported.
Status InspectQuery(duckdb::QueryNode& query);

/// Parses one statement that only reads relations. kInvalid: it is not one. kDenied: it would do
/// more.
Result<duckdb::unique_ptr<duckdb::SQLStatement>> ParseStatement(duckdb::ClientContext& context,
                                                                std::string_view sql);

/// Refuses plans that read anything but relations and what lies in the text itself. This sees what
/// ParseStatement() cannot: macros and views that hide a function.
void RegisterPlanCheck(duckdb::DatabaseInstance& database);

}  // namespace sluice::duck::internal
