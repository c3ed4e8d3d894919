#include "sluice/api/internal/schema_routes.h"

#include <fmt/format.h>

#include "sluice/api/internal/answer_text.h"
#include "sluice/api/problem.h"
#include "sluice/event/contract.h"

namespace sluice::api::internal {

void SchemaRoutes::AddTo(Router& router) {
  router.AddBlocking("POST", "/v1/admin/schemas", Access::kAdmin,
                     [this](const Call& call) { return Add(call); });
  router.AddBlocking("GET", "/v1/admin/schemas", Access::kAdmin,
                     [this](const Call&) { return List(); });
  router.AddBlocking("DELETE", "/v1/admin/topics/{topic}", Access::kAdmin,
                     [this](const Call& call) { return Remove(call); });
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

Response SchemaRoutes::Add(const Call& call) {
  std::string name = call.Parameter("name");
  if (name.empty()) name = "schema.capnp";
  if (name.find('/') != std::string::npos || !name.ends_with(".capnp")) {
    return Problem(400, "SL4003", "name must be a file name that ends with .capnp");
  }
  auto contracts = event::CompileCapnp({{name, std::string(call.request->body)}}, name);
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
    AppendMember(out, "topic", topic->contract->topic);
    out += ',';
    AppendMember(out, "table", topic->schema_name + "." + topic->contract->table);
    out += fmt::format(",\"version\":{}}}", topic->contract->version);
  }
  if (const Status kept = hooks_.keep_schema(name, std::string(call.request->body)); !kept.ok()) {
    return ErrorResponse(kept.error());
  }
  return {.headers = {}, .body = out + "]}\n"};
}

Response SchemaRoutes::List() const {
  std::string out = "{\"topics\":[";
  bool first = true;
  for (const catalog::Topic& topic : ingest_.Topics()) {
    if (!std::exchange(first, false)) out += ',';
    out += "\n{";
    AppendMember(out, "topic", topic.contract->topic);
    out += ',';
    AppendMember(out, "table", topic.schema_name + "." + topic.contract->table);
    out += fmt::format(",\"version\":{},\"partition\":{},\"fields\":[", topic.contract->version,
                       topic.partition);
    for (size_t i = 0; i < topic.contract->fields.size(); ++i) {
      const event::Field& field = topic.contract->fields[i];
      out += i > 0 ? ",{" : "{";
      AppendMember(out, "name", field.name);
      out += ',';
      AppendMember(out, "column", field.column);
      out += ',';
      AppendMember(out, "type", event::ToString(field.type));
      out += '}';
    }
    out += "]}";
  }
  return {.headers = {}, .body = out + "]}\n"};
}

}  // namespace sluice::api::internal
