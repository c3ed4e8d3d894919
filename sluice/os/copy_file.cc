#include "sluice/os/copy_file.h"

#include <algorithm>
#include <vector>

#include "sluice/base/crc32c.h"

namespace sluice::os {

namespace {

constexpr uint64_t kChunkBytes = 1 << 20;

/// Reads the first bytes of a file.
class Beginning {
 public:
  Beginning(File& file, uint64_t bytes) : file_(file), bytes_(bytes), chunk_(kChunkBytes) {}

  Result<std::string_view> operator()(uint64_t offset, uint64_t bytes_max) {
    const uint64_t wanted = std::min({bytes_max, bytes_ - offset, kChunkBytes});
    SLUICE_ASSIGN_OR_RETURN(const size_t read, file_.Read(offset, std::span(chunk_).first(wanted)));
    return std::string_view(reinterpret_cast<const char*>(chunk_.data()), read);
  }

 private:
  File& file_;
  const uint64_t bytes_;
  std::vector<std::byte> chunk_;
};

std::span<const std::byte> BytesOf(std::string_view text) { return std::as_bytes(std::span(text)); }

}  // namespace

Result<CopiedBytes> WriteNewFile(Disk& disk, std::string_view path, OpenMode mode,
                                 const ReadBytes& read) {
  SLUICE_ASSIGN_OR_RETURN(const auto file, disk.Open(path, mode));
  CopiedBytes copied;
  while (true) {
    SLUICE_ASSIGN_OR_RETURN(const std::string_view chunk, read(copied.bytes, kChunkBytes));
    if (chunk.empty()) break;
    const std::span<const std::byte> piece = BytesOf(chunk);
    SLUICE_RETURN_IF_ERROR(file->Write(copied.bytes, {&piece, 1}));
    copied.crc32c = Crc32c(piece, copied.crc32c);
    copied.bytes += chunk.size();
  }
  SLUICE_RETURN_IF_ERROR(file->Sync());
  return copied;
}

Result<CopiedBytes> CopyToNewFile(File& from, uint64_t bytes, Disk& disk, std::string_view path,
                                  OpenMode mode) {
  SLUICE_ASSIGN_OR_RETURN(const CopiedBytes copied,
                          WriteNewFile(disk, path, mode, Beginning(from, bytes)));
  if (copied.bytes == bytes) return copied;
  return Corrupt("'{}': its source has {} bytes, expected {}", path, copied.bytes, bytes);
}

Result<CopiedBytes> SumOfFile(Disk& disk, std::string_view path) {
  SLUICE_ASSIGN_OR_RETURN(const auto file, disk.Open(path, OpenMode::kRead));
  SLUICE_ASSIGN_OR_RETURN(const uint64_t size, file->Size());
  Beginning read(*file, size);
  CopiedBytes sum;
  while (true) {
    SLUICE_ASSIGN_OR_RETURN(const std::string_view chunk, read(sum.bytes, kChunkBytes));
    if (chunk.empty()) return sum;
    sum.crc32c = Crc32c(BytesOf(chunk), sum.crc32c);
    sum.bytes += chunk.size();
  }
}

}  // namespace sluice::os
