#include "sluice/api/problem.h"

#include <fmt/format.h>

#include "sluice/api/internal/message.h"
#include "sluice/base/diagnostic.h"
#include "sluice/base/json.h"

namespace sluice::api {
namespace {

/// Takes the code off a message such as "SL3001: not valid JSON at byte 7"; none: empty.
std::string_view TakeCode(std::string_view& message) {
  constexpr size_t kCodeSize = 6;
  if (!message.starts_with("SL") || message.substr(kCodeSize, 2) != ": ") return {};
  const std::string_view code = message.substr(0, kCodeSize);
  message.remove_prefix(kCodeSize + 2);
  return code;
}

}  // namespace

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

Response TryAgain(int status, std::string_view code, std::string_view detail, int after_seconds) {
  Response response = Problem(status, code, detail);
  response.headers.emplace_back("Retry-After", std::to_string(after_seconds));
  return response;
}

Response PutOff(const Error& error) {
  std::string_view detail = error.message();
  const std::string_view code = TakeCode(detail);
  // A quota fills up in a day, a queue is empty in a moment.
  if (!code.empty()) return TryAgain(429, code, detail, 60);
  return TryAgain(429, "SL4290", detail, 1);
}

Response Busy(std::string_view detail) { return TryAgain(503, "SL5031", detail, 1); }

namespace {

Response WithoutDiagnostics(const Error& error) {
  std::string_view detail = error.message();
  std::string_view own = TakeCode(detail);
  if (own.empty() && !DiagnosticsOf(error).empty()) own = DiagnosticsOf(error).front().code;
  const auto problem = [&](int status, std::string_view code) {
    return Problem(status, own.empty() ? code : own, detail);
  };
  switch (error.code()) {
    case ErrorCode::kInvalid:
      return problem(400, "SL4000");
    case ErrorCode::kDenied:
      return problem(403, "SL4030");
    case ErrorCode::kNotFound:
      return problem(404, "SL4040");
    case ErrorCode::kConflict:
      return problem(409, "SL4090");
    case ErrorCode::kUnsupported:
      return problem(422, "SL4220");
    case ErrorCode::kUnavailable:
      return TryAgain(503, "SL5030", detail, 1);
    case ErrorCode::kCorrupt:
      return problem(500, "SL5001");
    case ErrorCode::kInternal:
      break;
  }
  return problem(500, "SL5000");
}

}  // namespace

void AddDiagnostics(Response& problem, const std::vector<Diagnostic>& diagnostics) {
  const std::string object = Render(diagnostics, DiagnosticFormat::kJson, nullptr);
  const SourcePlace& first = diagnostics.front().place;
  problem.body.resize(problem.body.rfind('}'));
  if (!first.file.empty()) problem.body += fmt::format(",\"file\":{}", JsonQuote(first.file));
  if (first.line > 0) {
    problem.body += fmt::format(",\"line\":{},\"column\":{}", first.line, first.column);
  }
  problem.body += ',' + object.substr(1);
}

Response ErrorResponse(const Error& error) {
  Response response = WithoutDiagnostics(error);
  if (!DiagnosticsOf(error).empty()) AddDiagnostics(response, DiagnosticsOf(error));
  return response;
}

}  // namespace sluice::api
