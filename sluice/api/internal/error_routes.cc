#include "sluice/api/internal/error_routes.h"

#include <fmt/format.h>
#include <simdjson.h>

#include <charconv>
#include <future>
#include <map>
#include <utility>

#include "sluice/api/internal/answer_text.h"
#include "sluice/api/problem.h"
#include "sluice/base/base64.h"
#include "sluice/base/hex.h"
#include "sluice/base/sql_text.h"
#include "sluice/event/contract.h"

namespace sluice::api::internal {
namespace {

constexpr int64_t kReplayedAtOnce = 1000;
}  // namespace

bool ErrorRoutes::OpenError::SameAsLanded() const {
  return !given && code != ingest::kOtherContent;
}

ingest::Submission ErrorRoutes::SubmissionOf(const OpenError& error,
                                             const decode::PaddedText& payload) {
  ingest::Submission submission;
  submission.body = payload.view();
  submission.framing = decode::Framing::kJson;
  submission.shape = error.shape == "content" ? decode::Shape::kContent : decode::Shape::kEnvelope;
  submission.topic = error.topic;
  submission.replaces = {.offset = error.offset, .id = error.id};
  return submission;
}

void ErrorRoutes::AddTo(Router& router) {
  router.AddBlocking("GET", "/v1/admin/errors", Access::kAdmin,
                     [this](const Call& call) { return List(call); });
  router.AddBlocking("GET", "/v1/admin/errors/groups", Access::kAdmin,
                     [this](const Call&) { return ListGroups(); });
  router.AddBlocking("POST", "/v1/admin/errors/replay", Access::kAdmin,
                     [this](const Call& call) { return Replay(call); });
  router.AddBlocking("GET", "/v1/admin/errors/{id}", Access::kAdmin,
                     [this](const Call& call) { return Show(call); });
  router.AddBlocking("POST", "/v1/admin/errors/{id}/retry", Access::kAdmin,
                     [this](const Call& call) { return Retry(call); });
  router.AddBlocking("POST", "/v1/admin/errors/{id}/drop", Access::kAdmin,
                     [this](const Call& call) { return Drop(call); });
}

Response ErrorRoutes::List(const Call& call) {
  std::string query =
      "select _offset as id, _received_at as received_at, topic, code, path, "
      "message, row_number, shape from (" +
      std::string(kOpenErrors) + ")";
  std::string where;
  for (const char* const name : {"topic", "code", "path"}) {
    if (const std::string value = call.Parameter(name); !value.empty()) {
      where += fmt::format("{} {} = {}", where.empty() ? " where" : " and", name, SqlText(value));
    }
  }
  query += where + " order by _offset desc limit 1000";
  auto result = database_.Query(query, sql::Format::kJson);
  if (!result.ok()) return ErrorResponse(result.error());
  return {.headers = {}, .body = std::move(result->body)};
}

Response ErrorRoutes::ListGroups() {
  auto result = database_.Query(
      fmt::format("select topic, code, path, any_value(message) as message, count(*) as errors, "
                  "min(_received_at) as first, max(_received_at) as last, max(_offset) as newest "
                  "from ({}) group by topic, code, path order by errors desc, last desc limit 1000",
                  kOpenErrors),
      sql::Format::kJson);
  if (!result.ok()) return ErrorResponse(result.error());
  return {.headers = {}, .body = std::move(result->body)};
}

Result<std::vector<ErrorRoutes::OpenError>> ErrorRoutes::FindOpen(const std::string& condition,
                                                                  int64_t limit) {
  const std::string query = fmt::format(
      "select _offset, topic, code, epoch_us(_received_at) as received_us, path, message, shape, "
      "_id, "
      "payload from ({}) where {} "
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
    if (row["received_us"].get(error.received_us) != simdjson::SUCCESS) error.received_us = 0;
    if (row["path"].get(text) == simdjson::SUCCESS) error.path = text;
    if (row["message"].get(text) == simdjson::SUCCESS) error.message = text;
    if (row["shape"].get(text) == simdjson::SUCCESS) error.shape = text;
    if (row["_id"].get(text) == simdjson::SUCCESS) {
      SLUICE_ASSIGN_OR_RETURN(error.id, DecodeBase64(text));
    }
    if (row["payload"].get(text) == simdjson::SUCCESS) {
      SLUICE_ASSIGN_OR_RETURN(const std::string sealed, DecodeBase64(text));
      SLUICE_ASSIGN_OR_RETURN(error.payload, ingest_.OpenPayload(sealed));
    }
    errors.push_back(std::move(error));
  }
  return errors;
}

std::vector<Result<ingest::Receipt>> ErrorRoutes::Resend(const std::vector<OpenError>& errors) {
  const auto landed = FindLanded(errors);
  if (!landed.ok()) return {errors.size(), landed.error()};
  // All go out before the first answer is waited for, so that they share syncs.
  std::vector<std::future<Result<ingest::Receipt>>> answers;
  std::vector<int64_t> done;
  for (size_t i = 0; i < errors.size(); ++i) {
    const OpenError& error = errors[i];
    auto answer = std::make_shared<std::promise<Result<ingest::Receipt>>>();
    answers.push_back(answer->get_future());
    if ((*landed)[i] && !error.SameAsLanded()) {
      answer->set_value(
          Invalid("the table has an event with the identity of error {} that may have other "
                  "content; drop the error, or give the event an identity of its own",
                  error.offset));
      continue;
    }
    if ((*landed)[i]) {
      done.push_back(error.offset);
      ingest::Receipt known;
      known.received = known.duplicate = 1;
      answer->set_value(std::move(known));
      continue;
    }
    if (error.payload.empty()) {
      answer->set_value(Invalid("the event of error {} was not kept", error.offset));
      continue;
    }
    const decode::PaddedText payload(error.payload);
    ingest_.Submit(SubmissionOf(error, payload), [answer](Result<ingest::Receipt> receipt) {
      answer->set_value(std::move(receipt));
    });
  }
  if (!done.empty()) {
    const Status closed = ingest_.ResolveErrors(done, "fixed");
    if (!closed.ok()) return {errors.size(), closed.error()};
  }
  std::vector<Result<ingest::Receipt>> receipts;
  receipts.reserve(answers.size());
  for (auto& answer : answers) receipts.push_back(answer.get());
  return receipts;
}

Result<ingest::Receipt> ErrorRoutes::TryAgain(const std::vector<OpenError>& errors,
                                              ingest::Ingest::Tried& tried) {
  SLUICE_ASSIGN_OR_RETURN(const std::vector<bool> landed, FindLanded(errors));
  ingest::Receipt all;
  for (size_t i = 0; i < errors.size(); ++i) {
    ++all.received;
    if (landed[i]) {
      ++(errors[i].SameAsLanded() ? all.duplicate : all.error);
      continue;
    }
    const decode::PaddedText payload(errors[i].payload);
    const auto receipt =
        errors[i].payload.empty()
            ? Result<ingest::Receipt>(Invalid("the event of the error was not kept"))
            : ingest_.Try(SubmissionOf(errors[i], payload), tried);
    if (receipt.ok()) {
      all.accepted += receipt->accepted;
      all.duplicate += receipt->duplicate;
      all.error += receipt->error;
    } else if (receipt.error().code() == ErrorCode::kInvalid) {
      ++all.error;
    } else {
      return receipt.error();
    }
  }
  return all;
}

Result<std::vector<bool>> ErrorRoutes::FindLanded(const std::vector<OpenError>& errors) {
  std::map<std::string, std::multimap<std::string, size_t>> asked;  // By topic: identities as hex.
  for (size_t i = 0; i < errors.size(); ++i) {
    const os::Timestamp received{std::chrono::microseconds(errors[i].received_us)};
    if (!ingest_.IsBeyondHorizon(errors[i].topic, received)) continue;
    const decode::PaddedText payload(errors[i].payload);
    asked[errors[i].topic].emplace(ToHex(ingest_.ReplayIdentity(SubmissionOf(errors[i], payload))),
                                   i);
  }
  std::vector<bool> landed(errors.size());
  for (const auto& [topic, ids] : asked) {
    std::string query = fmt::format(
        "select distinct lower(hex(_id)) as id from bronze.\"{}\" where lower(hex(_id)) in (",
        event::TableName(topic));
    for (const auto& [id, index] : ids) query += fmt::format("'{}',", id);
    query.back() = ')';
    SLUICE_ASSIGN_OR_RETURN(const sql::QueryResult result,
                            database_.Query(query, sql::Format::kNdjson));
    simdjson::dom::parser parser;
    simdjson::dom::document_stream rows;
    if (parser.parse_many(result.body).get(rows) != simdjson::SUCCESS) {
      return Internal("an answer could not be read back");
    }
    for (const auto row : rows) {
      std::string_view id;
      if (row["id"].get(id) != simdjson::SUCCESS) continue;
      const auto [begin, end] = ids.equal_range(std::string(id));
      for (auto found = begin; found != end; ++found) landed[found->second] = true;
    }
  }
  return landed;
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
  const Status kept = audit_.Record({.principal = call.principal.id,
                                     .action = "errors.show",
                                     .object = fmt::format("{}", error->offset),
                                     .outcome = "done",
                                     .reason = call.Parameter("reason")});
  if (!kept.ok()) return ErrorResponse(kept.error());
  std::string out = fmt::format("{{\"id\":{},", error->offset);
  AppendMember(out, "topic", error->topic);
  out += ',';
  AppendMember(out, "code", error->code);
  out += ',';
  AppendMember(out, "path", error->path);
  out += ',';
  AppendMember(out, "message", error->message);
  out += ',';
  AppendMember(out, "payload", error->payload);
  out += fmt::format(",\"payload_kept\":{}", !error->payload.empty());
  return {.headers = {}, .body = out + "}\n"};
}

Response ErrorRoutes::Retry(const Call& call) {
  auto error = FindOne(call);
  if (!error.ok()) return ErrorResponse(error.error());
  if (!call.request->body.empty()) {
    error->payload = call.request->body;
    error->given = true;
  }
  if (error->payload.empty()) {
    return ErrorResponse(
        Invalid("the event of error {} was not kept (limits.error_bytes); give it in the body",
                error->offset));
  }
  const auto receipt = std::move(Resend({*error}).front());
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

Result<int64_t> ErrorRoutes::FindNewest() {
  SLUICE_ASSIGN_OR_RETURN(
      const sql::QueryResult result,
      database_.Query("select max(_offset) as newest from system.errors", sql::Format::kNdjson));
  simdjson::dom::parser parser;
  simdjson::dom::document_stream rows;
  int64_t newest = -1;
  if (parser.parse_many(result.body).get(rows) != simdjson::SUCCESS) {
    return Internal("an answer could not be read back");
  }
  for (const auto row : rows) {
    if (row["newest"].get(newest) == simdjson::SUCCESS) break;
  }
  return newest;
}

Response ErrorRoutes::Replay(const Call& call) {
  std::string condition = "true";
  for (const char* const name : {"topic", "code", "path"}) {
    if (const std::string value = call.Parameter(name); !value.empty()) {
      condition += fmt::format(" and {} = {}", name, SqlText(value));
    }
  }
  int64_t found = 0;
  int64_t accepted = 0;
  int64_t duplicate = 0;
  int64_t failed = 0;
  ingest::Ingest::Tried tried;
  const std::string wanted = call.Parameter("dry_run");
  if (call.request->query.contains("dry_run") && wanted != "true" && wanted != "false") {
    // A word that was meant as yes must not send everything again.
    return Problem(400, "SL4001", "dry_run must be true or false");
  }
  const bool dry_run = wanted == "true";
  const auto newest = FindNewest();
  if (!newest.ok()) return ErrorResponse(newest.error());
  // What fails again is a new error, behind the newest that there was: it is not tried again here.
  for (int64_t behind = -1; behind < *newest;) {
    auto part =
        FindOpen(fmt::format("{} and _offset > {} and _offset <= {}", condition, behind, *newest),
                 kReplayedAtOnce);
    if (!part.ok()) return ErrorResponse(part.error());
    if (part->empty()) break;
    behind = part->back().offset;
    found += static_cast<int64_t>(part->size());
    if (dry_run) {
      const auto would = TryAgain(*part, tried);
      if (!would.ok()) return ErrorResponse(would.error());
      accepted += would->accepted;
      duplicate += would->duplicate;
      failed += would->error;
      continue;
    }
    for (const auto& receipt : Resend(*part)) {
      if (receipt.ok()) {
        accepted += receipt->accepted;
        duplicate += receipt->duplicate;
        failed += receipt->error;
      } else if (receipt.error().code() == ErrorCode::kInvalid) {
        ++failed;  // Refused whole: its error row stays open.
      } else {
        return ErrorResponse(receipt.error());
      }
    }
  }
  return {.headers = {},
          .body = fmt::format("{{\"found\":{},\"accepted\":{},\"duplicate\":{},\"error\":{},"
                              "\"dry_run\":{}}}\n",
                              found, accepted, duplicate, failed, dry_run)};
}

}  // namespace sluice::api::internal
