#pragma once
/// \file
/// The whole program, wired: start, serve, stop.

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "sluice/base/error.h"
#include "sluice/base/metrics.h"
#include "sluice/event/contract.h"
#include "sluice/journal/journal.h"
#include "sluice/land/lander.h"
#include "sluice/server/config.h"
#include "sluice/sql/database.h"

namespace sluice::server {

/// A running server.
///
/// Thread-safe. Stops on destruction, as by Stop().
class Server {
 public:
  /// Opens data, recovers, begins to serve. Every schema of `schemas/` in the project's folder has
  /// its topic then.
  static Result<std::unique_ptr<Server>> Start(const Config& config);
  virtual ~Server() = default;

  virtual uint16_t port() const = 0;
  virtual const journal::Recovery& recovery() const = 0;
  virtual std::vector<land::TableStatus> Tables() const = 0;
  virtual Metrics& metrics() = 0;
  virtual sql::Database& database() = 0;

  /// Takes no more, finishes what is under way, lands what was acknowledged, closes the journal.
  virtual Status Stop() = 0;
};

}  // namespace sluice::server
