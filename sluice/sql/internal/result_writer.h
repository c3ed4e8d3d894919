#pragma once
/// \file
/// Result batches → bytes of an answer.

#include <memory>

#include "sluice/duck/engine.h"
#include "sluice/sql/database.h"

namespace sluice::sql::internal {

/// Collects an answer; Finish() once after the last batch.
class ResultWriter : public duck::ResultSink {
 public:
  virtual Result<QueryResult> Finish() = 0;
};

/// `bytes_max` bounds the answer: kUnavailable beyond.
std::unique_ptr<ResultWriter> MakeResultWriter(Format format, size_t bytes_max);

}  // namespace sluice::sql::internal
