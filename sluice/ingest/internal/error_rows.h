#pragma once
/// \file
/// Rows of the errors topic, on their way into the journal.

#include <arrow/api.h>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "sluice/base/error.h"
#include "sluice/columnar/batch.h"
#include "sluice/decode/json_decoder.h"
#include "sluice/ingest/internal/topic_state.h"
#include "sluice/os/clock.h"
#include "sluice/privacy/keyed_hash.h"

namespace sluice::ingest::internal {

/// Builds rows of the errors topic.
///
/// Not thread-safe. `topic` must outlive it.
class ErrorRows {
 public:
  explicit ErrorRows(const TopicState& topic) : topic_(topic) {}

  /// Adds an open error, or, with `of`, the row that closes the open error of that offset.
  Status Add(std::string_view state, std::optional<int64_t> of, const decode::RowError& error,
             std::string_view shape, const std::string& sealed, const privacy::Hash128& id);

  Result<columnar::Batch> Finish(os::Timestamp now);

 private:
  const TopicState& topic_;
  arrow::StringBuilder state_, topic_name_, code_, path_, message_, shape_;
  arrow::Int64Builder of_, row_;
  arrow::BinaryBuilder payload_;
  arrow::FixedSizeBinaryBuilder id_{arrow::fixed_size_binary(sizeof(privacy::Hash128))};
};

}  // namespace sluice::ingest::internal
