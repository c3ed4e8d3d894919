#include "sluice/os/shared_memory.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

namespace sluice::os {

void Descriptor::Close() {
  if (number_ >= 0) close(std::exchange(number_, -1));
}

Result<std::unique_ptr<SharedMemory>> SharedMemory::Make(uint64_t size) {
  Descriptor writer(memfd_create("sluice", MFD_CLOEXEC | MFD_ALLOW_SEALING));
  if (!writer) return Unavailable("no shared memory: {}", std::strerror(errno));
  if (ftruncate(writer.number(), static_cast<off_t>(size)) != 0 ||
      fcntl(writer.number(), F_ADD_SEALS, F_SEAL_GROW | F_SEAL_SHRINK) != 0) {
    return Unavailable("no shared memory of {} bytes: {}", size, std::strerror(errno));
  }
  // Opened anew, because a duplicate would have the rights of the first.
  const std::string path = fmt::format("/proc/self/fd/{}", writer.number());
  Descriptor reader(open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!reader) return Unavailable("shared memory cannot be opened: {}", std::strerror(errno));
  return std::unique_ptr<SharedMemory>(
      new SharedMemory(std::move(writer), std::move(reader), size));
}

Status SharedMemory::Write(uint64_t offset, std::string_view bytes) {
  SLUICE_CHECK(offset <= size_ && bytes.size() <= size_ - offset);
  while (!bytes.empty()) {
    const ssize_t written =
        pwrite(writer_.number(), bytes.data(), bytes.size(), static_cast<off_t>(offset));
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) return Unavailable("shared memory: {}", std::strerror(errno));
    offset += static_cast<uint64_t>(written);
    bytes.remove_prefix(static_cast<size_t>(written));
  }
  return {};
}

Result<std::shared_ptr<const Mapping>> Mapping::Map(const Descriptor& reader, uint64_t size) {
  if (size == 0) return std::shared_ptr<const Mapping>(new Mapping(nullptr, 0));
  void* const begin = mmap(nullptr, size, PROT_READ, MAP_SHARED, reader.number(), 0);
  if (begin == MAP_FAILED) {
    return Unavailable("cannot map {} bytes: {}", size, std::strerror(errno));
  }
  return std::shared_ptr<const Mapping>(new Mapping(begin, size));
}

Mapping::~Mapping() {
  if (begin_ != nullptr) munmap(begin_, size_);
}

}  // namespace sluice::os
