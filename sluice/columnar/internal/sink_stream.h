#pragma once
/// \file
/// An Arrow output stream that gives its bytes away as they come.

#include <arrow/io/interfaces.h>
#include <arrow/status.h>

#include <utility>

#include "sluice/columnar/arrow_bridge.h"
#include "sluice/columnar/byte_sink.h"

namespace sluice::columnar::internal {

/// Keeps the sink's own error: Arrow's has no code of ours.
///
/// Not thread-safe: the writer of one file owns it.
class SinkStream final : public arrow::io::OutputStream {
 public:
  explicit SinkStream(ByteSink sink) : sink_(std::move(sink)) {}

  arrow::Status Write(const void* data, int64_t count) override {
    if (!failure_.ok()) return arrow::Status::IOError(failure_.error().message());
    const Status written = sink_({static_cast<const char*>(data), static_cast<size_t>(count)});
    if (!written.ok()) {
      failure_ = written;
      return arrow::Status::IOError(written.error().message());
    }
    position_ += count;
    return arrow::Status::OK();
  }
  arrow::Status Close() override {
    closed_ = true;
    return arrow::Status::OK();
  }
  bool closed() const override { return closed_; }
  arrow::Result<int64_t> Tell() const override { return position_; }

  int64_t position() const { return position_; }
  /// Returns the sink's error if there was one, else what Arrow says.
  Status Check(const arrow::Status& status) const {
    if (!failure_.ok()) return failure_;
    return FromArrow(status);
  }

 private:
  ByteSink sink_;
  Status failure_;
  int64_t position_ = 0;
  bool closed_ = false;
};

}  // namespace sluice::columnar::internal
