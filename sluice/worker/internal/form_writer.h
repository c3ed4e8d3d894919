#pragma once
/// \file
/// Result batches → bytes of an answer.

#include <memory>
#include <optional>
#include <string_view>

#include "sluice/duck/engine.h"
#include "sluice/worker/query.h"

namespace sluice::worker::internal {

/// Takes bytes as they are made. `rows`: as BodySink::Write().
using Emit = std::function<Status(std::string_view bytes, std::optional<int64_t> rows)>;

/// Makes one answer; Finish() once after the last batch.
///
/// Not thread-safe. Keeps no more than a batch and some bytes; Parquet a row group.
class FormWriter : public duck::ResultSink {
 public:
  /// Writes the end, by which a reader knows that it has all.
  virtual Status Finish() = 0;
  virtual int64_t rows() const = 0;
};

std::unique_ptr<FormWriter> MakeFormWriter(Form form, Emit emit);

}  // namespace sluice::worker::internal
