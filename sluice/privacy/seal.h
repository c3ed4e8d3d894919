#pragma once
/// \file
/// Sealed bytes: readable only with the key of their day (AES-256-GCM, NIST SP 800-38D).

#include <array>
#include <cstddef>
#include <string>
#include <string_view>

#include "sluice/base/error.h"
#include "sluice/os/random.h"
#include "sluice/privacy/keys.h"

namespace sluice::privacy {

/// Returns version (1 byte), nonce (12), ciphertext, tag (16). `context` is bound, not stored:
/// opening needs the same.
Result<std::string> Seal(const std::array<std::byte, 32>& key, std::string_view plain,
                         std::string_view context, os::Random& random);

/// kDenied: another key or context, or the bytes were changed.
Result<std::string> Unseal(const std::array<std::byte, 32>& key, std::string_view sealed,
                           std::string_view context);

/// Seals under the tenant's key of the day: four bytes of the day (little-endian), then as Seal().
Result<std::string> SealForDay(const Keys& keys, std::string_view tenant, os::Timestamp now,
                               std::string_view plain, std::string_view context,
                               os::Random& random);
/// kNotFound: the day's key was destroyed.
Result<std::string> UnsealOfDay(const Keys& keys, std::string_view tenant, std::string_view sealed,
                                std::string_view context);

}  // namespace sluice::privacy
