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
  kNdjson,   ///< One object a line, with values as of AppendJson().
  kCsv,      ///< RFC 4180 with a header line, and values as of AppendCsvValue().
};

/// Returns the form called `arrow`, `parquet`, `ndjson` or `csv`.
std::optional<RowForm> ParseRowForm(std::string_view name);

/// Writes batches of one schema, each as it comes: nothing of it is held once Write() has returned,
/// but for Parquet, of which one row group is (128 Ki rows). Not thread-safe.
class RowWriter {
 public:
  static Result<std::unique_ptr<RowWriter>> Open(RowForm form, const Schema& schema, ByteSink sink);
  virtual ~RowWriter() = default;

  virtual Status Write(const Batch& batch) = 0;
  /// Must be called once, last.
  virtual Status Finish() = 0;
  /// How many rows the bytes that the sink got hold, where they end with a row; nothing where they
  /// end inside of one. The sink may ask, too.
  virtual std::optional<int64_t> rows() const = 0;
};

}  // namespace sluice::columnar
