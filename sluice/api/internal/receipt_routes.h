#pragma once
/// \file
/// What became of one event: /v1/receipts.

#include "sluice/api/router.h"
#include "sluice/ingest/ingest.h"
#include "sluice/land/lander.h"
#include "sluice/sql/database.h"

namespace sluice::api::internal {

/// Thread-safe; all references must outlive it.
class ReceiptRoutes {
 public:
  ReceiptRoutes(ingest::Ingest& ingest, land::Lander& lander, sql::Database& database)
      : ingest_(ingest), lander_(lander), database_(database) {}

  void AddTo(Router& router);

 private:
  Response Show(const Call& call, const std::string& event_id);
  /// A row of the topic's table, or an open error, as the first row of a query; null: there is
  /// none.
  Result<std::optional<std::string>> FindRow(const land::TableStatus& table,
                                             const std::string& identities);
  Result<std::optional<std::string>> FindError(std::string_view topic,
                                               const std::string& identities);

  ingest::Ingest& ingest_;
  land::Lander& lander_;
  sql::Database& database_;
};

}  // namespace sluice::api::internal
