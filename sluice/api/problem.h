#pragma once
/// \file
/// Errors as answers: RFC 9457 problem documents, and the one table of error codes to HTTP.

#include <string_view>
#include <vector>

#include "sluice/api/http_server.h"
#include "sluice/base/diagnostic.h"
#include "sluice/base/error.h"

namespace sluice::api {

/// Returns an RFC 9457 answer: {"type","title","status","code","detail"}.
Response Problem(int status, std::string_view code, std::string_view detail);

/// Returns an answer that asks to try again: `status` is 429, 503 or 507.
Response TryAgain(int status, std::string_view code, std::string_view detail, int after_seconds);

/// Returns 429 for what ingest put off: the code that its message begins with, or SL4290.
Response PutOff(const Error& error);

/// Returns 503: too much waits.
Response Busy(std::string_view detail);

/// Puts `file`, `line` and `column` of the first into a problem, and `diagnostics` with all of
/// them, as RFC 9457 section 3.2 allows. There must be one.
void AddDiagnostics(Response& problem, const std::vector<Diagnostic>& diagnostics);

/// Returns the answer to an error, by its code.
Response ErrorResponse(const Error& error);

}  // namespace sluice::api
