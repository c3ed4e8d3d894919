#include "sluice/api/internal/sql_routes.h"

#include <simdjson.h>

#include "sluice/api/internal/answer_text.h"
#include "sluice/api/problem.h"

namespace sluice::api::internal {

void SqlRoutes::AddTo(Router& router) {
  router.AddBlocking("POST", "/v1/sql", Access::kRead,
                     [this](const Call& call) { return Query(call); });
}

Response SqlRoutes::Query(const Call& call) {
  // A query may name any table, so that a token for some topics is not enough.
  if (!call.principal.Allows(govern::Verb::kRead)) {
    return Problem(403, "SL4031", "queries need a token with the scope read:*");
  }
  const Request& request = *call.request;
  std::string text;
  if (MediaType(request.Header("content-type")) == "application/json") {
    simdjson::dom::parser parser;
    simdjson::dom::element root;
    std::string_view query;
    if (parser.parse(request.body.data(), request.body.size()).get(root) != simdjson::SUCCESS ||
        (root["sql"].get(query) != simdjson::SUCCESS &&
         root["query"].get(query) != simdjson::SUCCESS)) {
      return Problem(400, "SL4002", "expected {\"sql\": \"SELECT ...\"}");
    }
    text = query;
  } else {
    text = request.body;
  }
  sql::Format format = sql::Format::kJson;
  const std::string accept = MediaType(request.Header("accept"));
  if (accept == "application/x-ndjson") {
    format = sql::Format::kNdjson;
  } else if (accept == "text/csv") {
    format = sql::Format::kCsv;
  } else if (accept == "application/vnd.apache.arrow.stream") {
    format = sql::Format::kArrow;
  } else if (!accept.empty() && accept != "*/*" && accept != "application/json") {
    return Problem(406, "SL4060",
                   "the forms are application/json, application/x-ndjson, text/csv and "
                   "application/vnd.apache.arrow.stream");
  }
  auto result = database_.Query(text, format);
  if (!result.ok()) return ErrorResponse(result.error());
  Response response;
  response.content_type = result->content_type;
  response.body = std::move(result->body);
  return response;
}

}  // namespace sluice::api::internal
