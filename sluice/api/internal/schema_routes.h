#pragma once
/// \file
/// Schemas and their topics: /v1/admin/schemas.

#include <mutex>
#include <string>

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
  Response Check(const Call& call);
  Response List() const;
  Response Show(const Call& call) const;
  Response History(const Call& call) const;
  Response Diff(const Call& call) const;

  Result<event::Contract> Version(const Call& call, const std::string& parameter) const;
  Status CheckAgainstPresent(const event::Contract& contract) const;

  ingest::Ingest& ingest_;
  const Hooks& hooks_;
  std::mutex mutex_;  // One change of schemas at a time.
};

}  // namespace sluice::api::internal
