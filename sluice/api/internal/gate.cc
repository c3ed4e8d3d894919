#include "sluice/api/internal/gate.h"

#include <algorithm>

namespace sluice::api::internal {

bool IsLoopbackHost(std::string_view host) {
  if (host.starts_with('[')) {
    const size_t end = host.find(']');
    return end != std::string_view::npos && host.substr(1, end - 1) == "::1" &&
           (end + 1 == host.size() || host[end + 1] == ':');
  }
  host = host.substr(0, host.find(':'));
  return host == "localhost" || host == "127.0.0.1";
}

Result<govern::Principal> Gate::Admit(const Request& request) {
  std::string_view token = request.Header("authorization");
  if (!token.empty()) {
    constexpr std::string_view kBearer = "bearer ";
    const std::string_view scheme = token.substr(0, kBearer.size());
    const bool bearer = std::equal(scheme.begin(), scheme.end(), kBearer.begin(), kBearer.end(),
                                   [](unsigned char a, char b) { return std::tolower(a) == b; });
    if (!bearer) return Denied("Authorization must be `Bearer TOKEN`");
    token.remove_prefix(kBearer.size());
    while (token.starts_with(' ')) token.remove_prefix(1);
  }
  return AdmitKey(request, token);
}

Result<govern::Principal> Gate::AdmitKey(const Request& request, std::string_view token) {
  SLUICE_ASSIGN_OR_RETURN(const bool tokens_exist, tokens_.AnyMade());
  if (!tokens_exist) {
    if (!IsLoopbackHost(request.Header("host"))) {
      return Denied(
          "without tokens only requests to 127.0.0.1 or localhost are taken; make one "
          "with `sluice token create`");
    }
    std::string_view origin = request.Header("origin");
    if (!origin.empty()) {
      const size_t scheme = origin.find("://");
      origin = scheme == std::string_view::npos ? "" : origin.substr(scheme + 3);
      if (!IsLoopbackHost(origin)) {
        return Denied("without tokens no requests from pages of other hosts are taken");
      }
    }
  }
  return tokens_.Authenticate(token);
}

}  // namespace sluice::api::internal
