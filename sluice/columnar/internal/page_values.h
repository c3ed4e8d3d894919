#pragma once
/// \file
/// Encodings of values in the pages of Parquet files, many at once: those that tables have most.

#include <cstdint>
#include <span>
#include <string>

namespace sluice::columnar::internal {

/// Appends in Parquet's DELTA_BINARY_PACKED: differences, each 32 in as few bits as the largest of
/// them needs.
void AppendDeltas(std::span<const int64_t> values, std::string& out);

/// Appends in Parquet's hybrid of runs and packed bits, without its length. Each value has at most
/// `width` bits; none is more than 32.
void AppendRuns(std::span<const uint32_t> values, int width, std::string& out);

}  // namespace sluice::columnar::internal
