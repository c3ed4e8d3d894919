#pragma once
/// \file
/// Memory that this process fills and other processes read through a descriptor.

#include <cstdint>
#include <memory>
#include <string_view>

#include "sluice/base/error.h"
#include "sluice/os/descriptor.h"

namespace sluice::os {

/// Memory of a fixed size behind two descriptors: ours, and one that only reads. It lives until the
/// last descriptor and mapping of it is gone, in whatever process.
///
/// Not thread-safe.
class SharedMemory {
 public:
  /// kUnavailable: out of memory or descriptors. Pages count once they are written.
  static Result<std::unique_ptr<SharedMemory>> Make(uint64_t size);

  uint64_t size() const { return size_; }
  /// Copies `bytes` to `offset`. They must fit.
  Status Write(uint64_t offset, std::string_view bytes);
  /// What other processes may have: it can neither write nor change the size.
  int reader() const { return reader_.number(); }

 private:
  SharedMemory(Descriptor writer, Descriptor reader, uint64_t size)
      : writer_(std::move(writer)), reader_(std::move(reader)), size_(size) {}

  const Descriptor writer_;
  const Descriptor reader_;
  const uint64_t size_;
};

/// Memory of another process, mapped for reading.
///
/// Immutable here, though its owner may still fill what it has not told us about.
class Mapping {
 public:
  static Result<std::shared_ptr<const Mapping>> Map(const Descriptor& reader, uint64_t size);
  ~Mapping();
  Mapping(const Mapping&) = delete;
  Mapping& operator=(const Mapping&) = delete;

  std::string_view bytes() const { return {static_cast<const char*>(begin_), size_}; }

 private:
  Mapping(void* begin, uint64_t size) : begin_(begin), size_(size) {}
  void* const begin_;
  const uint64_t size_;
};

}  // namespace sluice::os
