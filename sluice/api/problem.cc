#include <fmt/format.h>

#include "sluice/api/http_server.h"
#include "sluice/api/internal/message.h"
#include "sluice/base/json.h"

namespace sluice::api {

std::string_view Request::Header(std::string_view name) const {
  const auto field = headers.find(std::string(name));
  return field == headers.end() ? std::string_view() : std::string_view(field->second);
}

std::string JsonQuote(std::string_view text) {
  std::string out;
  AppendJsonString(out, text);
  return out;
}

Response Problem(int status, std::string_view code, std::string_view detail) {
  Response response;
  response.status = status;
  response.content_type = "application/problem+json";
  response.body = fmt::format(
      R"({{"type":"about:blank","title":{},"status":{},"code":{},"detail":{}}})",
      JsonQuote(internal::ReasonPhrase(status)), status, JsonQuote(code), JsonQuote(detail));
  response.body.push_back('\n');
  return response;
}

}  // namespace sluice::api
