#pragma once
/// \file
/// An Arrow output stream that appends to a string, so that a finished file is not copied once
/// more.

#include <arrow/io/interfaces.h>
#include <arrow/status.h>

#include <string>

namespace sluice::columnar::internal {

/// Not thread-safe: the writer of one file owns it. `target` must outlive it.
class StringOutput final : public arrow::io::OutputStream {
 public:
  explicit StringOutput(std::string& target) : target_(target) {}

  arrow::Status Close() override {
    closed_ = true;
    return arrow::Status::OK();
  }
  bool closed() const override { return closed_; }
  arrow::Result<int64_t> Tell() const override { return static_cast<int64_t>(target_.size()); }
  arrow::Status Write(const void* data, int64_t size) override {
    target_.append(static_cast<const char*>(data), static_cast<size_t>(size));
    return arrow::Status::OK();
  }
  using arrow::io::OutputStream::Write;

 private:
  std::string& target_;
  bool closed_ = false;
};

}  // namespace sluice::columnar::internal
