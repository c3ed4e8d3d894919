#include "sluice/api/internal/collect_routes.h"

#include <fmt/format.h>

#include <utility>

#include "sluice/api/internal/answer_text.h"
#include "sluice/api/internal/header_elements.h"
#include "sluice/api/problem.h"

namespace sluice::api::internal {
namespace {

constexpr size_t kBodyBytesMax = 64u << 10;  // What browsers send from a page that is left.
constexpr size_t kNameBytesMax = 200;

/// Lets the page of that origin read the answer.
Response For(std::string_view origin, Response response) {
  if (!origin.empty()) {
    response.headers.emplace_back("Access-Control-Allow-Origin", std::string(origin));
    response.headers.emplace_back("Vary", "Origin");
  }
  return response;
}

}  // namespace

void CollectRoutes::AddTo(Router& router) {
  // The key is in the address: a page that is left can send no header of its own.
  router.Add("POST", "/v1/collect", Access::kOpen,
             [this](const Call& call, const Respond& respond) { Take(call, respond); });
}

void CollectRoutes::Take(const Call& call, const Respond& respond) {
  const Request& request = *call.request;
  const auto principal = gate_.AdmitKey(request, call.Parameter("key"));
  if (!principal.ok()) {
    if (principal.error().code() != ErrorCode::kDenied) {
      return respond(ErrorResponse(principal.error()));
    }
    return respond(Problem(401, "SL4010", principal.error().message()));
  }
  const std::string origin(request.Header("origin"));
  ingest::Submission submission;
  submission.topic = call.Parameter("topic");
  if (!principal->AllowsCollecting(submission.topic, origin)) {
    return respond(Problem(403, "SL4032",
                           "the key may not send to this topic from pages of this origin; make one "
                           "with `sluice token create --scope collect:TOPIC@https://HOST`"));
  }
  const auto answer = [respond, origin](Response response) {
    respond(For(origin, std::move(response)));
  };
  const std::string type = MediaType(request.Header("content-type"));
  if (type != "text/plain" && type != "application/json" && !type.empty()) {
    return answer(Problem(415, "SL4150", "send text/plain or application/json"));
  }
  if (!request.Header("content-encoding").empty()) {
    return answer(Problem(415, "SL4151", "send the body as it is"));
  }
  if (request.body.size() > kBodyBytesMax) {
    return answer(
        Problem(413, "SL4130", fmt::format("at most {} bytes are taken here", kBodyBytesMax)));
  }
  submission.sender = principal->id;
  submission.client = call.Parameter("client");
  submission.batch_id = call.Parameter("batch_id");
  if (std::max(submission.client.size(), submission.batch_id.size()) > kNameBytesMax) {
    return answer(Problem(400, "SL4001",
                          fmt::format("client and batch_id have at most {} bytes", kNameBytesMax)));
  }
  if (const Status ready = hooks_.ready(); !ready.ok()) {
    return answer(TryAgain(503, "SL5032", ready.error().message(), 1));
  }
  if (hooks_.disk_full()) return answer(TryAgain(507, "SL5070", "the disk is full", 5));
  submission.body = request.body;
  submission.shape = decode::Shape::kContent;
  ingest_.Submit(submission, [kept = call.request, answer](Result<ingest::Receipt> receipt) {
    if (!receipt.ok()) {
      if (receipt.error().code() == ErrorCode::kUnavailable) {
        return answer(PutOff(receipt.error()));
      }
      return answer(ErrorResponse(receipt.error()));
    }
    answer({.headers = {},
            .body =
                fmt::format("{{\"received\":{},\"accepted\":{},\"duplicate\":{},\"error\":{}{}}}\n",
                            receipt->received, receipt->accepted, receipt->duplicate,
                            receipt->error, NotKeptMember(*receipt))});
  });
}

}  // namespace sluice::api::internal
