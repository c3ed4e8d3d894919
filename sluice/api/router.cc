#include "sluice/api/router.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "sluice/api/problem.h"

namespace sluice::api {
namespace {

std::vector<std::string> Split(std::string_view path) {
  std::vector<std::string> segments;
  while (path.starts_with('/')) {
    path.remove_prefix(1);
    const size_t end = path.find('/');
    segments.emplace_back(path.substr(0, end));
    path.remove_prefix(std::min(end, path.size()));
  }
  if (!segments.empty() && segments.back().empty()) segments.pop_back();  // `/v1/events/`
  return segments;
}

bool IsName(std::string_view segment) { return segment.starts_with('{'); }

}  // namespace

std::string Call::Parameter(const std::string& name) const {
  const auto found = request->query.find(name);
  return found == request->query.end() ? std::string() : found->second;
}

void Router::Add(std::string method, std::string_view pattern, Access access,
                 Asynchronous handler) {
  routes_.push_back({std::move(method), access, Split(pattern), std::move(handler)});
}

void Router::AddBlocking(std::string method, std::string_view pattern, Access access,
                         Blocking handler) {
  Add(std::move(method), pattern, access,
      [this, handler = std::move(handler)](const Call& call, const Respond& respond) {
        if (!workers_.TryRun([handler, call, respond] { respond(handler(call)); })) {
          respond(Busy("too many requests wait; try again"));
        }
      });
}

std::optional<Response> Router::Admit(const Route& route, Call& call) const {
  if (route.access == Access::kOpen) return std::nullopt;
  auto principal = authenticate_(*call.request);
  if (!principal.ok()) {
    if (principal.error().code() != ErrorCode::kDenied) return ErrorResponse(principal.error());
    Response response = Problem(401, "SL4010", principal.error().message());
    response.headers.emplace_back("WWW-Authenticate", "Bearer");
    return response;
  }
  call.principal = std::move(*principal);
  switch (route.access) {
    case Access::kSend:
      if (call.principal.AllowsSome(govern::Verb::kSend)) return std::nullopt;
      return Problem(403, "SL4031", "the token may not send events");
    case Access::kRead:
      if (call.principal.AllowsSome(govern::Verb::kRead)) return std::nullopt;
      return Problem(403, "SL4031", "the token may not read");
    default:
      if (call.principal.Allows(govern::Verb::kAdmin)) return std::nullopt;
      return Problem(403, "SL4031", "this needs a token with the scope admin");
  }
}

void Router::Handle(std::shared_ptr<const Request> request, Respond respond) const {
  const std::vector<std::string> segments = Split(request->path);
  const std::string method = request->method == "HEAD" ? "GET" : request->method;
  std::string allowed;
  for (const Route& route : routes_) {
    const bool fits = std::ranges::equal(
        route.segments, segments,
        [](const auto& wanted, const auto& found) { return IsName(wanted) || wanted == found; });
    if (!fits) continue;
    if (route.method == method) {
      Call call;
      for (size_t i = 0; i < segments.size(); ++i) {
        const std::string_view wanted = route.segments[i];
        if (IsName(wanted)) call.segments.emplace(wanted.substr(1, wanted.size() - 2), segments[i]);
      }
      call.request = std::move(request);
      if (auto refusal = Admit(route, call)) return respond(std::move(*refusal));
      return route.handler(call, std::move(respond));
    }
    allowed += (allowed.empty() ? "" : ", ") + route.method;
  }
  if (allowed.empty()) {
    return respond(Problem(404, "SL4041", "there is nothing at this address"));
  }
  Response response = Problem(405, "SL4050", fmt::format("use {} here", allowed));
  response.headers.emplace_back("Allow", allowed);
  respond(std::move(response));
}

}  // namespace sluice::api
