#pragma once
/// \file
/// SQL over tables and the rows not yet landed, and the forms of its answers.

#include <cstdint>
#include <memory>
#include <stop_token>
#include <string>
#include <string_view>

#include "sluice/base/error.h"
#include "sluice/base/metrics.h"
#include "sluice/duck/engine.h"
#include "sluice/land/lander.h"
#include "sluice/os/clock.h"

namespace sluice::sql {

/// The form of an answer.
enum class Format : uint8_t {
  kJson,    ///< {"columns":[{"name","type"}],"rows":[[…]],"row_count":n,"complete":true}
  kNdjson,  ///< One object a row; the last line is {"complete":true,"rows":n}.
  kCsv,     ///< RFC 4180 with a header; ends without a record of its own.
  kArrow,   ///< Arrow IPC stream.
};

struct QueryResult {
  std::string content_type;
  std::string body;
  int64_t rows = 0;
};

/// Answers queries as of their beginning: a row acknowledged before is seen.
///
/// Thread-safe.
class Database {
 public:
  /// All references must outlive the object.
  Database(duck::Engine& engine, land::Lander& lander, const os::Clock& clock, Metrics& metrics)
      : engine_(engine), lander_(lander), clock_(clock), metrics_(metrics) {}

  /// Runs one SELECT. Errors are those of duck::Engine::Query().
  Result<QueryResult> Query(std::string_view sql, Format format,
                            const duck::QueryLimits& limits = {}, std::stop_token stop = {});

 private:
  duck::Engine& engine_;
  land::Lander& lander_;
  const os::Clock& clock_;
  Metrics& metrics_;
};

}  // namespace sluice::sql
