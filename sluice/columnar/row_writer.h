#pragma once
/// \file
/// Rows as a stream of bytes, in the forms that other programs take.

#include <cstdint>
#include <memory>
#include <optional>
#include <string_view>

#include "sluice/base/error.h"
#include "sluice/columnar/batch.h"
#include "sluice/columnar/byte_sink.h"

namespace sluice::columnar {

enum class RowForm : uint8_t {
  kArrow,    ///< Arrow IPC stream.
  kParquet,  ///< One file, zstd.
  kNdjson,   ///< One object a line; binary values in base64, times in ISO 8601, NaN as text.
  kCsv,      ///< RFC 4180 with a header line; null is empty, nested values are JSON.
};

/// Returns the form called `arrow`, `parquet`, `ndjson` or `csv`.
std::optional<RowForm> ParseRowForm(std::string_view name);

/// Writes batches of one schema, each as it comes: holds no more than one of them, and of Parquet
/// one row group (128 Ki rows). Not thread-safe.
class RowWriter {
 public:
  static Result<std::unique_ptr<RowWriter>> Open(RowForm form, const Schema& schema, ByteSink sink);
  virtual ~RowWriter() = default;

  virtual Status Write(const Batch& batch) = 0;
  /// Must be called once, last.
  virtual Status Finish() = 0;
};

}  // namespace sluice::columnar
