#include "sluice/lake/internal/store_file.h"

#include <arrow/buffer.h>

#include <cstring>

namespace sluice::lake::internal {

arrow::Status StoreFile::Close() {
  closed_ = true;
  return arrow::Status::OK();
}

arrow::Status StoreFile::Seek(int64_t position) {
  if (position < 0 || position > size_) return arrow::Status::Invalid("seek beyond the file");
  position_ = position;
  return arrow::Status::OK();
}

arrow::Result<std::shared_ptr<arrow::Buffer>> StoreFile::ReadAt(int64_t position, int64_t count) {
  if (position < 0 || count < 0 || position > size_) {
    return arrow::Status::Invalid("read beyond the file");
  }
  auto bytes = store_.GetRange(path_, static_cast<uint64_t>(position),
                               static_cast<uint64_t>(std::min(count, size_ - position)));
  if (!bytes.ok()) {
    const Error& error = bytes.error();
    {
      const std::lock_guard lock(mutex_);
      failure_ = error;
    }
    if (error.code() == ErrorCode::kNotFound) return arrow::Status::KeyError(error.message());
    return arrow::Status::IOError(error.message());
  }
  return arrow::Buffer::FromString(std::move(*bytes));
}

std::optional<Error> StoreFile::failure() const {
  const std::lock_guard lock(mutex_);
  return failure_;
}

arrow::Result<int64_t> StoreFile::ReadAt(int64_t position, int64_t count, void* out) {
  ARROW_ASSIGN_OR_RAISE(const auto buffer, ReadAt(position, count));
  std::memcpy(out, buffer->data(), static_cast<size_t>(buffer->size()));
  return buffer->size();
}

arrow::Result<int64_t> StoreFile::Read(int64_t count, void* out) {
  ARROW_ASSIGN_OR_RAISE(const int64_t got, ReadAt(position_, count, out));
  position_ += got;
  return got;
}

arrow::Result<std::shared_ptr<arrow::Buffer>> StoreFile::Read(int64_t count) {
  ARROW_ASSIGN_OR_RAISE(auto buffer, ReadAt(position_, count));
  position_ += buffer->size();
  return buffer;
}

}  // namespace sluice::lake::internal
