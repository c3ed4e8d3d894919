#include "sluice/api/internal/privacy_routes.h"

#include <fmt/format.h>
#include <simdjson.h>

#include <array>
#include <charconv>
#include <utility>

#include "sluice/api/internal/answer_text.h"
#include "sluice/api/problem.h"
#include "sluice/base/sql_text.h"

namespace sluice::api::internal {
namespace {

using event::PrivacyAction;

// What a scan looks for. Wide on purpose: a finding is a question to the schema's owner.
struct Pattern {
  std::string_view kind;
  std::string_view expression;
};
constexpr std::array<Pattern, 5> kPatterns = {{
    {"e-mail", R"([A-Za-z0-9._%+-]+@[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)+)"},
    {"phone", R"((^|[^0-9A-Za-z.-])(\+|00)[1-9][0-9 ()/-]{7,14}[0-9]($|[^0-9]))"},
    {"iban", R"((^|[^A-Z0-9])[A-Z]{2}[0-9]{2}( ?[A-Z0-9]{4}){3,7}( ?[A-Z0-9]{1,3})?($|[^A-Z0-9]))"},
    {"card", R"((^|[^0-9])[3-6][0-9]{3}([ -]?[0-9]{4}){2}[ -]?[0-9]{3,4}($|[^0-9]))"},
    {"ip-address", R"((^|[^0-9.])([0-9]{1,3}\.){3}[0-9]{1,3}($|[^0-9.]))"},
}};
constexpr int64_t kScanRowsDefault = 100'000;
constexpr int64_t kScanRowsMax = 10'000'000;

bool HoldsText(const event::Field& field) {
  switch (event::InnermostType(field)) {
    case event::FieldType::kText:
    case event::FieldType::kStruct:
      return true;
    default:
      return false;
  }
}

/// Columns of a topic's table whose values stand there in clear and may be anything.
std::vector<std::string> ClearColumns(const event::Contract& contract) {
  std::vector<std::string> columns;
  for (const event::Field& field : contract.fields) {
    if (field.privacy.action == PrivacyAction::kNone && HoldsText(field)) {
      columns.push_back(field.column);
    }
  }
  if (contract.schemaless) columns = {"id", "data"};
  columns.emplace_back("_producer");
  if (!event::IsSensitive(contract)) {
    columns.emplace_back("_extra");
    columns.emplace_back("_metadata");
  }
  return columns;
}

bool IsDeclared(const event::Contract& contract, std::string_view column) {
  for (const event::Field& field : contract.fields) {
    if (field.column == column) return !field.pii.empty();
  }
  return false;
}

bool ComesBack(PrivacyAction action) {
  return action == PrivacyAction::kNone || action == PrivacyAction::kTokenize ||
         action == PrivacyAction::kEncrypt;
}

}  // namespace

void PrivacyRoutes::AddTo(Router& router) {
  router.AddBlocking("GET", "/v1/admin/pii/report", Access::kAdmin,
                     [this](const Call&) { return Report(); });
  router.AddBlocking("POST", "/v1/admin/pii/scan", Access::kAdmin,
                     [this](const Call& call) { return Scan(call); });
  router.AddBlocking("POST", "/v1/admin/pii/reveal", Access::kAdmin,
                     [this](const Call& call) { return Reveal(call); });
  router.AddBlocking("POST", "/v1/admin/pii/shred", Access::kAdmin,
                     [this](const Call& call) { return Shred(call); });
}

Response PrivacyRoutes::Report() const {
  std::string out = "{\"fields\":[";
  bool first = true;
  for (const catalog::Topic& topic : ingest_.Topics()) {
    const event::Contract& contract = *topic.contract;
    event::ForEachField(
        contract.fields, [&](const event::FieldPath& path, const event::Field& field) {
          const PrivacyAction action = field.privacy.action;
          if (action == PrivacyAction::kNone && field.pii.empty() && !field.subject) return;
          if (!std::exchange(first, false)) out += ',';
          out += "\n{";
          AppendMember(out, "topic", contract.topic);
          out += ',';
          AppendMember(out, "table", topic.schema_name + "." + contract.table);
          out += ',';
          AppendMember(out, "field", event::PathName(contract.fields, path));
          out += ',';
          AppendMember(out, "kind", field.pii);
          out += ',';
          AppendMember(out, "action", ToString(action));
          out += ',';
          AppendMember(out, "join_group", field.privacy.join_group);
          out += fmt::format(",\"subject\":{},\"comes_back\":{},\"in_clear\":{}}}", field.subject,
                             ComesBack(action), action == PrivacyAction::kNone);
        });
  }
  return {.headers = {}, .body = out + "]}\n"};
}

Response PrivacyRoutes::Scan(const Call& call) {
  int64_t rows_max = kScanRowsDefault;
  if (call.request->query.contains("rows")) {
    const std::string text = call.Parameter("rows");
    const auto [end, bad] = std::from_chars(text.data(), text.data() + text.size(), rows_max);
    if (bad != std::errc() || end != text.data() + text.size() || rows_max < 1 ||
        rows_max > kScanRowsMax) {
      return Problem(400, "SL4007", fmt::format("rows is a number from 1 to {}", kScanRowsMax));
    }
  }
  std::string findings;
  int64_t tables = 0;
  for (const catalog::Topic& topic : ingest_.Topics()) {
    if (topic.schema_name != "bronze") continue;
    ++tables;
    const std::vector<std::string> columns = ClearColumns(*topic.contract);
    std::string query = "select count(*) as \"rows\"";
    for (size_t column = 0; column < columns.size(); ++column) {
      for (size_t pattern = 0; pattern < kPatterns.size(); ++pattern) {
        query += fmt::format(
            ", count(*) filter (where regexp_matches(cast({} as varchar), '{}')) as c{}_{}",
            SqlName(columns[column]), kPatterns.at(pattern).expression, column, pattern);
      }
    }
    query += fmt::format(" from (select * from bronze.{} limit {})", SqlName(topic.contract->table),
                         rows_max);
    const auto result = database_.Query(query, sql::Format::kNdjson);
    if (!result.ok()) return ErrorResponse(result.error());
    simdjson::dom::parser parser;
    simdjson::dom::element row;
    const std::string_view line = std::string_view(result->body).substr(0, result->body.find('\n'));
    if (parser.parse(simdjson::padded_string(line)).get(row) != simdjson::SUCCESS) {
      return Problem(500, "SL5000", "an answer could not be read back");
    }
    int64_t rows = 0;
    if (row["rows"].get(rows) != simdjson::SUCCESS) rows = 0;
    for (size_t column = 0; column < columns.size(); ++column) {
      for (size_t pattern = 0; pattern < kPatterns.size(); ++pattern) {
        int64_t matches = 0;
        if (row[fmt::format("c{}_{}", column, pattern)].get(matches) != simdjson::SUCCESS ||
            matches == 0) {
          continue;
        }
        findings += findings.empty() ? "\n{" : ",\n{";
        AppendMember(findings, "table", "bronze." + topic.contract->table);
        findings += ',';
        AppendMember(findings, "column", columns[column]);
        findings += ',';
        AppendMember(findings, "looks_like", kPatterns.at(pattern).kind);
        findings += fmt::format(",\"matches\":{},\"rows\":{},\"declared\":{}}}", matches, rows,
                                IsDeclared(*topic.contract, columns[column]));
      }
    }
  }
  return {.headers = {},
          .body = fmt::format("{{\"findings\":[{}],\"tables\":{},\"rows_each\":{}}}\n", findings,
                              tables, rows_max)};
}

Response PrivacyRoutes::Reveal(const Call& call) {
  simdjson::dom::parser parser;
  simdjson::dom::element root;
  std::string_view token;
  std::string_view reason;
  const auto reason_is = [&] { return root["reason"].get(reason); };
  if (parser.parse(call.request->body.data(), call.request->body.size()).get(root) !=
          simdjson::SUCCESS ||
      root["token"].get(token) != simdjson::SUCCESS ||
      (reason_is() != simdjson::SUCCESS && reason_is() != simdjson::NO_SUCH_FIELD)) {
    return Problem(400, "SL4008", R"(expected {"token": "s1.…", "reason": "…"})");
  }
  const auto value = ingest_.Reveal(token);
  // What is no token of ours may be anything, even the value itself.
  const bool known = value.ok() || value.error().code() == ErrorCode::kNotFound;
  const Status kept = audit_.Record({.principal = call.principal.id,
                                     .action = "pii.reveal",
                                     .object = known ? std::string(token) : "",
                                     .outcome = value.ok() ? "done" : value.error().message(),
                                     .reason = std::string(reason)});
  if (!kept.ok()) return ErrorResponse(kept.error());
  if (!value.ok()) return ErrorResponse(value.error());
  std::string out = "{";
  AppendMember(out, "value", *value);
  return {.headers = {}, .body = out + "}\n"};
}

Response PrivacyRoutes::Shred(const Call& call) {
  simdjson::dom::parser parser;
  simdjson::dom::element root;
  std::string_view subject;
  if (parser.parse(call.request->body.data(), call.request->body.size()).get(root) !=
          simdjson::SUCCESS ||
      root["subject"].get(subject) != simdjson::SUCCESS || subject.empty()) {
    return Problem(400, "SL4009", R"(expected {"subject": "…"})");
  }
  const std::string name = ingest_.NameOfSubject(subject);
  // Twice: a row that says what was begun, should the second one never come.
  for (const bool done : {false, true}) {
    if (done) {
      const Status destroyed = ingest_.DestroySubject(subject);
      if (!destroyed.ok()) return ErrorResponse(destroyed.error());
    }
    const Status kept = audit_.Record({.principal = call.principal.id,
                                       .action = "pii.shred",
                                       .object = name,
                                       .outcome = done ? "done" : "begun",
                                       .reason = {}});
    if (!kept.ok()) return ErrorResponse(kept.error());
  }
  std::string out = "{";
  AppendMember(out, "subject_key", name);
  return {.headers = {}, .body = out + "}\n"};
}

}  // namespace sluice::api::internal
