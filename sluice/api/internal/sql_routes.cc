#include "sluice/api/internal/sql_routes.h"

#include <fmt/format.h>

#include <chrono>
#include <utility>

#include "sluice/api/body_stream.h"
#include "sluice/api/internal/answer_text.h"
#include "sluice/api/internal/sql_request.h"
#include "sluice/api/problem.h"
#include "sluice/base/json.h"

namespace sluice::api::internal {

namespace {

constexpr int kThreads = 16;  // They wait most of the time: for a worker, or for a reader.
constexpr size_t kQueueMax = 48;
constexpr size_t kHeldBytesMax = 64u << 10;

/// Sends an answer: whole if it is short, else while it is made. Until the first bytes are sent an
/// error still has a status of its own.
class AnswerSink final : public worker::BodySink {
 public:
  AnswerSink(worker::Form form, Respond respond, std::chrono::milliseconds idle_max)
      : form_(form), respond_(std::move(respond)), patience_{.idle_max = idle_max} {}

  void SetId(const std::string& id) { id_ = id; }

  Status Write(std::string_view bytes, std::optional<int64_t> rows,
               os::Monotonic deadline) override {
    rows_ = rows;
    if (stream_) return Stream(bytes, deadline);
    held_.append(bytes);
    if (held_.size() < kHeldBytesMax) return {};
    stream_ = std::make_shared<BodyStream>();
    Response response = MakeResponse();
    response.stream = stream_;
    respond_(std::move(response));
    return Stream(std::exchange(held_, {}), deadline);
  }
  void SetOthersWait(std::function<bool()> ask) override { patience_.others_wait = std::move(ask); }
  std::string_view ErrorCodeOfWrite() const override {
    return reader_idle_ ? worker::kReaderIdle : std::string_view();
  }

  void Finish() {
    if (stream_) return stream_->Finish();
    Response response = MakeResponse();
    response.body = std::move(held_);
    respond_(std::move(response));
  }

  void Fail(const Error& error, const Diagnostic& diagnosis) {
    if (stream_ == nullptr) {
      Response response = QueryProblem(error, diagnosis);
      response.headers.emplace_back("Sluice-Query-Id", id_);
      return respond_(std::move(response));
    }
    if (reader_idle_) return stream_->GiveUp();
    // Where bytes end inside a row no record would be understood.
    const std::string record =
        rows_ ? worker::FailureRecord(form_, *rows_, error, diagnosis) : std::string();
    if (record.empty() || !stream_->Write(record, os::Monotonic::min()).ok()) {
      return stream_->Cut();
    }
    stream_->Finish();
  }

 private:
  Status Stream(std::string_view bytes, os::Monotonic deadline) {
    Status written = stream_->Write(bytes, deadline, patience_);
    reader_idle_ = !written.ok() && written.error().code() == ErrorCode::kConflict;
    return written;
  }

  Response MakeResponse() const {
    Response response;
    response.content_type = worker::ContentType(form_);
    response.headers.emplace_back("Sluice-Query-Id", id_);
    return response;
  }

  static Response QueryProblem(const Error& error, const Diagnostic& diagnosis) {
    Response response = ErrorResponse(error);
    if (diagnosis.code.empty()) return response;
    if (diagnosis.code == "SL2202") response.status = 422;  // Again would end the same.
    if (diagnosis.code == "SL2203" || diagnosis.code == "SL2204") response.status = 422;
    if (diagnosis.code == "SL2201") response.status = 504;
    if (diagnosis.code == "SL2207") response.status = 429;
    if (diagnosis.code == "SL2301") response.status = 404;
    std::erase_if(response.headers, [&](const auto& header) {
      return header.first == "Retry-After" && response.status != 429 && response.status != 503;
    });
    std::string detail = error.message();
    if (!diagnosis.suggestion.empty()) detail += "; " + diagnosis.suggestion;
    response.body = Problem(response.status, diagnosis.code, detail).body;
    AddDiagnostics(response, {diagnosis});
    return response;
  }

  const worker::Form form_;
  const Respond respond_;
  std::string id_;
  std::string held_;
  std::optional<int64_t> rows_ = 0;
  std::shared_ptr<BodyStream> stream_;
  BodyStream::Patience patience_;
  bool reader_idle_ = false;
};

std::string StatusJson(const sql::QueryStatus& status) {
  std::string out = "{";
  AppendMember(out, "id", status.id);
  out += ',';
  AppendMember(out, "state", status.state);
  out += fmt::format(
      ",\"started_ms\":{},\"elapsed_ms\":{},\"rows\":{},\"bytes\":{},",
      std::chrono::floor<std::chrono::milliseconds>(status.started).time_since_epoch().count(),
      status.elapsed_ms, status.rows, status.bytes);
  AppendMember(out, "code", status.code);
  out += ',';
  AppendMember(out, "sql", status.sql);
  return out + "}";
}

}  // namespace

SqlRoutes::SqlRoutes(sql::Database& database, ingest::Ingest& ingest,
                     std::chrono::milliseconds reader_idle_max)
    : database_(database),
      audit_(ingest),
      reader_idle_max_(reader_idle_max),
      queries_(kThreads, kQueueMax) {}

void SqlRoutes::AddTo(Router& router) {
  router.Add("POST", "/v1/sql", Access::kRead, [this](const Call& call, const Respond& respond) {
    if (!queries_.TryRun([this, call, respond] { Run(call, respond); })) {
      respond(TryAgain(429, "SL2207", "too many queries wait; try again", 1));
    }
  });
  router.AddBlocking("GET", "/v1/queries", Access::kRead,
                     [this](const Call& call) { return List(call); });
  router.AddBlocking("GET", "/v1/queries/{id}", Access::kRead,
                     [this](const Call& call) { return Show(call); });
  router.AddBlocking("DELETE", "/v1/queries/{id}", Access::kRead,
                     [this](const Call& call) { return Cancel(call); });
}

void SqlRoutes::Run(const Call& call, const Respond& respond) {
  auto read = ReadSqlRequest(*call.request);
  if (auto* const problem = std::get_if<Response>(&read)) return respond(std::move(*problem));
  auto& query = std::get<sql::QueryRequest>(read);
  query.principal = call.principal;
  query.audit = [&](const sql::ChangeNote& note) {
    return audit_.Record({.principal = call.principal.id,
                          .action = fmt::format("sql.{}", note.statement),
                          .object = note.table,
                          .outcome = note.done ? note.outcome : "begun",
                          .reason = {}});
  };
  AnswerSink sink(query.format, respond, reader_idle_max_);
  Diagnostic diagnosis;
  const auto outcome = database_.Run(query, sink, call.request->watch_client(), &diagnosis,
                                     [&sink](const std::string& id) { sink.SetId(id); });
  if (outcome.ok()) return sink.Finish();
  sink.Fail(outcome.error(), diagnosis);
}

sql::QueryLog::Of SqlRoutes::QueriesOf(const Call& call) const {
  sql::QueryLog::Of of{.tenant = database_.tenant()};
  if (!call.principal.Allows(govern::Verb::kAdmin)) of.principal = call.principal.id;
  return of;
}

Response SqlRoutes::List(const Call& call) const {
  std::string out = "{\"queries\":[";
  bool first = true;
  for (const sql::QueryStatus& status : database_.log().List(QueriesOf(call))) {
    out += std::exchange(first, false) ? "\n" : ",\n";
    out += StatusJson(status);
  }
  return {.headers = {}, .body = out + "]}\n"};
}

Response SqlRoutes::Show(const Call& call) const {
  const auto status = database_.log().Find(QueriesOf(call), call.Segment("id"));
  if (!status) return Problem(404, "SL4040", "there is no query of this id");
  return {.headers = {}, .body = StatusJson(*status) + "\n"};
}

Response SqlRoutes::Cancel(const Call& call) {
  const Status cancelled = database_.log().Cancel(QueriesOf(call), call.Segment("id"));
  if (!cancelled.ok()) return ErrorResponse(cancelled.error());
  return {.headers = {}, .body = "{\"cancelled\":1}\n"};
}

}  // namespace sluice::api::internal
