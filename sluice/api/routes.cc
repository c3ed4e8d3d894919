#include "sluice/api/routes.h"

#include <fmt/format.h>

#include <utility>

#include "sluice/api/internal/clock_routes.h"
#include "sluice/api/internal/collect_routes.h"
#include "sluice/api/internal/error_routes.h"
#include "sluice/api/internal/event_routes.h"
#include "sluice/api/internal/gate.h"
#include "sluice/api/internal/overview_routes.h"
#include "sluice/api/internal/page_routes.h"
#include "sluice/api/internal/privacy_routes.h"
#include "sluice/api/internal/receipt_routes.h"
#include "sluice/api/internal/schema_routes.h"
#include "sluice/api/internal/sql_routes.h"
#include "sluice/api/internal/table_routes.h"
#include "sluice/api/problem.h"
#include "sluice/api/router.h"

namespace sluice::api {

class Routes::Groups {
 public:
  Groups(const Services& services, const RouteOptions& options, Hooks hooks)
      : hooks_(std::move(hooks)),
        gate_(services.tokens),
        router_(services.workers, [this](const Request& request) { return gate_.Admit(request); }),
        events_(services.ingest, hooks_, options.body_bytes_max),
        sql_(services.database, services.ingest, options.reader_idle_max),
        schemas_(services.ingest, hooks_),
        tables_(services.ingest, services.lander),
        errors_(services.ingest, services.database),
        privacy_(services.ingest, services.database),
        receipts_(services.ingest, services.lander, services.database),
        overview_(services, hooks_),
        clock_(services.ingest, hooks_),
        collect_(services.ingest, gate_, hooks_) {
    events_.AddTo(router_);
    sql_.AddTo(router_);
    schemas_.AddTo(router_);
    tables_.AddTo(router_);
    errors_.AddTo(router_);
    privacy_.AddTo(router_);
    receipts_.AddTo(router_);
    overview_.AddTo(router_);
    clock_.AddTo(router_);
    collect_.AddTo(router_);
    page_.AddTo(router_);
    AddState(services);
  }

  const Router& router() const { return router_; }

 private:
  void AddState(const Services& services) {
    const Metrics& metrics = services.metrics;
    const auto text = [](const Respond& respond, std::string_view type, std::string body) {
      respond({.content_type = std::string(type), .headers = {}, .body = std::move(body)});
    };
    router_.Add("GET", "/healthz", Access::kOpen, [text](const Call&, const Respond& respond) {
      text(respond, "text/plain", "ok\n");
    });
    router_.Add("GET", "/readyz", Access::kOpen, [this, text](const Call&, const Respond& respond) {
      const Status ready = hooks_.ready();
      if (!ready.ok()) return respond(Problem(503, "SL5032", ready.error().message()));
      text(respond, "text/plain", "ready\n");
    });
    router_.Add("GET", "/metrics", Access::kRead,
                [&metrics, text](const Call& call, const Respond& respond) {
                  if (!call.principal.Allows(govern::Verb::kRead)) {  // It tells of all topics.
                    return respond(Problem(403, "SL4031", "metrics need the scope read:*"));
                  }
                  text(respond, "text/plain; version=0.0.4", metrics.Render());
                });
    const std::string about = fmt::format("{{\"version\":{},\"project\":{}}}\n",
                                          JsonQuote(services.version), JsonQuote(services.project));
    router_.Add("GET", "/v1/version", Access::kOpen,
                [about, text](const Call&, const Respond& respond) {
                  text(respond, "application/json", about);
                });
  }

  const Hooks hooks_;
  internal::Gate gate_;
  Router router_;
  internal::EventRoutes events_;
  internal::SqlRoutes sql_;
  internal::SchemaRoutes schemas_;
  internal::TableRoutes tables_;
  internal::ErrorRoutes errors_;
  internal::PrivacyRoutes privacy_;
  internal::ReceiptRoutes receipts_;
  internal::OverviewRoutes overview_;
  internal::ClockRoutes clock_;
  internal::CollectRoutes collect_;
  internal::PageRoutes page_;
};

Routes::Routes(const Services& services, const RouteOptions& options, Hooks hooks)
    : groups_(std::make_unique<Groups>(services, options, std::move(hooks))) {}

Routes::~Routes() = default;

void Routes::Handle(std::shared_ptr<const Request> request, Respond respond) {
  groups_->router().Handle(std::move(request), std::move(respond));
}

}  // namespace sluice::api
