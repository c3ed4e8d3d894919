#pragma once
/// \file
/// The keys of one installation: made at the first start, kept outside the data folder.

#include <array>
#include <cstddef>
#include <string>
#include <string_view>

#include "sluice/base/error.h"
#include "sluice/os/disk.h"
#include "sluice/os/random.h"

namespace sluice::privacy {

/// Secret keys by use. Never printed.
///
/// Immutable once loaded. Thread-safe.
class Keys {
 public:
  /// Reads the key file, or makes it with new keys if it does not exist. `made` (may be null) tells
  /// which. kInvalid: the file is there but not one of ours; it is never replaced.
  static Result<Keys> LoadOrMake(os::Disk& disk, const std::string& path, os::Random& random,
                                 bool* made = nullptr);

  /// For identities of events (`_id`); never rotated within a dedupe horizon.
  const std::array<std::byte, 16>& identity() const { return identity_; }
  /// For sealing payloads of error rows.
  const std::array<std::byte, 32>& sealing() const { return sealing_; }
  /// Tells key sets apart without revealing them: 16 hex digits.
  std::string Fingerprint() const;

 private:
  std::array<std::byte, 16> identity_{};
  std::array<std::byte, 32> sealing_{};
};

}  // namespace sluice::privacy
