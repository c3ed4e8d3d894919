#pragma once
/// \file
/// Error rows: /v1/admin/errors, to be listed, shown, mended, sent again, dropped.

#include <string_view>
#include <vector>

#include "sluice/api/router.h"
#include "sluice/decode/padded_text.h"
#include "sluice/ingest/audit_log.h"
#include "sluice/ingest/ingest.h"
#include "sluice/sql/database.h"

namespace sluice::api::internal {

/// Selects the errors that are open.
inline constexpr std::string_view kOpenErrors =
    "select e._offset, e.topic, e.code, e.path, e.message, e.row_number, e.shape, e._received_at, "
    "e._id, e.payload from system.errors e where e.state = 'open' and not exists (select 1 from "
    "system.errors c where c.error_offset = e._offset)";

/// Thread-safe; all references must outlive it.
class ErrorRoutes {
 public:
  ErrorRoutes(ingest::Ingest& ingest, sql::Database& database)
      : ingest_(ingest), database_(database), audit_(ingest) {}

  void AddTo(Router& router);

 private:
  Response List(const Call& call);
  Response ListGroups();
  Response Show(const Call& call);
  Response Retry(const Call& call);
  Response Drop(const Call& call);
  Response Replay(const Call& call);

  /// An open error row.
  struct OpenError {
    int64_t offset = 0;
    std::string topic;
    std::string code;
    std::string shape;
    int64_t received_us = 0;
    std::string path;
    std::string message;
    std::string id;       ///< `_id`: the event's identity, if it could be read.
    std::string payload;  ///< Unsealed.
    bool given = false;   ///< The payload is not the error's, but of who mends it.

    /// Whether a row in the table with the identity of the payload has its content, too.
    bool SameAsLanded() const;
  };
  /// What sends an error's event again; `payload` is its own.
  static ingest::Submission SubmissionOf(const OpenError& error, const decode::PaddedText& payload);
  Result<std::vector<OpenError>> FindOpen(const std::string& condition, int64_t limit);
  /// The offset of the newest row of the errors table; -1: none.
  Result<int64_t> FindNewest();
  /// Finds the open error that the address names.
  Result<OpenError> FindOne(const Call& call);
  /// Sends events again; the receipts come in their order.
  std::vector<Result<ingest::Receipt>> Resend(const std::vector<OpenError>& errors);
  /// What Resend() would answer now; nothing is kept. `tried`: as ingest::Ingest::Try().
  Result<ingest::Receipt> TryAgain(const std::vector<OpenError>& errors,
                                   ingest::Ingest::Tried& tried);
  /// Which of them are in their table already, though dedupe may have forgotten it.
  Result<std::vector<bool>> FindLanded(const std::vector<OpenError>& errors);

  ingest::Ingest& ingest_;
  sql::Database& database_;
  ingest::AuditLog audit_;
};

}  // namespace sluice::api::internal
