#pragma once
/// \file
/// Errors as answers: RFC 9457 problem documents, and the one table of error codes to HTTP.

#include <string_view>

#include "sluice/api/http_server.h"
#include "sluice/base/error.h"

namespace sluice::api {

/// Returns an RFC 9457 answer: {"type","title","status","code","detail"}.
Response Problem(int status, std::string_view code, std::string_view detail);

/// Returns an answer that asks to try again: `status` is 429, 503 or 507.
Response TryAgain(int status, std::string_view code, std::string_view detail, int after_seconds);

/// Returns 503: too much waits.
Response Busy(std::string_view detail);

/// Returns the answer to an error, by its code.
Response ErrorResponse(const Error& error);

}  // namespace sluice::api
