#pragma once
/// \file
/// Record batches: their bytes in the journal, their hashes, and putting them together.

#include <arrow/type_fwd.h>

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "sluice/base/error.h"

namespace sluice::columnar {

/// Immutable columns of equal length.
using Batch = std::shared_ptr<arrow::RecordBatch>;
using Schema = std::shared_ptr<arrow::Schema>;

/// Returns the Arrow IPC bytes of a schema message.
Result<std::string> SerializeSchema(const arrow::Schema& schema);
Result<Schema> DeserializeSchema(std::string_view bytes);

/// Returns the Arrow IPC bytes of one record batch, without its schema and uncompressed.
Result<std::string> SerializeBatch(const arrow::RecordBatch& batch);
/// Reads what SerializeBatch() wrote. The result owns its memory. kCorrupt: the bytes do not match
/// the schema, or lie about their lengths (all offsets are validated).
Result<Batch> DeserializeBatch(const Schema& schema, std::string_view bytes);

/// Joins batches of one schema into one. Needs at least one.
Result<Batch> Concatenate(const std::vector<Batch>& batches);

/// Picks rows by index, in that order.
Result<Batch> Take(const arrow::RecordBatch& batch, std::span<const int64_t> rows);

uint64_t CountRows(const Batch& batch);
/// Returns the first rows, at most `rows_max`; shares their memory.
Batch FirstRows(const Batch& batch, uint64_t rows_max);

/// Returns one 64-bit hash a row over the columns named, in any order; null differs from every
/// value, and is the same as no such column. It depends on values alone, not on how a batch was
/// cut, sliced or dictionary-encoded, and is stable across releases and machines (golden values in
/// the test).
Result<std::vector<uint64_t>> HashRows(const arrow::RecordBatch& batch,
                                       const std::vector<std::string>& columns);

/// Bytes of memory that the batch's buffers take; those that begin at the same place count once.
int64_t MemoryBytes(const arrow::RecordBatch& batch);

}  // namespace sluice::columnar
