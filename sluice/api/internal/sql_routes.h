#pragma once
/// \file
/// Queries and changes of rows: POST /v1/sql, and what runs: /v1/queries.

#include <chrono>
#include <memory>

#include "sluice/api/router.h"
#include "sluice/base/worker_pool.h"
#include "sluice/ingest/audit_log.h"
#include "sluice/sql/database.h"

namespace sluice::api::internal {

/// Answers are sent while they are made, through a bounded buffer; a client that goes away cancels
/// its query.
///
/// Thread-safe; all references must outlive it.
class SqlRoutes {
 public:
  /// `reader_idle_max`: as RouteOptions has it.
  SqlRoutes(sql::Database& database, ingest::Ingest& ingest,
            std::chrono::milliseconds reader_idle_max);

  void AddTo(Router& router);

 private:
  void Run(const Call& call, const Respond& respond);
  /// The queries that the caller may know of: its own, an administrator all.
  sql::QueryLog::Of QueriesOf(const Call& call) const;
  Response List(const Call& call) const;
  Response Show(const Call& call) const;
  Response Cancel(const Call& call);

  sql::Database& database_;
  ingest::AuditLog audit_;
  const std::chrono::milliseconds reader_idle_max_;
  WorkerPool queries_;  // Apart from that of other routes, which a slow reader must not hold up.
};

}  // namespace sluice::api::internal
