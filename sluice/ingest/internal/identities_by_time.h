#pragma once
/// \file
/// Identities read from files in any order, put in the order in which their rows were received.

#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "sluice/base/error.h"
#include "sluice/os/clock.h"
#include "sluice/os/disk.h"
#include "sluice/privacy/keyed_hash.h"

namespace sluice::ingest::internal {

/// An identity of a landed row.
struct LandedIdentity {
  privacy::Hash128 id;
  uint64_t content = 0;
  os::Timestamp received{};
};
static_assert(sizeof(LandedIdentity) == 32);

/// Dedupe forgets first what it was told first, and files that were joined or clustered have rows
/// of a day in any order. So what a start reads of them goes through this: a time is cut into
/// slices, and each slice is handed on when those before it have been.
///
/// Holds a number of identities in memory; if there are more, all are in a file beside it (32 bytes
/// each), which goes with the object. Within a slice, a 64th of the time, they come in order only
/// as far as they were in memory together. Not thread-safe.
class IdentitiesByTime {
 public:
  using Use = std::function<void(std::span<const LandedIdentity>)>;
  static constexpr size_t kHeldMax = 1 << 20;  ///< Where nothing else says so.

  /// Slices `first` .. `last`; what lies outside goes with the first or the last one. `use` gets
  /// the identities, from Finish() on; or before it and out of order, when there is no disk, or it
  /// fails: that is no reason not to start. `disk` and `use` must outlive the object.
  IdentitiesByTime(os::Timestamp first, os::Timestamp last, size_t held_max, os::Disk* disk,
                   std::string path, Use use);
  ~IdentitiesByTime();
  IdentitiesByTime(const IdentitiesByTime&) = delete;
  IdentitiesByTime& operator=(const IdentitiesByTime&) = delete;

  void Add(const LandedIdentity& identity);
  /// Hands on all that have not been. Once, last.
  void Finish();

 private:
  static constexpr size_t kSlices = 64;
  /// Some identities of one slice, as they lie in the file.
  struct Piece {
    uint64_t offset = 0;
    size_t size = 0;  ///< In identities.
    uint32_t crc = 0;
  };

  size_t SliceOf(os::Timestamp received) const;
  /// Sorts what is held and hands it on; or brings it into the file, if that takes it.
  void Flush(bool hand_on);
  Status Write();
  Status HandOn(const Piece& piece);

  const os::Timestamp first_;
  const int64_t slice_us_;
  const size_t held_max_;
  os::Disk* const disk_;
  const std::string path_;
  const Use use_;
  std::unique_ptr<os::File> file_;
  uint64_t file_bytes_ = 0;
  std::vector<LandedIdentity> held_;
  std::array<std::vector<Piece>, kSlices> slices_;
};

}  // namespace sluice::ingest::internal
