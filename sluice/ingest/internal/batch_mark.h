#pragma once
/// \file
/// What binds the rows of a batch to its content, kept in the rows themselves.

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "sluice/base/error.h"
#include "sluice/columnar/batch.h"
#include "sluice/privacy/keyed_hash.h"

namespace sluice::ingest::internal {

/// The sum of a body, by which a batch is known to be the same.
uint64_t BatchSum(const std::array<std::byte, 16>& key, std::string_view body);

/// Puts `{"$batch":"<sum>"` in front of the members of each row's `_metadata`, so that the sum
/// lasts as long as the rows.
Result<std::shared_ptr<arrow::Array>> MarkMetadata(const arrow::Array& metadata, uint64_t sum);

/// Replaces, in `contents`, those of rows that are marked by the sum of their batch.
void TakeMarks(const columnar::Batch& rows, std::vector<uint64_t>& contents);

}  // namespace sluice::ingest::internal
