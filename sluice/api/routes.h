#pragma once
/// \file
/// The HTTP API: what each address does.

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "sluice/api/http_server.h"
#include "sluice/base/metrics.h"
#include "sluice/base/worker_pool.h"
#include "sluice/event/contract.h"
#include "sluice/govern/tokens.h"
#include "sluice/ingest/ingest.h"
#include "sluice/land/lander.h"
#include "sluice/os/clock.h"
#include "sluice/sql/database.h"

namespace sluice::api {

/// What the routes ask of the server that runs them.
struct Hooks {
  /// Whether the server takes events; else why not.
  std::function<Status()> ready;
  /// Whether the disk has no room for more.
  std::function<bool()> disk_full;
  /// Applies what the project file says about a topic to a contract from outside.
  std::function<event::Contract(event::Contract)> configure;
  /// The schema files that the project has, by name.
  std::function<Result<event::SchemaFiles>()> schema_files;
  /// Takes the clock of the machine for right after a jump; returns its time.
  std::function<Result<os::Timestamp>()> trust_clock;
  /// Keeps the schema's text with the project's.
  std::function<Status(const std::string& name, const std::string& text)> keep_schema;
};

/// What the routes answer from.
struct Services {
  ingest::Ingest& ingest;
  land::Lander& lander;
  sql::Database& database;
  Metrics& metrics;
  WorkerPool& workers;
  govern::Tokens& tokens;
  std::string version;
  std::string project;  ///< Its name.
};

struct RouteOptions {
  /// What a compressed body may be when it is decompressed.
  uint64_t body_bytes_max = 16ull << 20;
  /// A query ends when its reader takes nothing for so long and others wait for a worker.
  std::chrono::milliseconds reader_idle_max{5'000};
};

/// Answers requests.
///
/// Thread-safe. All services must outlive it.
class Routes {
 public:
  Routes(const Services& services, const RouteOptions& options, Hooks hooks);
  ~Routes();

  void Handle(std::shared_ptr<const Request> request, Respond respond);

 private:
  class Groups;
  const std::unique_ptr<Groups> groups_;
};

}  // namespace sluice::api
