#pragma once
/// \file
/// Who sent a request.

#include "sluice/api/http_server.h"
#include "sluice/base/error.h"
#include "sluice/govern/tokens.h"

namespace sluice::api::internal {

/// Reads the token of a request: `Authorization: Bearer TOKEN`.
///
/// While there are no tokens the door trusts what reaches the loopback address, but not a web page
/// in a browser there: a request that names a foreign host (DNS rebinding) or comes from a foreign
/// origin is refused.
///
/// Thread-safe; `tokens` must outlive it.
class Gate {
 public:
  explicit Gate(govern::Tokens& tokens) : tokens_(tokens) {}

  /// kDenied: it is not let in.
  Result<govern::Principal> Admit(const Request& request);
  /// The same for a token that comes in another place than the header.
  Result<govern::Principal> AdmitKey(const Request& request, std::string_view token);

 private:
  govern::Tokens& tokens_;
};

/// Whether `host` (of a Host header or an origin, with or without a port) names this machine.
bool IsLoopbackHost(std::string_view host);

}  // namespace sluice::api::internal
