#include "sluice/api/internal/schema_routes.h"

#include <fmt/format.h>

#include <charconv>
#include <optional>
#include <utility>

#include "sluice/api/internal/answer_text.h"
#include "sluice/api/internal/schema_change.h"
#include "sluice/api/problem.h"
#include "sluice/base/json.h"
#include "sluice/event/compatibility.h"

namespace sluice::api::internal {

namespace {

constexpr std::string_view kChangeColumns =
    R"([{"name":"field"},{"name":"change"},{"name":"breaks"},{"name":"why"}])";

// The columns of a table of changes.
std::string ChangeCells(const event::Change& change) {
  std::string breaks;
  const auto add = [&](bool broken, std::string_view name) {
    if (broken) breaks.append(breaks.empty() ? "" : ", ").append(name);
  };
  add(change.breaks.stored, "stored rows");
  add(change.breaks.backward, "backward");
  add(change.breaks.forward, "forward");
  add(change.breaks.privacy, "privacy");
  std::string out;
  for (const std::string_view text : {std::string_view(change.path), std::string_view(change.what),
                                      std::string_view(breaks), std::string_view(change.why)}) {
    if (!out.empty()) out += ',';
    AppendJsonString(out, text);
  }
  return out;
}

// What the annotations of an outermost field say of it beside its type, as words.
std::string RolesOf(const event::Contract& contract, size_t index) {
  const event::Field& field = contract.fields[index];
  std::string roles;
  const auto add = [&roles](bool has, std::string_view name) {
    if (has) roles.append(roles.empty() ? "\"" : ",\"").append(name).append("\"");
  };
  add(contract.identity.id_field == index, "id");
  add(contract.key_field == index, "key");
  add(contract.event_time_field == index, "eventTime");
  add(field.subject, "subject");
  add(field.required, "required");
  return roles;
}

void AppendField(std::string& out, const event::Contract& contract, size_t index) {
  const event::Field& field = contract.fields[index];
  out += '{';
  AppendMember(out, "name", field.name);
  out += ',';
  AppendMember(out, "column", field.column);
  out += ',';
  AppendMember(out, "type", event::ToString(field.type));
  out += ',';
  AppendMember(out, "column_type", event::ColumnTypeName(field));
  out += fmt::format(",\"roles\":[{}],", RolesOf(contract, index));
  AppendMember(out, "privacy", ToString(field.privacy));
  out += ',';
  AppendMember(out, "pii", field.pii);
  out += '}';
}

void AppendTopic(std::string& out, const catalog::Topic& topic) {
  out += '{';
  AppendMember(out, "topic", topic.contract->topic);
  out += ',';
  AppendMember(out, "table", topic.schema_name + "." + topic.contract->table);
  out += fmt::format(",\"version\":{}", topic.contract->version);
}

}  // namespace

void SchemaRoutes::AddTo(Router& router) {
  router.AddBlocking("POST", "/v1/admin/schemas", Access::kAdmin,
                     [this](const Call& call) { return Add(call); });
  router.AddBlocking("GET", "/v1/admin/schemas", Access::kAdmin,
                     [this](const Call&) { return List(); });
  router.AddBlocking("DELETE", "/v1/admin/topics/{topic}", Access::kAdmin,
                     [this](const Call& call) { return Remove(call); });
  router.AddBlocking("POST", "/v1/admin/schemas/check", Access::kAdmin,
                     [this](const Call& call) { return Check(call); });
  router.AddBlocking("GET", "/v1/admin/schemas/{topic}", Access::kAdmin,
                     [this](const Call& call) { return Show(call); });
  router.AddBlocking("GET", "/v1/admin/schemas/{topic}/history", Access::kAdmin,
                     [this](const Call& call) { return History(call); });
  router.AddBlocking("GET", "/v1/admin/schemas/{topic}/diff", Access::kAdmin,
                     [this](const Call& call) { return Diff(call); });
}

Response SchemaRoutes::Remove(const Call& call) {
  const auto removed = ingest_.Remove(call.Segment("topic"));
  if (!removed.ok()) return ErrorResponse(removed.error());
  std::string out = "{\"deleted\":{";
  AppendMember(out, "topic", removed->contract->topic);
  out += ',';
  AppendMember(out, "files", removed->table_path);
  out += ',';
  AppendMember(
      out, "note",
      "the files stay; a schema that still declares the topic makes it again, empty, at the "
      "next start");
  return {.headers = {}, .body = out + "}}\n"};
}

Status SchemaRoutes::CheckAgainstPresent(const event::Contract& contract) const {
  const auto versions = ingest_.Versions(contract.topic);
  if (!versions.ok()) {
    return versions.error().code() == ErrorCode::kNotFound ? Status() : versions.status();
  }
  return event::CheckSuccessor(versions->back(), contract);
}

Response SchemaRoutes::Add(const Call& call) {
  // One at a time: what a file may not change is looked up among those before.
  const std::lock_guard lock(mutex_);
  const auto change = ReadSchemaChange(call, hooks_);
  if (!change.ok()) return ErrorResponse(change.error());
  // All or none: what comes together is one change.
  for (const event::Contract& contract : change->contracts) {
    if (const Status fits = CheckAgainstPresent(contract); !fits.ok()) {
      return ErrorResponse(Error(fits.error()).Wrap("topic '" + contract.topic + "'"));
    }
  }
  if (const Status room = ingest_.CheckTopicsMax(change->contracts); !room.ok()) {
    return ErrorResponse(room.error());
  }
  std::string out = "{\"topics\":[";
  const auto registered = ingest_.RegisterAll(change->contracts);
  if (!registered.ok()) return ErrorResponse(registered.error());
  for (const catalog::Topic& topic : *registered) {
    if (out.back() != '[') out += ',';
    AppendTopic(out, topic);
    out += '}';
  }
  out += "],\"files\":[";
  for (const auto& [name, text] : change->files) {
    if (const Status kept = hooks_.keep_schema(name, text); !kept.ok()) {
      return ErrorResponse(kept.error());
    }
    if (out.back() != '[') out += ',';
    AppendJsonString(out, name);
  }
  return {.headers = {}, .body = out + "]}\n"};
}

Response SchemaRoutes::Check(const Call& call) {
  auto wanted_change = ReadSchemaChange(call, hooks_);
  if (!wanted_change.ok()) return ErrorResponse(wanted_change.error());
  std::optional<event::Compatibility> level;
  if (const std::string wanted = call.Parameter("level"); !wanted.empty()) {
    level = event::ParseCompatibility(wanted);
    if (!level) return Problem(400, "SL4001", "level must be none, backward, forward or full");
  }
  bool allowed = true;
  std::string rows;
  std::string topics;
  for (event::Contract& contract : wanted_change->contracts) {
    if (level) contract.compatibility = *level;
    const auto versions = ingest_.Versions(contract.topic);
    const bool known = versions.ok();
    if (!known && versions.error().code() != ErrorCode::kNotFound) {
      return ErrorResponse(versions.error());
    }
    if (!topics.empty()) topics += ',';
    topics += '{';
    AppendMember(topics, "topic", contract.topic);
    topics += fmt::format(",\"follows\":{}", known ? versions->back().version : 0);
    topics += ',';
    AppendMember(topics, "compatibility", event::ToString(contract.compatibility));
    topics += '}';
    if (!known) continue;
    for (const event::Change& change : event::Compare(versions->back(), contract)) {
      const bool taken = event::Allows(contract.compatibility, change);
      allowed = allowed && taken;
      rows += rows.empty() ? "\n[" : ",\n[";
      AppendJsonString(rows, contract.topic);
      rows += ',' + ChangeCells(change) + (taken ? ",true]" : ",false]");
    }
  }
  std::string columns(kChangeColumns);
  columns.insert(1, R"({"name":"topic"},)").insert(columns.size() - 1, R"(,{"name":"allowed"})");
  return {.headers = {},
          .body = fmt::format("{{\"allowed\":{},\"topics\":[{}],\"columns\":{},\"rows\":[{}]}}\n",
                              allowed, topics, columns, rows)};
}

Response SchemaRoutes::List() const {
  std::string out = "{\"topics\":[";
  bool first = true;
  for (const catalog::Topic& topic : ingest_.Topics()) {
    if (!std::exchange(first, false)) out += ',';
    out += '\n';
    AppendTopic(out, topic);
    out += fmt::format(",\"partition\":{},\"fields\":[", topic.partition);
    for (size_t i = 0; i < topic.contract->fields.size(); ++i) {
      if (i > 0) out += ',';
      AppendField(out, *topic.contract, i);
    }
    out += "]}";
  }
  return {.headers = {}, .body = out + "]}\n"};
}

Result<event::Contract> SchemaRoutes::Version(const Call& call,
                                              const std::string& parameter) const {
  SLUICE_ASSIGN_OR_RETURN(const auto versions, ingest_.Versions(call.Segment("topic")));
  const std::string wanted = call.Parameter(parameter);
  if (wanted.empty()) return versions.back();
  int32_t number = 0;
  const auto [end, error] = std::from_chars(wanted.data(), wanted.data() + wanted.size(), number);
  if (error == std::errc() && end == wanted.data() + wanted.size()) {
    for (const event::Contract& contract : versions) {
      if (contract.version == number) return contract;
    }
  }
  return NotFound("topic '{}' has no version '{}'; the newest is {}", call.Segment("topic"), wanted,
                  versions.back().version);
}

Response SchemaRoutes::Show(const Call& call) const {
  const auto contract = Version(call, "version");
  if (!contract.ok()) return ErrorResponse(contract.error());
  std::string out = "{";
  AppendMember(out, "topic", contract->topic);
  out += ',';
  AppendMember(out, "table", contract->table);
  out += fmt::format(",\"version\":{},", contract->version);
  AppendMember(out, "compatibility", event::ToString(contract->compatibility));
  out += ",\"fields\":[";
  for (size_t i = 0; i < contract->fields.size(); ++i) {
    if (i > 0) out += ',';
    AppendField(out, *contract, i);
  }
  out += "],";
  AppendMember(out, "source", contract->source);
  return {.headers = {}, .body = out + "}\n"};
}

Response SchemaRoutes::History(const Call& call) const {
  const auto versions = ingest_.Versions(call.Segment("topic"));
  if (!versions.ok()) return ErrorResponse(versions.error());
  std::string columns(kChangeColumns);
  columns.insert(1, R"({"name":"version"},)");
  std::string rows;
  for (size_t i = 0; i < versions->size(); ++i) {
    const int32_t version = (*versions)[i].version;
    const auto changes = i == 0 ? std::vector<event::Change>{{"", "made", "", {}}}
                                : event::Compare((*versions)[i - 1], (*versions)[i]);
    for (const event::Change& change : changes) {
      rows += fmt::format("{}\n[{},{}]", rows.empty() ? "" : ",", version, ChangeCells(change));
    }
  }
  return {.headers = {}, .body = fmt::format("{{\"columns\":{},\"rows\":[{}]}}\n", columns, rows)};
}

Response SchemaRoutes::Diff(const Call& call) const {
  const auto from = Version(call, "from");
  if (!from.ok()) return ErrorResponse(from.error());
  const auto to = Version(call, "to");
  if (!to.ok()) return ErrorResponse(to.error());
  std::string rows;
  for (const event::Change& change : event::Compare(*from, *to)) {
    rows += fmt::format("{}\n[{}]", rows.empty() ? "" : ",", ChangeCells(change));
  }
  return {.headers = {},
          .body = fmt::format("{{\"columns\":{},\"rows\":[{}]}}\n", kChangeColumns, rows)};
}

}  // namespace sluice::api::internal
