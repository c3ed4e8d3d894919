#pragma once
/// \file
/// Batches in shared memory.

#include <memory>

#include "sluice/columnar/batch.h"
#include "sluice/os/shared_memory.h"

namespace sluice::worker::internal {

/// Returns the batch with its schema as an Arrow IPC stream.
Result<std::shared_ptr<arrow::Buffer>> ToStream(const columnar::Batch& batch);

/// Reads what ToStream() gave, where it lies: the batch keeps the mapping. The bytes are trusted.
Result<columnar::Batch> FromMapping(const std::shared_ptr<const os::Mapping>& mapping,
                                    uint64_t offset, uint64_t size);

}  // namespace sluice::worker::internal
