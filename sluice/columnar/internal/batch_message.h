#pragma once
/// \file
/// The bytes of one record batch, put together without Arrow's writer.

#include <arrow/type_fwd.h>

#include <optional>
#include <string>

namespace sluice::columnar::internal {

/// Returns the batch as one encapsulated message of Arrow IPC, uncompressed, as Arrow's writer
/// would (docs of the format: "Encapsulated message format", metadata V5). For a batch of a row,
/// that writer takes longer than all else that is done with the row.
///
/// Nothing: the batch has no rows, is sliced, or has a column whose type is not known here; that is
/// left to Arrow's writer.
std::optional<std::string> BatchMessage(const arrow::RecordBatch& batch);

}  // namespace sluice::columnar::internal
