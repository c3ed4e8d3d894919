#pragma once
/// \file
/// What each address of the HTTP API does.

#include <functional>
#include <memory>
#include <string>

#include "sluice/api/http_server.h"
#include "sluice/base/metrics.h"
#include "sluice/base/worker_pool.h"
#include "sluice/event/contract.h"
#include "sluice/ingest/ingest.h"
#include "sluice/land/lander.h"
#include "sluice/sql/database.h"

namespace sluice::server {

/// Answers requests. Thread-safe; all references must outlive it.
class Routes {
 public:
  struct Hooks {
    /// Whether the server takes events; else why not.
    std::function<Status()> ready;
    /// Whether the disk has room for more.
    std::function<bool()> disk_full;
    /// Applies what the project file says about a topic to a contract from outside.
    std::function<event::Contract(event::Contract)> configure;
    /// Keeps the schema's text with the project's.
    std::function<Status(const std::string& name, const std::string& text)> keep_schema;
  };

  Routes(ingest::Ingest& ingest, land::Lander& lander, sql::Database& database, Metrics& metrics,
         WorkerPool& workers, Hooks hooks);

  void Handle(std::shared_ptr<const api::Request> request, api::Respond respond);

 private:
  void Events(const std::shared_ptr<const api::Request>& request, std::string topic,
              api::Respond respond);
  void Sql(const std::shared_ptr<const api::Request>& request, const api::Respond& respond);
  api::Response AddSchema(const api::Request& request);
  api::Response Schemas() const;
  api::Response Tables() const;
  api::Response Errors(const api::Request& request);
  api::Response OneError(const api::Request& request, const std::string& id,
                         const std::string& verb);
  api::Response ReplayErrors(const api::Request& request);

  /// An open error row.
  struct OpenError {
    int64_t offset = 0;
    std::string topic;
    std::string code;
    std::string shape;
    std::string payload;  ///< Unsealed.
  };
  Result<std::vector<OpenError>> FindOpen(const std::string& condition, int64_t limit);
  Result<ingest::Receipt> Resend(const OpenError& error, const std::string& payload);

  ingest::Ingest& ingest_;
  land::Lander& lander_;
  sql::Database& database_;
  Metrics& metrics_;
  WorkerPool& workers_;
  const Hooks hooks_;
};

/// The one table of error codes to HTTP.
api::Response ErrorResponse(const Error& error);

}  // namespace sluice::server
