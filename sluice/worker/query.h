#pragma once
/// \file
/// A query, its limits, and the bytes of its answer.

#include <chrono>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "sluice/base/diagnostic.h"
#include "sluice/base/error.h"
#include "sluice/columnar/batch.h"
#include "sluice/duck/engine.h"
#include "sluice/os/clock.h"

namespace sluice::worker {

/// The form of an answer. "Ends" says how a reader knows that it has all of it.
enum class Form : uint8_t {
  kJson,     ///< {"columns":[{"name","type"}],"rows":[[…]],"row_count":n,"complete":true}
  kNdjson,   ///< One object a row; the last line is {"complete":true,"rows":n}.
  kCsv,      ///< RFC 4180 with a header; ends without a record of its own.
  kArrow,    ///< Arrow IPC stream; ends with its end-of-stream mark.
  kParquet,  ///< One file, zstd; ends with its footer.
};

std::string_view ContentType(Form form);

/// The code of a query that ended because its reader took nothing while others waited.
inline constexpr std::string_view kReaderIdle = "SL2211";

struct Limits {
  std::chrono::milliseconds time_max{30'000};  ///< From the call to the last byte taken.
  int64_t rows_max = 1'000'000;
  uint64_t bytes_max = 256ull << 20;  ///< Of the answer.
};

/// What a text is run for.
enum class Asked : uint8_t {
  kRows,     ///< A query's.
  kChanges,  ///< Those of duck::Engine::Change().
};

struct Query {
  std::string sql;
  Form form = Form::kJson;
  Asked asked = Asked::kRows;
  duck::Parameters parameters = {};
  Limits limits = {};
};

struct Outcome {
  int64_t rows = 0;
  uint64_t bytes = 0;
};

/// Takes the bytes of an answer as they come.
class BodySink {
 public:
  virtual ~BodySink() = default;
  /// Before the first bytes: `ask` tells, on any thread and until the query ends, whether others
  /// wait for what it holds. A sink whose reader takes nothing may then end the query.
  virtual void SetOthersWait(std::function<bool()> /*ask*/) {}
  /// A code (SL22..) for the last error of Write(); empty: it has none of its own.
  virtual std::string_view ErrorCodeOfWrite() const { return {}; }
  /// `rows` are those whose bytes end with or before these; nothing if these end inside a row. May
  /// block until `deadline`. An error ends the query.
  virtual Status Write(std::string_view bytes, std::optional<int64_t> rows,
                       os::Monotonic deadline) = 0;
};

/// Writes an answer of one batch that the server made itself.
Status WriteAnswer(Form form, const columnar::Batch& rows, BodySink& sink, os::Monotonic deadline);

/// Returns what has to follow the bytes of `rows` whole rows when the query then fails, so that the
/// reader learns why; empty for forms that can only be cut off.
std::string FailureRecord(Form form, int64_t rows, const Error& error, const Diagnostic& diagnosis);

}  // namespace sluice::worker
