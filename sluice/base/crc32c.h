#pragma once
/// \file
/// CRC-32C (Castagnoli), the checksum of everything the journal stores.

#include <cstddef>
#include <cstdint>
#include <span>

namespace sluice {

/// Returns the checksum of `bytes`, or of what `so_far` is the checksum of with `bytes` behind it.
///
/// Uses the processor's instruction where there is one.
uint32_t Crc32c(std::span<const std::byte> bytes, uint32_t so_far = 0);

namespace internal {
/// The same from tables, for processors without the instruction.
uint32_t Crc32cByTable(std::span<const std::byte> bytes, uint32_t so_far);
}  // namespace internal

}  // namespace sluice
