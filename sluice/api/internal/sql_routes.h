#pragma once
/// \file
/// Queries: POST /v1/sql.

#include "sluice/api/router.h"
#include "sluice/sql/database.h"

namespace sluice::api::internal {

/// Thread-safe; all references must outlive it.
class SqlRoutes {
 public:
  explicit SqlRoutes(sql::Database& database) : database_(database) {}

  void AddTo(Router& router);

 private:
  Response Query(const Call& call);

  sql::Database& database_;
};

}  // namespace sluice::api::internal
