#include "sluice/api/internal/event_routes.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <utility>

#include "sluice/api/internal/answer_text.h"
#include "sluice/api/internal/cloud_events.h"
#include "sluice/api/internal/content_coding.h"
#include "sluice/api/internal/header_elements.h"
#include "sluice/api/problem.h"

namespace sluice::api::internal {
namespace {

constexpr size_t kNameBytesMax = 200;

Response CodingProblem(const Error& error) {
  constexpr std::string_view kTooLarge = "SL4130: ";
  const std::string_view text = error.message();
  if (text.starts_with(kTooLarge)) {
    return Problem(413, "SL4130", text.substr(kTooLarge.size()));
  }
  if (error.code() != ErrorCode::kUnsupported) return ErrorResponse(error);
  Response response = Problem(415, "SL4151", text);
  response.headers.emplace_back("Accept-Encoding", "gzip, zstd");  // RFC 9110 section 15.5.16.
  return response;
}

// `application/x-capnp; packed=1` are packed messages. Nothing: `packed` says something else.
std::optional<decode::Packing> PackingOf(std::string_view content_type) {
  const auto packed = HeaderElement(content_type).Parameter("packed");
  if (!packed || *packed == "0") return decode::Packing::kNone;
  if (*packed == "1") return decode::Packing::kPacked;
  return std::nullopt;
}

}  // namespace

void EventRoutes::AddTo(Router& router) {
  const auto take = [this](const Call& call, Respond respond) { Take(call, std::move(respond)); };
  router.Add("POST", "/v1/events", Access::kSend, take);
  router.Add("POST", "/v1/events/{topic}", Access::kSend, take);
  // The handshake of HTTP webhooks (CloudEvents, HTTP 1.1 Web Hooks section 4): who may send, is
  // allowed to.
  const auto allow = [](const Call& call, const Respond& respond) {
    const auto topic = call.segments.find("topic");
    if (topic != call.segments.end()) {
      Status named = event::CheckTopicName(topic->second);
      if (named.ok() && topic->second.starts_with(catalog::kSystemPrefix)) {
        named = Invalid("'{}' takes no events", topic->second);
      }
      if (!named.ok()) return respond(Problem(404, "SL4040", named.error().message()));
    }
    Response response;
    response.headers = {{"Allow", "POST"}, {"WebHook-Allowed-Rate", "*"}};
    if (const std::string_view origin = call.request->Header("webhook-request-origin");
        !origin.empty()) {
      response.headers.emplace_back("WebHook-Allowed-Origin", std::string(origin));
    }
    respond(std::move(response));
  };
  router.Add("OPTIONS", "/v1/events", Access::kSend, allow);
  router.Add("OPTIONS", "/v1/events/{topic}", Access::kSend, allow);
}

void EventRoutes::Take(const Call& call, Respond respond) {
  const std::shared_ptr<const Request>& request = call.request;
  ingest::Submission submission;
  const CloudEventsMode mode = ModeOf(*request);
  const std::string type = MediaType(request->Header("content-type"));
  if (type == "application/x-ndjson" || type == "application/ndjson" ||
      type == "application/jsonl") {
    submission.framing = decode::Framing::kNdjson;
  } else if (type == "application/x-capnp") {
    const auto packing = PackingOf(request->Header("content-type"));
    if (!packing) {
      return respond(
          Problem(415, "SL4150", "packed is 1 where messages of Cap'n Proto are packed, else 0"));
    }
    submission.messages = *packing;
    if (!call.segments.contains("topic")) {
      return respond(Problem(415, "SL4150",
                             "messages of Cap'n Proto are sent to the address of their topic, "
                             "/v1/events/TOPIC, whose schema they are read by"));
    }
  } else if (type != "application/json" && !type.empty() && mode == CloudEventsMode::kNone) {
    return respond(Problem(415, "SL4150",
                           "send application/json (an object or an array), application/x-ndjson, "
                           "application/x-capnp or CloudEvents"));
  }
  if (mode == CloudEventsMode::kUnknown) {
    return respond(Problem(415, "SL4150",
                           "CloudEvents are taken as application/cloudevents+json, "
                           "application/cloudevents-batch+json, or in headers"));
  }
  const std::string wait = call.Parameter("wait");
  if (wait == "none") {
    submission.wait = ingest::WaitLevel::kNone;
  } else if (wait == "table") {
    submission.wait = ingest::WaitLevel::kTable;
  } else if (!wait.empty() && wait != "log") {
    return respond(Problem(400, "SL4001", "wait must be none, log or table"));
  }
  submission.sender = call.principal.id;
  submission.client = call.Parameter("client");
  submission.batch_id = call.Parameter("batch_id");
  if (submission.batch_id.empty()) submission.batch_id = request->Header("idempotency-key");
  if (std::max(submission.client.size(), submission.batch_id.size()) > kNameBytesMax) {
    return respond(Problem(
        400, "SL4001", fmt::format("client and batch_id have at most {} bytes", kNameBytesMax)));
  }
  if (const Status ready = hooks_.ready(); !ready.ok()) {
    return respond(TryAgain(503, "SL5032", ready.error().message(), 1));
  }
  if (hooks_.disk_full()) {
    return respond(TryAgain(507, "SL5070", "the disk is full; free space, then send again", 5));
  }
  submission.body = request->body;
  Content content;  // Until the body was submitted.
  if (const std::string_view coding = request->Header("content-encoding");
      !coding.empty() && coding != "identity") {
    auto decoded = DecodeContent(coding, request->body, body_bytes_max_);
    if (!decoded.ok()) return respond(CodingProblem(decoded.error()));
    content = std::move(*decoded);
    submission.body = content.bytes;
  }
  // The body without its coding, and its columns, which take about as much as its text.
  const uint64_t arrived = request->body_lease->bytes();
  if (!request->body_lease->Grow(content.bytes.size() + submission.body.size())) {
    return respond(TryAgain(429, "SL4290", "too many bodies are under way; send again later", 1));
  }
  const auto topic = call.segments.find("topic");
  const bool has_topic = topic != call.segments.end();
  if (mode != CloudEventsMode::kNone) {
    auto envelopes = ToEnvelopes(*request, mode, submission.body,
                                 has_topic ? std::optional(topic->second) : std::nullopt);
    if (!envelopes.ok()) return respond(ErrorResponse(envelopes.error()));
    submission.framing = decode::Framing::kJson;
    const size_t bytes = envelopes->size();
    content.storage = std::make_shared<std::string>(std::move(*envelopes));
    content.storage->resize(bytes + decode::JsonDecoder::kPaddingBytes);
    submission.body = std::string_view(*content.storage).substr(0, bytes);
  }
  if (has_topic) {
    if (mode == CloudEventsMode::kNone) submission.shape = decode::Shape::kContent;
    submission.topic = topic->second;
    if (!call.principal.Allows(govern::Verb::kSend, submission.topic)) {
      return respond(Problem(403, "SL4031", "the token may not send to this topic"));
    }
  } else {
    submission.shape = decode::Shape::kEnvelope;
    if (!call.principal.Allows(govern::Verb::kSend)) {
      submission.may_send = [principal = call.principal](std::string_view name) {
        return principal.Allows(govern::Verb::kSend, name);
      };
    }
  }
  ingest_.Submit(submission, [respond, wait](Result<ingest::Receipt> receipt) {
    if (!receipt.ok()) {
      if (receipt.error().code() == ErrorCode::kUnavailable) {
        return respond(PutOff(receipt.error()));
      }
      return respond(ErrorResponse(receipt.error()));
    }
    Response response;
    response.status = !receipt->durable || (wait == "table" && !receipt->landed) ? 202 : 200;
    response.body = ReceiptJson(*receipt);
    respond(std::move(response));
  });
  // The rows are in the journal's queue now, or gone.
  request->body_lease->Shrink(arrived);
}

}  // namespace sluice::api::internal
