#include "sluice/server/routes.h"

#include <fmt/format.h>
#include <simdjson.h>

#include <charconv>
#include <future>
#include <utility>

#include "sluice/base/base64.h"
#include "sluice/base/json.h"
#include "sluice/server/version.h"

namespace sluice::server {
namespace {

using api::Problem;
using api::Request;
using api::Respond;
using api::Response;

void AppendText(std::string& out, std::string_view name, std::string_view text) {
  AppendJsonString(out, name);
  out += ':';
  AppendJsonString(out, text);
}

std::string ReceiptJson(const ingest::Receipt& receipt) {
  std::string out =
      fmt::format("{{\"received\":{},\"accepted\":{},\"duplicate\":{},\"error\":{}",
                  receipt.received, receipt.accepted, receipt.duplicate, receipt.error);
  if (receipt.without_identity > 0) {
    out += fmt::format(",\"without_identity\":{}", receipt.without_identity);
  }
  out += ",\"offsets\":[";
  for (size_t i = 0; i < receipt.offsets.size(); ++i) {
    const ingest::OffsetRange& range = receipt.offsets[i];
    if (i > 0) out += ',';
    out += '{';
    AppendText(out, "topic", range.topic);
    out += fmt::format(",\"partition\":{},\"first\":{},\"last\":{}}}", range.partition, range.first,
                       range.last);
  }
  out += "],\"errors\":[";
  for (size_t i = 0; i < receipt.errors.size(); ++i) {
    const ingest::RowProblem& problem = receipt.errors[i];
    if (i > 0) out += ',';
    out += fmt::format("{{\"row\":{},", problem.row);
    AppendText(out, "code", problem.code);
    out += ',';
    AppendText(out, "path", problem.path);
    out += ',';
    AppendText(out, "message", problem.message);
    out += '}';
  }
  return out + "]}\n";
}

std::string Parameter(const Request& request, const std::string& name) {
  const auto found = request.query.find(name);
  return found == request.query.end() ? std::string() : found->second;
}

/// `application/json; charset=utf-8` → `application/json`
std::string MediaType(std::string_view header) {
  std::string type(header.substr(0, header.find(';')));
  while (!type.empty() && type.back() == ' ') type.pop_back();
  for (char& c : type) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return type;
}

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

Response ErrorResponse(const Error& error) {
  switch (error.code()) {
    case ErrorCode::kInvalid:
      return Problem(400, "SL4000", error.message());
    case ErrorCode::kDenied:
      return Problem(403, "SL4030", error.message());
    case ErrorCode::kNotFound:
      return Problem(404, "SL4040", error.message());
    case ErrorCode::kConflict:
      return Problem(409, "SL4090", error.message());
    case ErrorCode::kUnsupported:
      return Problem(422, "SL4220", error.message());
    case ErrorCode::kUnavailable: {
      Response response = Problem(503, "SL5030", error.message());
      response.headers.emplace_back("Retry-After", "1");
      return response;
    }
    case ErrorCode::kCorrupt:
      return Problem(500, "SL5001", error.message());
    case ErrorCode::kInternal:
      break;
  }
  return Problem(500, "SL5000", error.message());
}

Routes::Routes(ingest::Ingest& ingest, land::Lander& lander, sql::Database& database,
               Metrics& metrics, WorkerPool& workers, Hooks hooks)
    : ingest_(ingest),
      lander_(lander),
      database_(database),
      metrics_(metrics),
      workers_(workers),
      hooks_(std::move(hooks)) {}

void Routes::Handle(std::shared_ptr<const Request> request, Respond respond) {
  const std::string& path = request->path;
  const std::string& method = request->method;
  const auto only = [&](std::string_view allowed) {
    if (method == allowed || (allowed == "GET" && method == "HEAD")) return true;
    Response response = Problem(405, "SL4050", fmt::format("use {} here", allowed));
    response.headers.emplace_back("Allow", std::string(allowed));
    respond(std::move(response));
    return false;
  };
  // What may block runs on a worker, never on a connection's thread.
  const auto on_worker = [&](std::function<Response()> work) {
    if (!workers_.TryRun([work = std::move(work), respond] { respond(work()); })) {
      Response response = Problem(503, "SL5031", "too many requests wait; try again");
      response.headers.emplace_back("Retry-After", "1");
      respond(std::move(response));
    }
  };

  if (path == "/v1/events" || path == "/v1/events/") {
    if (only("POST")) Events(request, {}, std::move(respond));
  } else if (path.starts_with("/v1/events/")) {
    if (only("POST")) Events(request, path.substr(11), std::move(respond));
  } else if (path == "/v1/sql") {
    if (only("POST")) Sql(request, respond);
  } else if (path == "/healthz") {
    if (only("GET")) respond({.content_type = "text/plain", .headers = {}, .body = "ok\n"});
  } else if (path == "/readyz") {
    if (!only("GET")) return;
    const Status ready = hooks_.ready();
    if (ready.ok())
      return respond({.content_type = "text/plain", .headers = {}, .body = "ready\n"});
    respond(Problem(503, "SL5032", ready.error().message()));
  } else if (path == "/metrics") {
    if (!only("GET")) return;
    respond(
        {.content_type = "text/plain; version=0.0.4", .headers = {}, .body = metrics_.Render()});
  } else if (path == "/v1/version") {
    if (!only("GET")) return;
    respond({.headers = {}, .body = fmt::format("{{\"version\":\"{}\"}}\n", kVersion)});
  } else if (path == "/v1/admin/schemas") {
    if (method == "POST") return on_worker([this, request] { return AddSchema(*request); });
    if (only("GET")) respond(Schemas());
  } else if (path == "/v1/admin/tables") {
    if (only("GET")) respond(Tables());
  } else if (path == "/v1/admin/land") {
    if (!only("POST")) return;
    on_worker([this] {
      const Status landed = lander_.LandAll();
      return landed.ok() ? Tables() : ErrorResponse(landed.error());
    });
  } else if (path.starts_with("/v1/admin/tables/") && path.ends_with("/adopt")) {
    if (!only("POST")) return;
    on_worker([this, topic = path.substr(17, path.size() - 17 - 6)] {
      const Status adopted = lander_.Adopt(topic);
      return adopted.ok() ? Tables() : ErrorResponse(adopted.error());
    });
  } else if (path == "/v1/admin/errors") {
    if (only("GET")) on_worker([this, request] { return Errors(*request); });
  } else if (path == "/v1/admin/errors/replay") {
    if (only("POST")) on_worker([this, request] { return ReplayErrors(*request); });
  } else if (path.starts_with("/v1/admin/errors/")) {
    const std::string rest = path.substr(17);
    const size_t slash = rest.find('/');
    const std::string verb = slash == std::string::npos ? "show" : rest.substr(slash + 1);
    if (!only(verb == "show" ? "GET" : "POST")) return;
    on_worker(
        [this, request, id = rest.substr(0, slash), verb] { return OneError(*request, id, verb); });
  } else {
    respond(Problem(404, "SL4041", fmt::format("there is nothing at this address")));
  }
}

void Routes::Events(const std::shared_ptr<const Request>& request, std::string topic,
                    Respond respond) {
  ingest::Submission submission;
  const std::string type = MediaType(request->Header("content-type"));
  if (type == "application/x-ndjson" || type == "application/ndjson" ||
      type == "application/jsonl") {
    submission.framing = decode::Framing::kNdjson;
  } else if (type != "application/json" && !type.empty()) {
    return respond(Problem(
        415, "SL4150", "send application/json (an object or an array) or application/x-ndjson"));
  }
  if (const std::string_view encoding = request->Header("content-encoding");
      !encoding.empty() && encoding != "identity") {
    return respond(Problem(415, "SL4151", "compressed bodies are not taken yet"));
  }
  const std::string wait = Parameter(*request, "wait");
  if (wait == "none") {
    submission.wait = ingest::WaitLevel::kNone;
  } else if (wait == "table") {
    submission.wait = ingest::WaitLevel::kTable;
  } else if (!wait.empty() && wait != "log") {
    return respond(Problem(400, "SL4001", "wait must be none, log or table"));
  }
  if (const Status ready = hooks_.ready(); !ready.ok()) {
    Response response = Problem(503, "SL5032", ready.error().message());
    response.headers.emplace_back("Retry-After", "1");
    return respond(std::move(response));
  }
  if (hooks_.disk_full()) {
    Response response = Problem(507, "SL5070", "the disk is full; free space, then send again");
    response.headers.emplace_back("Retry-After", "5");
    return respond(std::move(response));
  }
  submission.body = request->body;
  submission.shape = topic.empty() ? decode::Shape::kEnvelope : decode::Shape::kContent;
  submission.topic = std::move(topic);
  ingest_.Submit(submission, [request, respond](Result<ingest::Receipt> receipt) {
    if (!receipt.ok()) {
      if (receipt.error().code() == ErrorCode::kUnavailable) {
        Response response = Problem(429, "SL4290", receipt.error().message());
        response.headers.emplace_back("Retry-After", "1");
        return respond(std::move(response));
      }
      return respond(ErrorResponse(receipt.error()));
    }
    Response response;
    const bool table = Parameter(*request, "wait") == "table";
    response.status = !receipt->durable || (table && !receipt->landed) ? 202 : 200;
    response.body = ReceiptJson(*receipt);
    respond(std::move(response));
  });
}

void Routes::Sql(const std::shared_ptr<const Request>& request, const Respond& respond) {
  std::string text;
  if (MediaType(request->Header("content-type")) == "application/json") {
    simdjson::dom::parser parser;
    simdjson::dom::element root;
    std::string_view query;
    if (parser.parse(request->body.data(), request->body.size()).get(root) != simdjson::SUCCESS ||
        (root["sql"].get(query) != simdjson::SUCCESS &&
         root["query"].get(query) != simdjson::SUCCESS)) {
      return respond(Problem(400, "SL4002", "expected {\"sql\": \"SELECT ...\"}"));
    }
    text = query;
  } else {
    text = request->body;
  }
  sql::Format format = sql::Format::kJson;
  const std::string accept = MediaType(request->Header("accept"));
  if (accept == "application/x-ndjson") {
    format = sql::Format::kNdjson;
  } else if (accept == "text/csv") {
    format = sql::Format::kCsv;
  } else if (accept == "application/vnd.apache.arrow.stream") {
    format = sql::Format::kArrow;
  } else if (!accept.empty() && accept != "*/*" && accept != "application/json") {
    return respond(Problem(406, "SL4060",
                           "the forms are application/json, application/x-ndjson, text/csv and "
                           "application/vnd.apache.arrow.stream"));
  }
  const bool taken = workers_.TryRun([this, text = std::move(text), format, respond] {
    auto result = database_.Query(text, format);
    if (!result.ok()) return respond(ErrorResponse(result.error()));
    Response response;
    response.content_type = result->content_type;
    response.body = std::move(result->body);
    respond(std::move(response));
  });
  if (!taken) {
    Response response = Problem(503, "SL5031", "too many queries wait; try again");
    response.headers.emplace_back("Retry-After", "1");
    respond(std::move(response));
  }
}

Response Routes::AddSchema(const Request& request) {
  std::string name = Parameter(request, "name");
  if (name.empty()) name = "schema.capnp";
  if (name.find('/') != std::string::npos || !name.ends_with(".capnp")) {
    return Problem(400, "SL4003", "name must be a file name that ends with .capnp");
  }
  auto contracts = event::CompileCapnp({{name, std::string(request.body)}}, name);
  if (!contracts.ok()) return ErrorResponse(contracts.error());
  if (contracts->empty()) {
    return Problem(400, "SL1101", "no struct of the schema has $Sl.event(\"topic\")");
  }
  std::string out = "{\"topics\":[";
  for (size_t i = 0; i < contracts->size(); ++i) {
    auto topic = ingest_.Register(hooks_.configure((*contracts)[i]));
    if (!topic.ok()) return ErrorResponse(topic.error());
    if (i > 0) out += ',';
    out += '{';
    AppendText(out, "topic", topic->contract->topic);
    out += ',';
    AppendText(out, "table", topic->schema_name + "." + topic->contract->table);
    out += fmt::format(",\"version\":{}}}", topic->contract->version);
  }
  if (const Status kept = hooks_.keep_schema(name, std::string(request.body)); !kept.ok()) {
    return ErrorResponse(kept.error());
  }
  return {.headers = {}, .body = out + "]}\n"};
}

Response Routes::Schemas() const {
  std::string out = "{\"topics\":[";
  bool first = true;
  for (const catalog::Topic& topic : ingest_.Topics()) {
    if (!std::exchange(first, false)) out += ',';
    out += "\n{";
    AppendText(out, "topic", topic.contract->topic);
    out += ',';
    AppendText(out, "table", topic.schema_name + "." + topic.contract->table);
    out += fmt::format(",\"version\":{},\"partition\":{},\"fields\":[", topic.contract->version,
                       topic.partition);
    for (size_t i = 0; i < topic.contract->fields.size(); ++i) {
      const event::Field& field = topic.contract->fields[i];
      out += i > 0 ? ",{" : "{";
      AppendText(out, "name", field.name);
      out += ',';
      AppendText(out, "column", field.column);
      out += ',';
      AppendText(out, "type", event::ToString(field.type));
      out += '}';
    }
    out += "]}";
  }
  return {.headers = {}, .body = out + "]}\n"};
}

Response Routes::Tables() const {
  std::string out = "{\"tables\":[";
  bool first = true;
  for (const land::TableStatus& table : lander_.Tables()) {
    if (!std::exchange(first, false)) out += ',';
    out += "\n{";
    AppendText(out, "topic", table.topic);
    out += ',';
    AppendText(out, "table", table.table);
    out += fmt::format(
        ",\"partition\":{},\"landed_offset\":{},\"next_offset\":{},\"pending\":{},\"files\":{},"
        "\"version\":{},\"rows\":{},",
        table.partition, table.landed, table.end, table.end - table.landed - 1, table.files,
        table.version, table.landed_rows);
    AppendText(out, "stopped", table.stopped);
    out += '}';
  }
  return {.headers = {}, .body = out + "]}\n"};
}

Response Routes::Errors(const Request& request) {
  std::string query =
      "select _offset as id, _received_at as received_at, topic, code, path, "
      "message, row_number, shape from (" +
      std::string(kOpenErrors) + ")";
  std::string where;
  for (const char* const name : {"topic", "code"}) {
    if (const std::string value = Parameter(request, name); !value.empty()) {
      where += fmt::format("{} {} = {}", where.empty() ? " where" : " and", name, SqlText(value));
    }
  }
  query += where + " order by _offset desc limit 1000";
  auto result = database_.Query(query, sql::Format::kJson);
  if (!result.ok()) return ErrorResponse(result.error());
  return {.headers = {}, .body = std::move(result->body)};
}

Result<std::vector<Routes::OpenError>> Routes::FindOpen(const std::string& condition,
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

Result<ingest::Receipt> Routes::Resend(const OpenError& error, const std::string& payload) {
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

Response Routes::OneError(const Request& request, const std::string& id, const std::string& verb) {
  int64_t offset = -1;
  const auto [end, bad] = std::from_chars(id.data(), id.data() + id.size(), offset);
  if (bad != std::errc() || end != id.data() + id.size()) {
    return Problem(404, "SL4042", "an error's id is a number, as `sluice errors list` shows it");
  }
  auto found = FindOpen(fmt::format("_offset = {}", offset), 1);
  if (!found.ok()) return ErrorResponse(found.error());
  if (found->empty()) return Problem(404, "SL4042", fmt::format("there is no open error {}", id));
  const OpenError& error = found->front();
  if (verb == "drop") {
    const Status dropped = ingest_.ResolveErrors({offset}, "dropped");
    if (!dropped.ok()) return ErrorResponse(dropped.error());
    return {.headers = {}, .body = "{\"dropped\":1}\n"};
  }
  if (verb == "retry") {
    auto receipt = Resend(error, request.body.empty() ? error.payload : std::string(request.body));
    if (!receipt.ok()) return ErrorResponse(receipt.error());
    return {.headers = {}, .body = ReceiptJson(*receipt)};
  }
  if (verb != "show") return Problem(404, "SL4041", "there is nothing at this address");
  std::string out = fmt::format("{{\"id\":{},", offset);
  AppendText(out, "topic", error.topic);
  out += ',';
  AppendText(out, "code", error.code);
  out += ',';
  AppendText(out, "payload", error.payload);
  return {.headers = {}, .body = out + "}\n"};
}

Response Routes::ReplayErrors(const Request& request) {
  std::string condition = "true";
  for (const char* const name : {"topic", "code"}) {
    if (const std::string value = Parameter(request, name); !value.empty()) {
      condition += fmt::format(" and {} = {}", name, SqlText(value));
    }
  }
  auto found = FindOpen(condition, 100'000);
  if (!found.ok()) return ErrorResponse(found.error());
  int64_t accepted = 0;
  int64_t duplicate = 0;
  int64_t failed = 0;
  const bool dry_run = Parameter(request, "dry_run") == "true";
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

}  // namespace sluice::server
