#include "sluice/api/internal/error_routes.h"

#include <fmt/format.h>
#include <simdjson.h>

#include <charconv>
#include <future>
#include <utility>

#include "sluice/api/internal/answer_text.h"
#include "sluice/api/problem.h"
#include "sluice/base/base64.h"

namespace sluice::api::internal {
namespace {

std::string SqlText(std::string_view text) {
  std::string quoted = "'";
  for (const char c : text) {
    if (c == '\'') quoted += '\'';
    quoted += c;
  }
  return quoted + "'";
}

constexpr std::string_view kOpenErrors =
    "select e._offset, e.topic, e.code, e.path, e.message, e.row_number, e.shape, e._received_at, "
    "e.payload from system.errors e where e.state = 'open' and not exists (select 1 from "
    "system.errors c where c.error_offset = e._offset)";

}  // namespace

void ErrorRoutes::AddTo(Router& router) {
  router.AddBlocking("GET", "/v1/admin/errors", [this](const Call& call) { return List(call); });
  router.AddBlocking("POST", "/v1/admin/errors/replay",
                     [this](const Call& call) { return Replay(call); });
  router.AddBlocking("GET", "/v1/admin/errors/{id}",
                     [this](const Call& call) { return Show(call); });
  router.AddBlocking("POST", "/v1/admin/errors/{id}/retry",
                     [this](const Call& call) { return Retry(call); });
  router.AddBlocking("POST", "/v1/admin/errors/{id}/drop",
                     [this](const Call& call) { return Drop(call); });
}

Response ErrorRoutes::List(const Call& call) {
  std::string query =
      "select _offset as id, _received_at as received_at, topic, code, path, "
      "message, row_number, shape from (" +
      std::string(kOpenErrors) + ")";
  std::string where;
  for (const char* const name : {"topic", "code"}) {
    if (const std::string value = call.Parameter(name); !value.empty()) {
      where += fmt::format("{} {} = {}", where.empty() ? " where" : " and", name, SqlText(value));
    }
  }
  query += where + " order by _offset desc limit 1000";
  auto result = database_.Query(query, sql::Format::kJson);
  if (!result.ok()) return ErrorResponse(result.error());
  return {.headers = {}, .body = std::move(result->body)};
}

Result<std::vector<ErrorRoutes::OpenError>> ErrorRoutes::FindOpen(const std::string& condition,
                                                                  int64_t limit) {
  const std::string query = fmt::format(
      "select _offset, topic, code, shape, payload from ({}) where {} "
      "order by _offset limit {}",
      kOpenErrors, condition, limit);
  SLUICE_ASSIGN_OR_RETURN(const sql::QueryResult result,
                          database_.Query(query, sql::Format::kNdjson));
  std::vector<OpenError> errors;
  simdjson::dom::parser parser;
  simdjson::dom::document_stream rows;
  if (parser.parse_many(result.body).get(rows) != simdjson::SUCCESS) {
    return Internal("an answer could not be read back");
  }
  for (const auto row : rows) {
    OpenError error;
    std::string_view text;
    if (row["_offset"].get(error.offset) != simdjson::SUCCESS) continue;  // The closing record.
    if (row["topic"].get(text) == simdjson::SUCCESS) error.topic = text;
    if (row["code"].get(text) == simdjson::SUCCESS) error.code = text;
    if (row["shape"].get(text) == simdjson::SUCCESS) error.shape = text;
    if (row["payload"].get(text) == simdjson::SUCCESS) {
      SLUICE_ASSIGN_OR_RETURN(const std::string sealed, DecodeBase64(text));
      SLUICE_ASSIGN_OR_RETURN(error.payload, ingest_.OpenPayload(sealed));
    }
    errors.push_back(std::move(error));
  }
  return errors;
}

Result<ingest::Receipt> ErrorRoutes::Resend(const OpenError& error, const std::string& payload) {
  std::string padded = payload;
  padded.resize(payload.size() + decode::JsonDecoder::kPaddingBytes);
  ingest::Submission submission;
  submission.body = std::string_view(padded).substr(0, payload.size());
  submission.framing = decode::Framing::kJson;
  submission.shape = error.shape == "content" ? decode::Shape::kContent : decode::Shape::kEnvelope;
  submission.topic = error.topic;
  submission.fallback_identity = fmt::format("error {}", error.offset);
  std::promise<Result<ingest::Receipt>> promise;
  ingest_.Submit(submission,
                 [&](Result<ingest::Receipt> receipt) { promise.set_value(std::move(receipt)); });
  SLUICE_ASSIGN_OR_RETURN(ingest::Receipt receipt, promise.get_future().get());
  // A row that failed again has an error row of its own now; the old one is closed by it.
  SLUICE_RETURN_IF_ERROR(ingest_.ResolveErrors({error.offset}, "fixed"));
  return receipt;
}

Result<ErrorRoutes::OpenError> ErrorRoutes::FindOne(const Call& call) {
  const std::string& id = call.Segment("id");
  int64_t offset = -1;
  const auto [end, bad] = std::from_chars(id.data(), id.data() + id.size(), offset);
  if (bad != std::errc() || end != id.data() + id.size()) {
    return NotFound("an error's id is a number, as `sluice errors list` shows it");
  }
  SLUICE_ASSIGN_OR_RETURN(auto found, FindOpen(fmt::format("_offset = {}", offset), 1));
  if (found.empty()) return NotFound("there is no open error {}", offset);
  return std::move(found.front());
}

Response ErrorRoutes::Show(const Call& call) {
  const auto error = FindOne(call);
  if (!error.ok()) return ErrorResponse(error.error());
  std::string out = fmt::format("{{\"id\":{},", error->offset);
  AppendMember(out, "topic", error->topic);
  out += ',';
  AppendMember(out, "code", error->code);
  out += ',';
  AppendMember(out, "payload", error->payload);
  return {.headers = {}, .body = out + "}\n"};
}

Response ErrorRoutes::Retry(const Call& call) {
  const auto error = FindOne(call);
  if (!error.ok()) return ErrorResponse(error.error());
  const std::string edited(call.request->body);
  const auto receipt = Resend(*error, edited.empty() ? error->payload : edited);
  if (!receipt.ok()) return ErrorResponse(receipt.error());
  return {.headers = {}, .body = ReceiptJson(*receipt)};
}

Response ErrorRoutes::Drop(const Call& call) {
  const auto error = FindOne(call);
  if (!error.ok()) return ErrorResponse(error.error());
  const Status dropped = ingest_.ResolveErrors({error->offset}, "dropped");
  if (!dropped.ok()) return ErrorResponse(dropped.error());
  return {.headers = {}, .body = "{\"dropped\":1}\n"};
}

Response ErrorRoutes::Replay(const Call& call) {
  std::string condition = "true";
  for (const char* const name : {"topic", "code"}) {
    if (const std::string value = call.Parameter(name); !value.empty()) {
      condition += fmt::format(" and {} = {}", name, SqlText(value));
    }
  }
  auto found = FindOpen(condition, 100'000);
  if (!found.ok()) return ErrorResponse(found.error());
  int64_t accepted = 0;
  int64_t duplicate = 0;
  int64_t failed = 0;
  const bool dry_run = call.Parameter("dry_run") == "true";
  for (const OpenError& error : *found) {
    if (dry_run) break;
    auto receipt = Resend(error, error.payload);
    if (!receipt.ok()) {
      if (receipt.error().code() != ErrorCode::kInvalid) return ErrorResponse(receipt.error());
      ++failed;  // Refused whole: its error row stays open.
      continue;
    }
    accepted += receipt->accepted;
    duplicate += receipt->duplicate;
    failed += receipt->error;
  }
  return {.headers = {},
          .body = fmt::format("{{\"found\":{},\"accepted\":{},\"duplicate\":{},\"error\":{},"
                              "\"dry_run\":{}}}\n",
                              found->size(), accepted, duplicate, failed, dry_run)};
}

}  // namespace sluice::api::internal
