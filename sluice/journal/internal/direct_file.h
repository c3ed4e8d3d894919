#pragma once
/// \file
/// Groups written around the page cache.

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <span>
#include <string_view>

#include "sluice/base/error.h"
#include "sluice/os/disk.h"

namespace sluice::journal::internal {

/// Bytes that begin where a write around the page cache may begin.
class AlignedBuffer {
 public:
  /// Has room for `bytes`, a multiple of os::kDirectBytes; what was in it is lost.
  std::span<std::byte> Get(size_t bytes);
  /// Gives back what is beyond `bytes_max`.
  void Shrink(size_t bytes_max);

 private:
  struct Free {
    void operator()(std::byte* bytes) const { std::free(bytes); }
  };
  std::unique_ptr<std::byte, Free> bytes_;
  size_t size_ = 0;
};

/// A segment that is written with O_DIRECT and O_DSYNC: each write is durable when it returns.
///
/// Not thread-safe: who writes for the journal owns it.
class DirectFile {
 public:
  /// kUnsupported: the file system has no such writes.
  static Result<std::unique_ptr<DirectFile>> Open(os::Disk& disk, std::string_view path);

  /// Writes all pieces, one behind the other, as one. Position and sum of sizes are whole blocks.
  /// kUnavailable: some of the bytes may be written, durably or not.
  Status Write(uint64_t position, std::span<const std::span<const std::byte>> pieces);

  /// Whether ZeroAhead() with the same has something to write.
  bool ZerosDue(uint64_t position, uint64_t group_bytes, uint64_t end) const;
  /// Writes zeros over space that is reserved, up to `end`, in front of small groups that come to
  /// `position` next: the first write into such space changes metadata, too, which costs more than
  /// the bytes. A failure changes nothing but that.
  void ZeroAhead(uint64_t position, uint64_t group_bytes, uint64_t end);

 private:
  explicit DirectFile(std::unique_ptr<os::File> file) : file_(std::move(file)) {}

  std::unique_ptr<os::File> file_;
  AlignedBuffer buffer_;
  uint64_t zeroed_until_ = 0;
};

}  // namespace sluice::journal::internal
