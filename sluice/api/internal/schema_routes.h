#pragma once
/// \file
/// Schemas and their topics: /v1/admin/schemas.

#include "sluice/api/router.h"
#include "sluice/api/routes.h"
#include "sluice/ingest/ingest.h"

namespace sluice::api::internal {

/// Thread-safe; all references must outlive it.
class SchemaRoutes {
 public:
  SchemaRoutes(ingest::Ingest& ingest, const Hooks& hooks) : ingest_(ingest), hooks_(hooks) {}

  void AddTo(Router& router);

 private:
  Response Remove(const Call& call);
  Response Add(const Call& call);
  Response List() const;

  ingest::Ingest& ingest_;
  const Hooks& hooks_;
};

}  // namespace sluice::api::internal
