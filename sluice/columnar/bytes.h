#pragma once
/// \file
/// Bytes of a batch that several may share.

#include <arrow/type_fwd.h>

#include <memory>
#include <string_view>

#include "sluice/columnar/batch.h"

namespace sluice::columnar {

using Bytes = std::shared_ptr<arrow::Buffer>;

/// Copies into memory that is aligned as batches want it.
Result<Bytes> CopyBytes(std::string_view bytes);
/// DeserializeBatch() without a copy: the batch keeps `bytes`, which CopyBytes() made.
Result<Batch> DeserializeBatch(const Schema& schema, Bytes bytes);

}  // namespace sluice::columnar
