#include "sluice/api/internal/page_routes.h"

#include <fmt/format.h>

#include "sluice/api/internal/content_coding.h"
#include "sluice/api/internal/text.h"
#include "sluice/api/problem.h"

namespace sluice::api::internal {
namespace {

constexpr std::string_view kPolicy =
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// Whether a member of Accept-Encoding allows gzip.
bool TakesGzip(std::string_view accepted) {
  bool takes = false;
  ForEachMember(accepted, [&takes](std::string_view member) {
    const size_t semicolon = member.find(';');
    const std::string_view name = member.substr(0, semicolon);
    const bool refused = semicolon != std::string_view::npos && member.ends_with("q=0");
    takes = takes || (EqualsIgnoringCase(name, "gzip") && !refused);
  });
  return takes;
}

}  // namespace

Response AssetResponse(const page::Asset& asset, const Request& request) {
  Response response;
  response.content_type = asset.content_type;
  const std::string etag = fmt::format("\"{}\"", asset.etag);
  response.headers = {
      {"ETag", etag},
      {"Vary", "Accept-Encoding"},
      {"Cache-Control", asset.immutable ? "public, max-age=31536000, immutable" : "no-cache"},
      {"Content-Security-Policy", std::string(kPolicy)},
      {"Referrer-Policy", "no-referrer"},
      {"Cross-Origin-Opener-Policy", "same-origin"},
  };
  if (request.Header("if-none-match").find(etag) != std::string_view::npos) {
    response.status = 304;
    return response;
  }
  if (TakesGzip(request.Header("accept-encoding"))) {
    response.headers.emplace_back("Content-Encoding", "gzip");
    response.body = asset.gzip;
    return response;
  }
  auto content = DecodeContent("gzip", asset.gzip, asset.bytes);
  if (!content.ok()) return ErrorResponse(content.error());
  response.body = content->bytes;
  return response;
}

void PageRoutes::AddTo(Router& router) {
  for (const page::Asset& asset : page::Assets()) {
    router.Add("GET", asset.path, Access::kOpen,
               [&asset](const Call& call, const Respond& respond) {
                 respond(AssetResponse(asset, *call.request));
               });
  }
}

}  // namespace sluice::api::internal
