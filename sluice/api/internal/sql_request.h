#pragma once
/// \file
/// What a client asks of POST /v1/sql.

#include <variant>

#include "sluice/api/http_server.h"
#include "sluice/sql/database.h"

namespace sluice::api::internal {

/// Reads a query from its text or from {"sql", "params", "as_of", "limits", "id"}, and its form
/// from Accept. Gives the answer to send when it cannot.
std::variant<sql::QueryRequest, Response> ReadSqlRequest(const Request& request);

/// `42` is a version; `2026-01-05`, `2026-01-05T10:00:00Z` are times.
Result<sql::AsOf> ParseAsOf(std::string_view text);

}  // namespace sluice::api::internal
