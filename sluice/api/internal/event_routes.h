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
  /// `body_bytes_max`: of a body that came compressed, when it is no more.
  EventRoutes(ingest::Ingest& ingest, const Hooks& hooks, uint64_t body_bytes_max)
      : ingest_(ingest), hooks_(hooks), body_bytes_max_(body_bytes_max) {}

  void AddTo(Router& router);

 private:
  void Take(const Call& call, Respond respond);

  ingest::Ingest& ingest_;
  const Hooks& hooks_;
  const uint64_t body_bytes_max_;
};

}  // namespace sluice::api::internal
