#pragma once
/// \file
/// An object of a store as a file that Arrow reads.

#include <arrow/io/interfaces.h>
#include <arrow/result.h>

#include <memory>
#include <mutex>
#include <optional>
#include <string>

#include "sluice/base/error.h"
#include "sluice/store/object_store.h"

namespace sluice::lake::internal {

/// Thread-safe for ReadAt().
class StoreFile final : public arrow::io::RandomAccessFile {
 public:
  /// `store` must outlive the file.
  StoreFile(store::ObjectStore& store, std::string path, int64_t size)
      : store_(store), path_(std::move(path)), size_(size) {}

  arrow::Status Close() override;
  bool closed() const override { return closed_; }
  arrow::Result<int64_t> Tell() const override { return position_; }
  arrow::Status Seek(int64_t position) override;
  arrow::Result<int64_t> GetSize() override { return size_; }
  arrow::Result<int64_t> ReadAt(int64_t position, int64_t count, void* out) override;
  arrow::Result<std::shared_ptr<arrow::Buffer>> ReadAt(int64_t position, int64_t count) override;
  arrow::Result<int64_t> Read(int64_t count, void* out) override;
  arrow::Result<std::shared_ptr<arrow::Buffer>> Read(int64_t count) override;

  /// What the store said when a read failed, if one did; libraries make texts of it.
  std::optional<Error> failure() const;

 private:
  store::ObjectStore& store_;
  const std::string path_;
  const int64_t size_;
  int64_t position_ = 0;
  bool closed_ = false;
  mutable std::mutex mutex_;  // Guards failure_.
  std::optional<Error> failure_;
};

}  // namespace sluice::lake::internal
