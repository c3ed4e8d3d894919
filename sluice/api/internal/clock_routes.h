#pragma once
/// \file
/// The clock of the machine after a jump: /v1/admin/clock.

#include "sluice/api/router.h"
#include "sluice/api/routes.h"
#include "sluice/ingest/audit_log.h"

namespace sluice::api::internal {

/// Thread-safe; all references must outlive it.
class ClockRoutes {
 public:
  ClockRoutes(ingest::Ingest& ingest, const Hooks& hooks) : hooks_(hooks), audit_(ingest) {}

  void AddTo(Router& router);

 private:
  Response Trust(const Call& call);

  const Hooks& hooks_;
  ingest::AuditLog audit_;
};

}  // namespace sluice::api::internal
