#include "sluice/api/internal/clock_routes.h"

#include "sluice/api/internal/answer_text.h"
#include "sluice/api/problem.h"
#include "sluice/lake/timestamps.h"

namespace sluice::api::internal {

void ClockRoutes::AddTo(Router& router) {
  router.AddBlocking("POST", "/v1/admin/clock/trust", Access::kAdmin,
                     [this](const Call& call) { return Trust(call); });
}

Response ClockRoutes::Trust(const Call& call) {
  // Before: from then on what is old by that clock may be gone.
  const Status kept = audit_.Record({.principal = call.principal.id,
                                     .action = "clock.trust",
                                     .object = {},
                                     .outcome = "begun",
                                     .reason = {}});
  if (!kept.ok()) return ErrorResponse(kept.error());
  const auto trusted = hooks_.trust_clock();
  if (!trusted.ok()) return ErrorResponse(trusted.error());
  std::string out = "{";
  AppendMember(out, "trusted", lake::TimestampText(trusted->time_since_epoch().count()));
  return {.headers = {}, .body = out + "}\n"};
}

}  // namespace sluice::api::internal
