#pragma once
/// \file
/// An answer of a query as rows of memory.

#include <string>
#include <vector>

#include "sluice/columnar/batch.h"

namespace sluice::sql::internal {

/// The rows of an Arrow stream.
struct StreamRows {
  columnar::Schema schema;
  std::vector<columnar::Batch> batches;
};

/// Reads an Arrow IPC stream, and checks every offset and text in it. The result owns its memory.
/// kCorrupt: it is none.
Result<StreamRows> ReadArrowStream(std::string bytes);

/// Returns the values of the first column, which must be text; nulls are left out.
std::vector<std::string> FirstTexts(const StreamRows& rows);

}  // namespace sluice::sql::internal
