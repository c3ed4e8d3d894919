#pragma once
/// \file
/// The last step of two HMAC-SHA-256 at once, by the processor's SHA instructions.

#include <array>
#include <cstddef>
#include <cstdint>

namespace sluice::privacy::internal {

using Digest = std::array<std::byte, 32>;
/// SHA-256 between two blocks (FIPS 180-4, section 6.2.2).
using Sha256State = std::array<uint32_t, 8>;
using Sha256Block = std::array<unsigned char, 64>;

/// Whether the processor can: x86-64 since 2017 (AMD) and 2019 (Intel).
bool HasShaInstructions();

/// What OpenSSL makes of each block one after the other takes twice the time: the instructions wait
/// for each other, so two chains fit into one. `inner` and `outer` are the states behind the key's
/// blocks, each block a message's last, with its end mark and length.
/// Only where HasShaInstructions().
void FinishHmacPair(const Sha256State& inner, const Sha256State& outer,
                    const std::array<const Sha256Block*, 2>& blocks,
                    const std::array<Digest*, 2>& digests);

}  // namespace sluice::privacy::internal
