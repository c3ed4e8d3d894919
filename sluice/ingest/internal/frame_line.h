#pragma once
/// \file
/// Frames of the journal, read by one thread and used by another.

#include <condition_variable>
#include <cstddef>
#include <deque>
#include <functional>
#include <future>
#include <mutex>

#include "sluice/base/error.h"
#include "sluice/columnar/bytes.h"
#include "sluice/journal/journal.h"

namespace sluice::ingest::internal {

/// Has frames used in their order, after the first few MiB by a thread of its own, so that the next
/// ones are read meanwhile. Of a small journal nobody gains by a thread.
///
/// Holds up to 16 MiB of frames, or one. Not thread-safe: who reads the journal owns it.
class FrameLine {
 public:
  /// `frame.payload` is empty: the bytes are `payload`.
  using Use = std::function<Status(const journal::Frame& frame, columnar::Bytes payload)>;

  explicit FrameLine(Use use) : use_(std::move(use)) {}
  /// Waits for what was handed over.
  ~FrameLine();

  /// Copies the frame. Returns the first error of a use so far; nothing is used behind it.
  Status Put(const journal::Frame& frame);
  /// Returns when all frames are used, with the first error. The last call.
  Status Finish();

 private:
  struct Waiting {
    journal::Frame frame;
    columnar::Bytes payload;
    size_t bytes;
  };

  Status Run();

  const Use use_;
  size_t bytes_put_ = 0;
  std::future<Status> thread_;

  std::mutex mutex_;  // Guards what follows.
  std::condition_variable changed_;
  std::deque<Waiting> waiting_;
  size_t waiting_bytes_ = 0;
  bool ended_ = false;   // No more is put.
  bool failed_ = false;  // The thread takes no more.
};

}  // namespace sluice::ingest::internal
