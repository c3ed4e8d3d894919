#pragma once
/// \file
/// Events in: POST /v1/events and /v1/events/{topic}.

#include "sluice/api/router.h"
#include "sluice/api/routes.h"
#include "sluice/ingest/ingest.h"

namespace sluice::api::internal {

/// Thread-safe; all references must outlive it.
class EventRoutes {
 public:
  EventRoutes(ingest::Ingest& ingest, const Hooks& hooks) : ingest_(ingest), hooks_(hooks) {}

  void AddTo(Router& router);

 private:
  void Take(const Call& call, Respond respond);

  ingest::Ingest& ingest_;
  const Hooks& hooks_;
};

}  // namespace sluice::api::internal
