#pragma once
/// \file
/// The keys of one installation: made at the first start, kept outside the data folder.

#include <array>
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "sluice/base/error.h"
#include "sluice/os/clock.h"
#include "sluice/os/disk.h"
#include "sluice/os/random.h"

namespace sluice::privacy {

/// What a rotated key is for. Values carry the number of their key (`kid`), so older ones stay
/// readable while newer ones are written.
enum class KeyUse : uint8_t {
  kHash,     ///< `$Sl.hash`
  kToken,    ///< `$Sl.tokenize`
  kSubject,  ///< `$Sl.encrypt`: the root of all subjects' keys.
};
/// `hash`, `token`, `subject`
std::string_view ToString(KeyUse use);

/// A key with its number, from 1.
struct NumberedKey {
  uint32_t kid = 0;
  std::array<std::byte, 32> key{};
};

/// Names a subject to the keys: 64 bits of a keyed hash of `$Sl.subject`'s value.
using SubjectId = uint64_t;

/// Days since 1970, UTC.
int32_t DayOf(os::Timestamp time);

/// Secret keys by use. Never printed.
///
/// A handle: copies share the keys. Thread-safe.
class Keys {
 public:
  /// Reads the key file, or makes it with new keys if it does not exist, readable by its owner
  /// only. `made` (may be null) tells which. `disk` must outlive the keys; `random` this call.
  /// kInvalid: the file is there but not one of ours (it is never replaced), or others may read it.
  ///
  /// With `wrapping`, 64 hex digits, the file is sealed under that key (AES-256-SIV), which lies
  /// elsewhere; one that is there in clear is sealed. kDenied: it was sealed under another key, or
  /// needs one.
  static Result<Keys> LoadOrMake(os::Disk& disk, const std::string& path, os::Random& random,
                                 bool* made = nullptr, std::string_view wrapping = {});

  /// For identities of events (`_id`); never rotated, as that would forget what was seen.
  const std::array<std::byte, 16>& identity() const;

  /// The key that new values are made with.
  NumberedKey Newest(KeyUse use) const;
  /// kNotFound: no such key. Not for kSubject.
  Result<NumberedKey> Get(KeyUse use, uint32_t kid) const;
  /// Writes with key `kid` from now on: it is the newest already, or is made as the next number.
  /// kInvalid: it is neither.
  Status Rotate(KeyUse use, uint32_t kid, os::Random& random);

  SubjectId IdOfSubject(std::string_view tenant, std::string_view subject) const;
  /// The key of one subject's values. Costs 4 µs. kNotFound: destroyed, or no such root.
  Result<std::array<std::byte, 32>> SubjectKey(uint32_t kid, SubjectId subject) const;
  /// Makes the subject's key, of every number there is, underivable for good, durably. What was
  /// encrypted under it cannot be read any more. A copy of the key file made earlier still can:
  /// destroy those too.
  Status DestroySubject(SubjectId subject);

  /// For sealing payloads of error rows and unknown fields. One key a tenant and day, derived by a
  /// one-way chain. kNotFound: destroyed.
  Result<std::array<std::byte, 32>> SealingKey(std::string_view tenant, int32_t day) const;
  /// The first day whose key still exists.
  int32_t FirstSealingDay() const;
  /// Destroys all sealing keys of days before `day`, durably.
  Status DestroySealingKeysBefore(int32_t day);

  /// Tells keys apart without revealing them: `identity`, `hash 1`, `token 1` … to 16 hex digits.
  std::map<std::string, std::string> Fingerprints() const;
  /// The fingerprint of the key that is never rotated: that of the whole set.
  std::string Fingerprint() const;

  /// Checks that the data beside the file `path` was made with these keys, and notes there any keys
  /// that are new. kDenied: it was made with others; says which, and what to do.
  Status Bind(os::Disk& disk, const std::string& path) const;

 private:
  struct State;
  std::shared_ptr<State> state_;
};

}  // namespace sluice::privacy
