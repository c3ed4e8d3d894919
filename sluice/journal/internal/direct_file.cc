#include "sluice/journal/internal/direct_file.h"

#include <algorithm>
#include <cstring>
#include <limits>
#include <utility>

#include "sluice/base/check.h"

namespace sluice::journal::internal {

namespace {

constexpr size_t kBufferBytesKept = 4u << 20;  // The usual limit of a group.
// For larger groups the change of metadata is lost among their bytes.
constexpr uint64_t kSmallGroupBytes = 64u << 10;
constexpr uint64_t kZeroStepBytes = 256u << 10;

}  // namespace

std::span<std::byte> AlignedBuffer::Get(size_t bytes) {
  SLUICE_CHECK(bytes % os::kDirectBytes == 0);
  if (bytes > size_) {
    bytes_.reset();  // First, so that the two are never held at once.
    bytes_.reset(static_cast<std::byte*>(std::aligned_alloc(os::kDirectBytes, bytes)));
    SLUICE_CHECK(bytes_ != nullptr);
    size_ = bytes;
  }
  return {bytes_.get(), bytes};
}

void AlignedBuffer::Shrink(size_t bytes_max) {
  if (size_ <= bytes_max) return;
  bytes_.reset();
  size_ = 0;
}

Result<std::unique_ptr<DirectFile>> DirectFile::Open(os::Disk& disk, std::string_view path) {
  SLUICE_ASSIGN_OR_RETURN(auto file, disk.Open(path, os::OpenMode::kWriteDirect));
  return std::unique_ptr<DirectFile>(new DirectFile(std::move(file)));
}

Status DirectFile::Write(uint64_t position, std::span<const std::span<const std::byte>> pieces) {
  size_t size = 0;
  for (const auto piece : pieces) size += piece.size();
  const std::span<std::byte> whole = buffer_.Get(size);
  size_t at = 0;
  for (const auto piece : pieces) {
    if (!piece.empty()) std::memcpy(whole.data() + at, piece.data(), piece.size());
    at += piece.size();
  }
  const std::span<const std::byte> out = whole;
  Status written = file_->Write(position, {&out, 1});
  buffer_.Shrink(kBufferBytesKept);
  return written;
}

bool DirectFile::ZerosDue(uint64_t position, uint64_t group_bytes, uint64_t end) const {
  if (group_bytes > kSmallGroupBytes || position + kSmallGroupBytes <= zeroed_until_) return false;
  return std::max(position, zeroed_until_) < end;
}

void DirectFile::ZeroAhead(uint64_t position, uint64_t group_bytes, uint64_t end) {
  if (!ZerosDue(position, group_bytes, end)) return;
  const uint64_t begin = std::max(position, zeroed_until_);
  const std::span<std::byte> zeros = buffer_.Get(std::min(kZeroStepBytes, end - begin));
  std::ranges::fill(zeros, std::byte{0});
  const std::span<const std::byte> out = zeros;
  const bool written = file_->Write(begin, {&out, 1}).ok();
  zeroed_until_ = written ? begin + zeros.size() : std::numeric_limits<uint64_t>::max();
}

}  // namespace sluice::journal::internal
