#pragma once
/// \file
/// Who looked at what: rows of `system.audit`, kept like events.

#include <mutex>
#include <string>
#include <string_view>

#include "sluice/base/error.h"
#include "sluice/ingest/ingest.h"

namespace sluice::ingest {

inline constexpr std::string_view kAuditTopic = "system.audit";

/// One thing that somebody did, or was refused. Holds no private value.
struct AuditRecord {
  std::string principal;  ///< Who: a token's name, or "local".
  std::string action;     ///< `pii.reveal`, `errors.show`
  std::string object;     ///< What: a token as tables have it, an error's id.
  std::string outcome;    ///< `done`, or why not.
  std::string reason;     ///< As the principal gave it.
};

/// Writes audit rows. The topic and its table are made with the first one.
///
/// Thread-safe. `ingest` must outlive it.
class AuditLog {
 public:
  explicit AuditLog(Ingest& ingest) : ingest_(ingest) {}

  /// Returns once the row survives a power loss. What it tells of must not happen if this fails.
  Status Record(const AuditRecord& record);

 private:
  Ingest& ingest_;
  std::mutex mutex_;  // Guards known_.
  bool known_ = false;
};

/// The contract of the audit rows: topic `system.audit`, table `system.audit`.
event::Contract AuditContract();

}  // namespace sluice::ingest
