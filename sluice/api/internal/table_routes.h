#pragma once
/// \file
/// Tables and their landing: /v1/admin/tables, /v1/admin/land.

#include <string>

#include "sluice/api/router.h"
#include "sluice/ingest/audit_log.h"
#include "sluice/land/lander.h"

namespace sluice::api::internal {

/// Thread-safe; all references must outlive it.
class TableRoutes {
 public:
  TableRoutes(ingest::Ingest& ingest, land::Lander& lander) : lander_(lander), audit_(ingest) {}

  void AddTo(Router& router);

 private:
  Response List() const;
  Response Land();
  Response Adopt(const Call& call);
  /// What maintenance did last to the topic's table, or why nothing; empty: nothing so far.
  std::string LastMaintenance(const std::string& topic) const;

  land::Lander& lander_;
  ingest::AuditLog audit_;
};

}  // namespace sluice::api::internal
