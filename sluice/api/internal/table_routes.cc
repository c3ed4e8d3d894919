#include "sluice/api/internal/table_routes.h"

#include <fmt/format.h>

#include "sluice/api/internal/answer_text.h"
#include "sluice/api/problem.h"

namespace sluice::api::internal {

void TableRoutes::AddTo(Router& router) {
  router.AddBlocking("GET", "/v1/admin/tables", Access::kAdmin,
                     [this](const Call&) { return List(); });
  router.AddBlocking("POST", "/v1/admin/land", Access::kAdmin,
                     [this](const Call&) { return Land(); });
  router.AddBlocking("POST", "/v1/admin/tables/{topic}/adopt", Access::kAdmin,
                     [this](const Call& call) { return Adopt(call); });
}

Response TableRoutes::List() const {
  std::string out = "{\"tables\":[";
  bool first = true;
  for (const land::TableStatus& table : lander_.Tables()) {
    if (!std::exchange(first, false)) out += ',';
    out += "\n{";
    AppendMember(out, "topic", table.topic);
    out += ',';
    AppendMember(out, "table", table.table);
    out += ',';
    AppendMember(out, "path", table.path);
    out += fmt::format(
        ",\"partition\":{},\"landed_offset\":{},\"next_offset\":{},\"pending\":{},\"files\":{},"
        "\"version\":{},\"rows\":{},\"duplicates\":{},",
        table.partition, table.landed, table.end, table.end - table.landed - 1, table.files,
        table.version, table.landed_rows, table.duplicates);
    AppendMember(out, "stopped", table.stopped);
    out += ',';
    AppendMember(out, "maintenance", LastMaintenance(table.topic));
    out += '}';
  }
  return {.headers = {}, .body = out + "]}\n"};
}

std::string TableRoutes::LastMaintenance(const std::string& topic) const {
  const auto last = lander_.maintenance().Last(topic);
  if (!last) return {};
  const std::string what =
      last->action == "none" ? last->outcome : fmt::format("{} {}", last->action, last->outcome);
  return last->reason.empty() ? what : fmt::format("{}: {}", what, last->reason);
}

Response TableRoutes::Land() {
  const Status landed = lander_.LandAll();
  return landed.ok() ? List() : ErrorResponse(landed.error());
}

Response TableRoutes::Adopt(const Call& call) {
  for (const land::TableStatus& table : lander_.Tables()) {
    if (table.topic != call.Segment("topic") || table.stopped.empty()) continue;
    // It may accept that rows are lost.
    const Status kept = audit_.Record({.principal = call.principal.id,
                                       .action = "table.adopt",
                                       .object = table.topic,
                                       .outcome = "begun",
                                       .reason = table.stopped});
    if (!kept.ok()) return ErrorResponse(kept.error());
  }
  const Status adopted = lander_.Adopt(call.Segment("topic"));
  return adopted.ok() ? List() : ErrorResponse(adopted.error());
}

}  // namespace sluice::api::internal
