#pragma once
/// \file
/// The head of an answer as bytes.

#include <chrono>
#include <string>
#include <string_view>

#include "sluice/api/http_server.h"

namespace sluice::api::internal {

/// Returns the words for a status, such as "Not Found".
std::string_view ReasonPhrase(int status);

/// May an answer of this status have a body?
inline bool MayHaveBody(int status) { return status >= 200 && status != 204 && status != 304; }

/// What happens to the connection after an answer.
enum class Then { kKeepAlive, kClose };

/// Returns the status line and fields. A control character in a field of the handler's becomes a
/// space, so that no value can start a field of its own. `chunked`: how a stream is framed, if
/// there is one; else it ends with the connection.
std::string FormatHead(const Response& response, std::chrono::sys_seconds now, Then then,
                       bool chunked = true);

}  // namespace sluice::api::internal
