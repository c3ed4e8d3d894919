#pragma once
/// \file
/// Personal data: /v1/admin/pii, what is declared, what looks like it, what a token stands for.

#include "sluice/api/router.h"
#include "sluice/ingest/audit_log.h"
#include "sluice/ingest/ingest.h"
#include "sluice/sql/database.h"

namespace sluice::api::internal {

/// Thread-safe; all references must outlive it.
class PrivacyRoutes {
 public:
  PrivacyRoutes(ingest::Ingest& ingest, sql::Database& database)
      : ingest_(ingest), database_(database), audit_(ingest) {}

  void AddTo(Router& router);

 private:
  Response Report() const;
  Response Scan(const Call& call);
  Response Reveal(const Call& call);
  Response Shred(const Call& call);

  ingest::Ingest& ingest_;
  sql::Database& database_;
  ingest::AuditLog audit_;
};

}  // namespace sluice::api::internal
