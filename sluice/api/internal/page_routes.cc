#include "sluice/api/internal/page_routes.h"

#include <fmt/format.h>

#include "sluice/api/internal/content_coding.h"
#include "sluice/api/internal/header_elements.h"
#include "sluice/api/problem.h"

namespace sluice::api::internal {
namespace {

constexpr std::string_view kPolicy =
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// Whether an element of Accept-Encoding allows gzip.
bool TakesGzip(std::string_view accepted) {
  bool takes = false;
  ForEachElement(accepted, [&takes](const HeaderElement& coding) {
    takes = takes || (coding.Name() == "gzip" && coding.Weight() > 0);
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
