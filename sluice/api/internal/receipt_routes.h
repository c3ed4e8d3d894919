#pragma once
/// \file
/// What became of one event: /v1/receipts.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

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
  /// Of the time of receipt; the end is not part of it. Files that have none of it are not read.
  struct Range {
    std::optional<int64_t> from_us;
    std::optional<int64_t> to_us;
  };

  /// `name`: as the request gives it; its error is the answer.
  Response Show(const Call& call, const Result<ingest::EventName>& name);
  /// The newest row of the topic's table, or open error, that was received in `range`, as members
  /// of the answer; nothing: there is none.
  Result<std::optional<std::string>> FindRow(const land::TableStatus& table,
                                             const std::string& identities, const Range& range);
  Result<std::optional<std::string>> FindError(std::string_view topic,
                                               const std::string& identities, const Range& range);
  /// What may have become of acknowledged events that have no row, to be added to a sentence.
  std::string WhatIsLost(const std::string& topic);
  static std::string InRange(const Range& range, std::string_view column);

  ingest::Ingest& ingest_;
  land::Lander& lander_;
  sql::Database& database_;
};

}  // namespace sluice::api::internal
