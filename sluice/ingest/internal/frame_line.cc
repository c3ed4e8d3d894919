#include "sluice/ingest/internal/frame_line.h"

#include <utility>

namespace sluice::ingest::internal {
namespace {

constexpr size_t kAloneBytes = 4 << 20;
constexpr size_t kWaitingBytesMax = 16 << 20;

}  // namespace

FrameLine::~FrameLine() { (void)Finish(); }

Status FrameLine::Put(const journal::Frame& frame) {
  const size_t bytes = frame.payload.size();
  SLUICE_ASSIGN_OR_RETURN(auto payload, columnar::CopyBytes(frame.payload));
  journal::Frame head = frame;
  head.payload = {};
  bytes_put_ += bytes;
  if (bytes_put_ <= kAloneBytes) return use_(head, std::move(payload));
  if (!thread_.valid()) thread_ = std::async(std::launch::async, [this] { return Run(); });
  {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] {
      return failed_ || waiting_.empty() || waiting_bytes_ + bytes <= kWaitingBytesMax;
    });
    if (!failed_) {
      waiting_.push_back({.frame = head, .payload = std::move(payload), .bytes = bytes});
      waiting_bytes_ += bytes;
      changed_.notify_all();
      return {};
    }
  }
  return Finish();
}

Status FrameLine::Finish() {
  {
    const std::lock_guard lock(mutex_);
    ended_ = true;
  }
  changed_.notify_all();
  return thread_.valid() ? thread_.get() : Status();
}

Status FrameLine::Run() {
  while (true) {
    Waiting next;
    {
      std::unique_lock lock(mutex_);
      changed_.wait(lock, [this] { return ended_ || !waiting_.empty(); });
      if (waiting_.empty()) return {};
      next = std::move(waiting_.front());
      waiting_.pop_front();
      waiting_bytes_ -= next.bytes;
    }
    changed_.notify_all();
    if (Status used = use_(next.frame, std::move(next.payload)); !used.ok()) {
      {
        const std::lock_guard lock(mutex_);
        failed_ = true;
        waiting_.clear();
      }
      changed_.notify_all();
      return used;
    }
  }
}

}  // namespace sluice::ingest::internal
